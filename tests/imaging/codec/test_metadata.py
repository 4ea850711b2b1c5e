"""What the camera and the people wrote, through `load` and `save`."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.support import pictures
from tests.support.picture_files import SIZE, RoundTrip, camera_data, photograph

pytestmark = pytest.mark.engine


IIM = b"\x1c\x02\x78\x00\x05A cap"  # caption


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG", "WEBP"])
def test_camera_data_is_carried_over(source_format: str, to: str | None, tmp_path: Path) -> None:
    # As bytes: from its own object, Pillow writes half of it into a TIFF.
    content = pictures.encoded(photograph(), source_format, exif=camera_data(orientation=6).tobytes())
    done = RoundTrip(tmp_path, content, to)
    assert done.image.size == (40, 60)
    exif = done.image.getexif()
    inner = exif.get_ifd(0x8769)
    assert exif[0x010F] == "A camera"
    if source_format not in ("AVIF", "TIFF"):  # where the test's own writer would lose it
        assert exif[0x8298].encode("latin-1").decode() == "© Zoë"
    assert exif.get(0x0112, 1) == 1
    assert (inner[0xA001], inner[0xA002], inner[0xA003]) == (1, 40, 60)
    assert inner[0x9003] == "2026:01:02 03:04:05"
    assert exif.get_ifd(0x8825) == {1: "N", 2: (52.0, 30.0, 1.5)}
    assert not {256, 257, 273, 277, 278, 279} & set(exif)


def test_what_a_tiff_says_in_any_script_is_kept(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "TIFF", tiffinfo={0x8298: "© Zoë".encode()}))
    assert done.image.getexif()[0x8298].encode("latin-1").decode() == "© Zoë"


def with_thumbnail(exif: Image.Exif, small: bytes) -> bytes:
    """EXIF data with a JPEG in its second directory, as cameras write it."""
    tiff = bytearray(exif.tobytes()[6:])
    (first,) = struct.unpack_from(">I", tiff, 4)
    (count,) = struct.unpack_from(">H", tiff, first)
    tiff += bytes(len(tiff) % 2)
    second = len(tiff)
    struct.pack_into(">I", tiff, first + 2 + 12 * count, second)
    tiff += struct.pack(">H", 3) + struct.pack(">HHIHH", 0x0103, 3, 1, 6, 0)
    tiff += struct.pack(">HHII", 0x0201, 4, 1, second + 42) + struct.pack(">HHII", 0x0202, 4, 1, len(small)) + bytes(4)
    return b"Exif\0\0" + bytes(tiff) + small


@pytest.mark.parametrize("to", [None, "PNG", "WEBP"])
def test_the_camera_s_small_copy_of_the_old_picture_is_left_out(to: str | None, tmp_path: Path) -> None:
    small = pictures.encoded(Image.new("RGB", (16, 12), "red"))
    content = pictures.encoded(photograph(), "JPEG", exif=with_thumbnail(camera_data(), small))
    assert small in content
    assert Image.open(io.BytesIO(content)).getexif().get_ifd(ExifTags.IFD.IFD1)
    done = RoundTrip(tmp_path, content, to)
    assert small not in done.content
    assert not done.image.getexif().get_ifd(ExifTags.IFD.IFD1)
    assert done.image.getexif()[0x010F] == "A camera"


def app13(data: bytes) -> bytes:
    """A JPEG segment as Photoshop writes it: a small copy of the picture, then IPTC."""
    resources = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 40) + bytes(40)
    resources += b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)
    segment = b"Photoshop 3.0\0" + resources
    return b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment


@pytest.mark.parametrize("source_format", ["JPEG", "TIFF"])
def test_iptc_reaches_a_jpeg(source_format: str, tmp_path: Path) -> None:
    if source_format == "JPEG":
        content = pictures.encoded(photograph(), "JPEG")
        content = content[:2] + app13(IIM) + content[2:]
    else:
        content = pictures.encoded(photograph(), "TIFF", tiffinfo={33723: IIM})
    done = RoundTrip(tmp_path, content, "JPEG")
    assert done.image.info["photoshop"] == {0x0404: IIM}


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG"])
def test_resolution_is_kept(source_format: str, to: str | None, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), source_format, dpi=(300, 150)), to)
    # Pillow tells one of EXIF's two.
    assert done.image.info["dpi"] == pytest.approx((300, 300 if done.format == "JPEG" else 150), abs=0.1)
    assert RoundTrip(tmp_path, done.content, "PNG").image.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_resolution_goes_into_a_webp_and_comes_out_again(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", dpi=(300, 150)), "WEBP")
    exif = done.image.getexif()
    assert (exif[0x011A], exif[0x011B], exif[0x0128]) == (300, 150, 2)
    again = RoundTrip(tmp_path, done.content, "PNG")
    assert again.image.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_resolution_turns_with_the_picture(tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), "PNG", dpi=(300, 150), exif=camera_data(orientation=6))
    assert RoundTrip(tmp_path, content).image.info["dpi"] == pytest.approx((150, 300), abs=0.1)


BROKEN_EXIF = {
    "noise": b"Exif\0\0" + np.random.default_rng(2).bytes(300),
    "nothing": b"Exif\0\0",
    "half": camera_data().tobytes()[:60],
    "a directory far away": b"Exif\0\0MM\0*\xff\xff\xff\xff",
    "a directory that names itself": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\x08",
    "many tags": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(3000),
}


@pytest.mark.parametrize("case", BROKEN_EXIF)
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP"])
def test_broken_camera_data_is_no_reason_to_fail(case: str, source_format: str, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), source_format, exif=BROKEN_EXIF[case]))
    assert done.image.size == SIZE
    assert done.source_types


@pytest.mark.parametrize("kind", [3, 4, 8, 9])
def test_no_odd_orientation_turns_the_result_once_more(kind: int, tmp_path: Path) -> None:
    value = struct.pack("<HH", 6, 0)
    entries = b"".join(struct.pack("<HHI", 0x0112, kind, 1) + value for _ in range(2))
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    for name in ("JPEG", "PNG", "WEBP"):
        done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", exif=exif), name)
        assert done.image.getexif().get(0x0112, 1) == 1


def test_a_picture_without_camera_data_gets_none(tmp_path: Path) -> None:
    for name in ("PNG", "JPEG", "WEBP"):
        assert not RoundTrip(tmp_path, pictures.encoded(photograph(), "PNG"), name).image.getexif()
