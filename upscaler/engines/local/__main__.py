"""The child process of the local engine: ``python -m upscaler.engines.local``. See ``worker.py``."""

from __future__ import annotations

from upscaler.engines.local.worker import main

if __name__ == "__main__":
    main()
