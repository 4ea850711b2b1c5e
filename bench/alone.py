"""``python -m bench.alone WIDTH HEIGHT SECONDS``: how many pictures the engine enlarges by itself, without a desk.

It says "ready" once it is warm, begins at the next line that it is given, and says how many it has done.
"""

from __future__ import annotations

import io
import os
import sys
import time

from PIL import Image

MODEL = "recraft"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from bench.enlarging import engine, enlarge
    from tests.support import pictures

    width, height, seconds = (int(argument) for argument in sys.argv[1:])
    with engine() as made, Image.open(io.BytesIO(pictures.jpeg((width, height)))) as picture:
        enlarge(made, picture, MODEL)
        print("ready", flush=True)
        sys.stdin.readline()
        end, done = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            enlarge(made, picture, MODEL)
            done += 1
        print(done, flush=True)


if __name__ == "__main__":
    main()
