"""Before, after and their difference as one picture, to be sent to somebody.

Made in the process that reads strangers' pictures (`in_child`); Django-free.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFont

from upscaler.imaging import colour

SIDE = 1200
"""Pixels that the longer side of each panel has at most."""
GAP, STRIP = 16, 56
STRENGTH = 4
"""How many times stronger the difference is drawn, or nobody would see it."""
PAPER, INK = (242, 242, 242), (22, 22, 22)
MAT = (228, 228, 228)
"""Greys of the desk's own pages; what is transparent lies on the last."""
TITLES = ("Before", "After", f"Difference, {STRENGTH} times as strong")


def in_child(source: Path, target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Write the PNG ``target``. ``source``: two previews, one after the other, of which the first has ``split`` bytes.

    Its JSON answer: ``width`` and ``height`` in pixels. Raises whatever the decoders raise.
    """
    content = source.read_bytes()
    split = int(options["split"])
    after = _opaque(content[split:])
    after.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    before = _opaque(content[:split]).resize(after.size, Image.Resampling.LANCZOS)
    sheet = _sheet((before, after, difference(before, after)))
    with target.open("wb") as file:
        sheet.save(file, "PNG", compress_level=6)
    return {"width": sheet.width, "height": sheet.height}


def difference(before: Image.Image, after: Image.Image) -> Image.Image:
    """Where two RGB pictures of one size differ, colour by colour: black where they don't."""
    return ImageChops.difference(before, after).point([min(255, STRENGTH * step) for step in range(256)] * 3)


def _opaque(content: bytes) -> Image.Image:
    """A preview as RGB in sRGB, so that numbers of different profiles are not compared."""
    image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
    shown = colour.in_srgb(image)
    if shown.mode != "RGBA":
        return shown
    paper = Image.new("RGB", shown.size, MAT)
    paper.paste(shown, mask=shown.getchannel("A"))
    return paper


def _sheet(panels: tuple[Image.Image, ...]) -> Image.Image:
    width, height = panels[0].size
    size = (len(panels) * (width + GAP) + GAP, height + STRIP + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (panel, title) in enumerate(zip(panels, TITLES, strict=True)):
        left = GAP + number * (width + GAP)
        sheet.paste(panel, (left, STRIP))
        letters = max(10, min(26, width // 16))
        draw.text((left, STRIP // 2), title, INK, font=ImageFont.load_default(letters), anchor="lm")
    return sheet
