"""Forty pictures of every kind that a shop's rules meet, and what other programs than the desk say of a file."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.channels import shots
from tests.support import pictures, profiles

needs_checkers = pytest.mark.skipif(
    not (shutil.which("identify") and shutil.which("exiftool")),
    reason="ImageMagick or exiftool is missing: apt-get install imagemagick libimage-exiftool-perl",
)
AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" '
    f'Iptc4xmpExt:DigitalSourceType="{AI}" exif:GPSLatitude="52,31.2N" aux:SerialNumber="4711"/>'
    "</rdf:RDF></x:xmpmeta>"
).encode()


def camera_data() -> Image.Exif:
    """With a place, an owner, serial numbers and a resolution."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 1
    exif.get_ifd(0x8769).update({0xA430: "Owner", 0xA431: "4711", 0xA435: "L-12", 0x829A: 0.01})
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return exif


def _shot(size: tuple[int, int], ground: tuple[int, int, int] = (255, 255, 255), **options: Any) -> Image.Image:
    # Drawn at half the size: most of the work is in drawing.
    half = size[0] // 2, size[1] // 2
    drawn = shots.shot(half, ground=ground, **({"noise": 0.0, "share": 0.9} | options)).pixels
    return Image.fromarray(drawn).resize(size, Image.Resampling.BILINEAR)


def _cut(size: tuple[int, int], shape: int = 0, share: float = 0.8) -> Image.Image:
    image = pictures.photograph("coffee", size)
    image.putalpha(shots.garment(size, shape, share))
    return image


def _saved(image: Image.Image, format_name: str, **options: Any) -> bytes:
    return pictures.encoded(image, format_name, **options)


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    return _saved(image, "JPEG", **({"quality": 92} | options))


def _deep(size: tuple[int, int]) -> bytes:
    return pictures.deep_png(np.asarray(_shot(size), np.uint16) * 257)


def _marked_png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return _saved(_shot((900, 1300)), "PNG", pnginfo=info)


PICTURES: dict[str, Callable[[], bytes]] = {
    "white, portrait": lambda: _jpeg(_shot((1200, 1700))),
    "white, square": lambda: _jpeg(_shot((1200, 1200), shape=1)),
    "white, landscape": lambda: _jpeg(_shot((1400, 1000), shape=3)),
    "white, large": lambda: _jpeg(_shot((1820, 2640))),
    "white, exactly Zalando's": lambda: _jpeg(_shot((1801, 2600))),
    "white, much margin": lambda: _jpeg(_shot((1200, 1600), share=0.4)),
    "white, a bag": lambda: _jpeg(_shot((1100, 1400), shape=2)),
    "white, pale fabric": lambda: _jpeg(_shot((1000, 1400), made_of="cream", shape=1)),
    "white, 400 wide": lambda: _jpeg(_shot((400, 600))),
    "white, tiny": lambda: _jpeg(_shot((60, 80))),
    "one pixel": lambda: _saved(Image.new("RGB", (1, 1), "white"), "PNG"),
    "white, narrow": lambda: _jpeg(_shot((260, 1400))),
    "panorama": lambda: _jpeg(pictures.photograph("rocket", (3000, 400))),
    "tower": lambda: _jpeg(pictures.photograph("rocket", (300, 2600))),
    "off-white": lambda: _jpeg(_shot((1100, 1600), (246, 246, 244), noise=0.6)),
    "off-white with a shadow": lambda: _jpeg(_shot((1100, 1600), (248, 248, 248), shadow=True, share=0.7)),
    "off-white, sloping": lambda: _jpeg(_shot((1000, 1300), (250, 250, 250), slope=5.0)),
    "light grey": lambda: _jpeg(_shot((1200, 1600), (228, 228, 228))),
    "light grey, large": lambda: _saved(_shot((1500, 2000), (232, 232, 232), noise=1.0), "PNG"),
    "grey": lambda: _jpeg(_shot((1200, 1600), (128, 128, 128))),
    "cream": lambda: _jpeg(_shot((1200, 1600), (248, 232, 205))),
    "on red": lambda: _saved(_shot((1000, 1500), (170, 20, 30)), "PNG"),
    "on black": lambda: _jpeg(_shot((1000, 1500), (5, 5, 5))),
    "street": lambda: _jpeg(pictures.photograph("astronaut", (1600, 2000))),
    "street, landscape": lambda: _jpeg(pictures.photograph("coffee", (1800, 1200))),
    "cut out": lambda: _saved(_cut((1000, 1400)), "PNG"),
    "cut out, square": lambda: _saved(_cut((1500, 1500), 3), "PNG"),
    "cut out, WebP": lambda: _saved(_cut((900, 1200), 1), "WEBP", quality=90),
    "cut out, small": lambda: _saved(_cut((300, 300), 2), "PNG"),
    "grey alone": lambda: _jpeg(_shot((1000, 1400)).convert("L")),
    "grey with a profile": lambda: _saved(_shot((900, 1200)).convert("L"), "PNG", icc_profile=profiles.grey(1.8)),
    "Display P3": lambda: _jpeg(_shot((1000, 1400)), icc_profile=profiles.P3),
    "Display P3, cut out": lambda: _saved(_cut((900, 1300)), "PNG", icc_profile=profiles.P3),
    "CMYK": lambda: _jpeg(_shot((800, 1200)).convert("CMYK"), icc_profile=profiles.CMYK),
    "16 bits": lambda: _deep((800, 1100)),
    "with a place and serial numbers": lambda: _jpeg(_shot((1000, 1300)), exif=camera_data(), xmp=XMP),
    "marked as AI's": _marked_png,
    "turned": lambda: _jpeg(_shot((1400, 1000)), exif=_turned()),
    "palette": lambda: _saved(_shot((700, 900)).quantize(64), "PNG"),
    "GIF": lambda: _saved(_shot((800, 1000)).quantize(64), "GIF"),
}


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@cache
def content(name: str) -> bytes:
    """One of ``PICTURES`` as a file."""
    return PICTURES[name]()


def outside_facts(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """What ImageMagick and exiftool say of files: one call each for all of them."""
    layout = "%m|%w|%h|%B|%[colorspace]|%A|%x|%y|%U|%[fx:p{0,0}.r]|%[fx:p{0,0}.g]|%[fx:p{0,0}.b]\n"
    seen = subprocess.run(["identify", "-format", layout, *map(str, paths)], capture_output=True, text=True, check=True)
    told = subprocess.run(
        ["exiftool", "-j", "-G1", "-a", "-n", *map(str, paths)], capture_output=True, text=True, check=True
    )
    facts = []
    for line, tags in zip(seen.stdout.splitlines(), json.loads(told.stdout), strict=True):
        form, width, height, size, space, alpha, across, _, unit, *corner = line.split("|")
        facts.append(
            {
                "format": form,
                "width": int(width),
                "height": int(height),
                "bytes": int(size.rstrip("B")),
                "space": space,
                "alpha": alpha,
                "dpi": float(across) * (2.54 if unit == "PixelsPerCentimeter" else 1),
                "corner": [round(float(level) * 255) for level in corner],
                "tags": tags,
            }
        )
    return facts


def white_share(path: Path) -> float:
    """How much of a picture's outermost pixels is exactly white, by ImageMagick's own counting."""
    command = ["convert", str(path), "-write", "mpr:whole", "+delete"]
    for gravity, strip in (("North", "x1+0+0"), ("South", "x1+0+0"), ("West", "1x+0+0"), ("East", "1x+0+0")):
        command += ["(", "mpr:whole", "-gravity", gravity, "-crop", strip, "+repage", ")"]
    command += ["-fill", "black", "+opaque", "white", "-format", "%[fx:mean]\n", "info:"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shares = [float(line) for line in told.split()]
    assert len(shares) == 4
    return min(shares)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))
