"""What is refused by its name: files that people take for pictures."""

from __future__ import annotations

import numpy as np
import pytest

from tests.imaging.test_intake import examine, tiff
from tests.support import pictures
from upscaler.errors import PublicError


def ftyp(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(4) + brand + bytes(400)


REFUSED = {
    "photoshop": (b"8BPS\0\1" + bytes(400), "a Photoshop document. Save it as TIFF or PNG"),
    "pdf": (b"%PDF-1.7\n" + bytes(400), "a PDF, not a picture. Export the picture as PNG"),
    "svg": (pictures.SVG, "an SVG, a drawing made of lines, not a picture"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(400), "an EPS"),
    "icon": (b"\0\0\1\0\1\0" + bytes(400), "an icon"),
    "film": (ftyp(b"isom"), "a video. Save the moment"),
    "apple film": (ftyp(b"qt  "), "a video"),
    "cr3": (ftyp(b"crx "), "a camera's raw file. Develop it"),
    "cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(400), "a camera's raw file"),
    "raf": (b"FUJIFILMCCD-RAW 0201" + bytes(400), "a camera's raw file"),
    "orf": (b"IIRO\x08\0\0\0" + bytes(400), "a camera's raw file"),
    "rw2": (b"IIU\0\x18\0\0\0" + bytes(400), "a camera's raw file"),
    "dng": (
        tiff(np.asarray(pictures.photograph("coffee", (24, 16))), extratags=[(50706, 1, 4, b"\1\4\0\0", True)]),
        "a camera's raw file",
    ),
    "nef": (
        tiff(np.zeros((16, 24, 3), np.uint8), photometric="rgb").replace(
            b"\x06\x01\x03\x00\x01\x00\x00\x00\x02\x00", b"\x06\x01\x03\x00\x01\x00\x00\x00\x23\x80"
        ),
        "a camera's raw file",
    ),
    "zip": (b"PK\3\4" + bytes(400), "a ZIP archive"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_people_take_for_a_picture_is_refused_by_its_name(case: str) -> None:
    content, words = REFUSED[case]
    with pytest.raises(PublicError) as raised:
        examine(content)
    assert words in raised.value.message
    assert raised.value.code in ("not_a_picture", "unsupported_kind")
