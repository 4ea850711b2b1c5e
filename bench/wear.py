"""How far the engine takes a picture for a blurred one: sharp photographs, blurred ones, and such as were always soft.

No network runs. What a deblurred picture gains, the worn cases of the part ``quality`` measure.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFilter

from bench import photographs
from bench.photographs import PHOTOGRAPHS
from bench.report import table
from upscaler.engines.local.recipe import BLURRED_FROM, SURE
from upscaler.engines.local.wear import Wear, find_wear

FACTOR, QUALITIES, BLURS = 4, (40, 60), (0.0, 0.5, 0.8, 1.0, 1.3)
SOFT = ("zidane", "mug")
"""Photographs that are soft pixel by pixel at their own size."""


def run() -> str:
    """What is read of each photograph, and how many are taken for blurred."""
    rows, taken = [], np.zeros(len(QUALITIES) * len(BLURS), int)
    for photograph in PHOTOGRAPHS:
        small = photographs.clean_source(photograph, FACTOR)
        read = [_read(small, blur, quality) for quality in QUALITIES for blur in BLURS]
        taken += [_is_taken(wear) for wear in read]
        rows.append([photograph.name, *map(_cell, read)])
    rows.append(["deblurred, in part at least", *(f"{count} of {len(PHOTOGRAPHS)}" for count in taken)])
    head = ["", *(f"blur {blur}, quality {quality}" for quality in QUALITIES for blur in BLURS)]
    soft = [[name, *(_cell(wear) for wear in _read_whole(name))] for name in SOFT]
    return "\n".join(
        [
            "Photographs are shrunk to a quarter, blurred and saved as JPEG. Read is the blur in source pixels, and in "
            "brackets how sure it is that they were blurred, and not soft from the start. From a blur of "
            f"{BLURRED_FROM} and a sureness of {SURE} on it is taken away, the more the surer.",
            "",
            table(head, rows),
            "",
            "The same of photographs that are soft at their own size, and were never blurred:",
            "",
            table(["", *(f"quality {quality}" for quality in QUALITIES)], soft),
        ]
    )


def _read(picture: Image.Image, blur: float, quality: int) -> Wear:
    buffer = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(blur)).save(buffer, "JPEG", quality=quality)
    return find_wear(np.asarray(Image.open(buffer)))


def _read_whole(name: str) -> Iterator[Wear]:
    photograph = photographs.named(name)
    picture = photographs.opened(photograph)
    return (_read(picture, 0.0, quality) for quality in QUALITIES)


def _is_taken(wear: Wear) -> bool:
    return wear.blur >= BLURRED_FROM and wear.confidence >= SURE


def _cell(wear: Wear) -> str:
    return f"{wear.blur:.2f} ({wear.confidence:.1f})"
