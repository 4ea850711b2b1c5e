"""The server: ``python -m upscaler.imaging.sandbox DESCRIPTOR``, started by `client.py`."""

from __future__ import annotations

from upscaler.imaging.sandbox.server import main

if __name__ == "__main__":
    main()
