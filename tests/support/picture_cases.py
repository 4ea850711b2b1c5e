"""Picture files as people have them: small ones under tests/data, and some that are made here, with what they show."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 (Pillow writes JPEG XL with it)
from PIL import Image

from tests.support import pictures, profiles

FOLDER = Path(__file__).parent.parent / "data" / "cases"
SIZE = (150, 100)
PLAIN = (158.6, 85.8, 51.5)
"""The mean of the photograph of which all of these are made, in sRGB."""


class Case(NamedTuple):
    """What becomes of a file."""

    mean: tuple[float, float, float]
    """Of the result, as Chromium shows the source."""
    bits: int = 8
    has_alpha: bool = False
    note: str = ""
    """Part of what is said of it."""


CASES = {
    "gama_1.png": Case((159, 86, 51)),
    "adobe_chrm_gama.png": Case((177, 84, 45)),
    "p3_cicp.png": Case((169, 79, 39)),
    "xmp_only_orientation.jpg": Case(PLAIN),
    "bad_iccp_crc.png": Case(PLAIN, note="beside the picture was damaged (iCCP)"),
    "gimp_with_thumbnail.tif": Case(PLAIN),
    "cmyk_alpha_unassoc.tif": Case((160, 84, 49), has_alpha=True),
    "rgb16_alpha_mask.tif": Case((160, 84, 49), bits=16, has_alpha=True, note="masks or spot colours"),
    "float_rgb.tif": Case(PLAIN, bits=16),
    "clip.jpg": Case(PLAIN),
}
"""By their name in the folder; ``control_two_pages.tif`` is refused."""


def source() -> Image.Image:
    """The photograph."""
    return pictures.photograph("coffee", SIZE)


def chunk(kind: bytes, content: bytes, *, is_sound: bool = True) -> bytes:
    """Of a PNG; with a wrong checksum where it is not sound."""
    checksum = zlib.crc32(kind + content) ^ (0 if is_sound else 1)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(*chunks: bytes, picture: Image.Image | None = None) -> bytes:
    """The photograph with these before its pixels."""
    content = pictures.encoded(picture or source(), "PNG")
    return content[:33] + b"".join(chunks) + content[33:]


def cicp(primaries: int, transfer: int, *, is_full: bool = True) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, is_full]))


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def chrm(*xy: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in xy)))


ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


def avif(primaries: int, transfer: int) -> bytes:
    """The photograph with that in its nclx box."""
    content = pictures.encoded(source(), "AVIF", quality=97, subsampling="4:4:4")
    place = content.index(b"nclx") + 4
    return content[:place] + struct.pack(">HH", primaries, transfer) + content[place + 4 :]


def heic(picture: Image.Image | None = None, *, bits: int = 8, **options: Any) -> bytes:
    """A HEIC as phones write it."""
    picture = picture or source()
    buffer = io.BytesIO()
    if bits == 8:
        written = pillow_heif.from_pillow(picture)
    else:
        values = np.asarray(picture).astype(np.uint16) * 257
        written = pillow_heif.from_bytes("RGB;16", picture.size, values.tobytes())
    written.save(buffer, quality=97, chroma=444, **options)
    return buffer.getvalue()


def heic_of(primaries: int, transfer: int, *, bits: int = 10) -> bytes:
    """The same with that in its nclx box."""
    return heic(
        bits=bits,
        save_nclx_profile=True,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        matrix_coefficients=1,
        full_range_flag=1,
    )


def jxl(picture: Image.Image | None = None, **options: Any) -> bytes:
    """A JPEG XL."""
    return pictures.encoded(picture or source(), "JXL", **options)


def grey() -> Image.Image:
    return source().convert("L")


def declared() -> dict[str, bytes]:
    """Files that declare their colours, by a name with their ending; each is one that Chromium reads."""
    on_grey = {"icc_profile": profiles.adobe_rgb()}
    return {
        "cicp over gama.png": png(cicp(12, 13), gama(1.0)),
        "cicp over icc.png": png(cicp(12, 13), picture=source()),
        "cicp narrow.png": png(cicp(12, 13, is_full=False)),
        "cicp bt709.png": png(cicp(1, 1)),
        "cicp bt2020.png": png(cicp(9, 14)),
        "cicp linear.png": png(cicp(1, 8)),
        "cicp gamma 2.8.png": png(cicp(12, 5)),
        "cicp pq.png": png(cicp(9, 16)),
        "cicp pq p3.png": png(cicp(12, 16)),
        "cicp hlg.png": png(cicp(9, 18)),
        "cicp grey pq.png": png(cicp(9, 16), picture=grey()),
        "cicp palette.png": png(cicp(12, 13), picture=source().quantize(64)),
        "cicp damaged.png": png(chunk(b"cICP", bytes([12, 13, 0, 1]), is_sound=False), gama(0.55)),
        "gama usual.png": png(gama(0.45455)),
        "gama usual with chrm.png": png(gama(0.45455), chrm(*SRGB)),
        "gama mac.png": png(gama(0.55556)),
        "gama grey.png": png(gama(0.55556), picture=grey()),
        "gama grey linear.png": png(gama(1.0), picture=grey()),
        "chrm alone.png": png(chrm(*ADOBE)),
        "srgb over gama.png": png(chunk(b"sRGB", b"\0"), gama(1.0), chrm(*ADOBE)),
        "srgb of nonsense.png": png(chunk(b"sRGB", b"\7"), gama(1.0)),
        "rgb profile on grey.png": pictures.encoded(grey(), "PNG", **on_grey),
        "rgb profile on grey.jpg": pictures.encoded(grey(), "JPEG", quality=97, **on_grey),
        "grey profile on rgb.png": pictures.encoded(source(), "PNG", icc_profile=profiles.grey(1.0)),
        "p3.avif": avif(12, 13),
        "bt709.avif": avif(1, 1),
        "bt2020.avif": avif(9, 14),
        "pq.avif": avif(9, 16),
        "hlg.avif": avif(9, 18),
        "linear.avif": avif(1, 8),
    }
