"""Sound files of every format, and the same with bytes changed, cut out, doubled or put behind."""

from __future__ import annotations

import contextlib
import random
from functools import cache

from PIL import Image

from tests.support import pictures
from upscaler.picture_formats import FORMATS

MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16")
LENGTHS = (b"\xff\xff", b"\xff\xff\xff\xff", b"\0\0", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\xff\xff")


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """A file of every format in every mode that Pillow writes."""
    exif = Image.Exif()
    exif[0x0112] = 6
    found = []
    for format_name in FORMATS:
        for mode in MODES:
            picture = pictures.photograph("coffee", (48, 32)).convert(mode)
            for options in ({}, {"progressive": True, "exif": exif}, {"compression": "tiff_lzw"}, {"lossless": True}):
                with contextlib.suppress(Exception):
                    found.append((f"{format_name} {mode}", pictures.encoded(picture, format_name, **options)))
    found += [("PNG 16", pictures.deep_png(pictures.deep(channels, (24, 16)))) for channels in (2, 3, 4)]
    return tuple({content: (name, content) for name, content in found}.values())


def mutated(chance: random.Random) -> tuple[str, bytes]:
    """A file that was sound, and what it was."""
    name, seed = chance.choice(seeds())
    content = bytearray(seed)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        # Heads are where decoders can be misled; pixels are mostly noise to them.
        span = min(len(content), 200) if chance.random() < 0.5 else len(content)
        at = chance.randrange(max(1, span))
        way = chance.randrange(7)
        if way == 0:
            content[at : at + 1] = bytes([chance.randrange(256)])
        elif way == 1 and content:
            at = min(at, len(content) - 1)
            content[at] ^= 1 << chance.randrange(8)
        elif way == 2:
            number = chance.choice(LENGTHS)
            content[at : at + len(number)] = number
        elif way == 3:
            del content[at : at + chance.randint(1, 64)]
        elif way == 4:
            content[at:at] = content[at : at + chance.randint(1, 256)] * chance.randint(1, 8)
        elif way == 5:
            content[at:at] = chance.randbytes(chance.randint(1, 32))
        else:
            del content[chance.randrange(max(1, len(content))) :]
    return name, bytes(content) or b"x"
