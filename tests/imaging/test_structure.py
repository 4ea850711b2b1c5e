"""Files built of very many parts are refused before a decoder sees them; what is behind a picture is not looked at."""

from __future__ import annotations

import io
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.fuzz import bombs
from tests.support import pictures
from upscaler.errors import PublicError
from upscaler.imaging import codec, intake, structure

SHIRT = pictures.photograph("coffee", (60, 40))
JPEG, PNG, GIF = (
    pictures.encoded(SHIRT.convert(mode), name) for name, mode in (("JPEG", "RGB"), ("PNG", "RGB"), ("GIF", "P"))
)
GIF_HEAD = 13 + (3 << ((GIF[10] & 7) + 1))
WEBP, AVIF = (pictures.encoded(SHIRT, name) for name in ("WEBP", "AVIF"))


def refusal(content: bytes) -> PublicError:
    with pytest.raises(PublicError) as caught:
        intake.examine_source(io.BytesIO(content), name="a")
    return caught.value


def chain(number: int) -> bytes:
    """A TIFF of so many empty directories."""
    directories = b"".join(struct.pack("<HI", 0, 8 + 6 * (index + 1)) for index in range(number))
    return b"II*\0" + struct.pack("<I", 8) + directories


def shared_tags(number: int) -> bytes:
    """A TIFF whose tags all hold the same megabyte."""
    entries = b"".join(struct.pack("<HHII", 40_000 + index, 7, 1_000_000, 64) for index in range(number))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", number) + entries + bytes(1_100_000)


MANY: dict[str, tuple[Callable[[], bytes], str]] = {
    "segments": (lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 12_000_000 + JPEG[2:], "segments"),
    "filling": (lambda: b"\xff\xd8" + b"\xff" * 40_000_000 + JPEG[2:], "between its segments"),
    "chunks": (lambda: PNG[:33] + bombs.chunk(b"tEXt", b"") * 4_000_000 + PNG[33:], "chunks"),
    "pieces of pixels": (lambda: PNG[:33] + bombs.chunk(b"IDAT", b"") * 4_000_000 + PNG[33:], "chunks"),
    "remarks": (lambda: GIF[:-1] + b"\x21\xfe\x01x\0" * 9_000_000 + b";", "blocks"),
    "a long comment": (
        lambda: GIF[:GIF_HEAD] + b"\x21\xfe" + (b"\xff" + b"x" * 255) * 100_000 + b"\0" + GIF[GIF_HEAD:],
        "comments",
    ),
    "directories": (lambda: chain(300_000), "100 pictures"),
    "tags": (lambda: shared_tags(3000), "tags"),
    "RIFF chunks": (
        lambda: b"RIFF" + struct.pack("<I", 4 + 8 * 5_000_000) + b"WEBP" + b"abcd\0\0\0\0" * 5_000_000,
        "chunks",
    ),
    "boxes": (lambda: AVIF[:32] + bombs.box(b"free", b"") * 5_000_000, "boxes"),
}
"""What makes each file, and what is said of it."""


@pytest.mark.parametrize("case", MANY)
def test_a_file_of_very_many_parts_is_refused_by_what_it_has_too_many_of(case: str) -> None:
    make, words = MANY[case]
    content = make()
    began = time.process_time()
    error = refusal(content)
    assert error.code in ("damaged", "animated")
    assert words in error.message
    assert error.permanent
    # The desk's own process does nothing but hand the file over.
    assert time.process_time() - began < 2


def test_directories_are_counted_once_each() -> None:
    """Quadratic once: twice as many took four times as long."""
    began = time.process_time()
    structure.count_pictures(chain(300_000), "TIFF", "x")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("following", [8, 14, 10**9], ids=["the first", "itself", "outside"])
def test_a_chain_that_leads_nowhere_ends(following: int) -> None:
    content = b"II*\0" + struct.pack("<IHI", 8, 0, 14) + struct.pack("<HI", 0, following)
    assert structure.count_pictures(content, "TIFF", "x") == 2


# What is the picture, and what is not


def motion_photo() -> bytes:
    video = bombs.box(b"ftyp", b"mp42") + bombs.box(b"mdat", b"\xff\xda\0\x0c" * 50_000)
    return JPEG + video


BEHIND = {
    "a phone's video": motion_photo(),
    "a gain map": JPEG + pictures.encoded(SHIRT.convert("L"), "JPEG", progressive=True) * 20,
    "a maker's trailer": JPEG + b"\0\0\x01\x0aImage_UTC_Data1700000000000SEFH" + bytes(40) + b"SEFT",
    "12 MB of anything": JPEG + random.Random(1).randbytes(12_000_000),
    "12 MB behind a PNG": PNG + random.Random(1).randbytes(12_000_000),
    "chunks behind a PNG": PNG + bombs.chunk(b"tEXt", b"") * 500_000,
    "12 MB behind a WebP": WEBP + random.Random(1).randbytes(12_000_000),
    "12 MB behind a GIF": GIF + random.Random(1).randbytes(12_000_000),
    "12 MB behind a TIFF": pictures.encoded(SHIRT, "TIFF") + random.Random(1).randbytes(12_000_000),
}


@pytest.mark.parametrize("case", BEHIND)
def test_what_lies_behind_a_picture_is_no_reason_to_refuse(case: str) -> None:
    found = intake.examine_source(io.BytesIO(BEHIND[case]), name="a")
    assert (found.width, found.height) == (60, 40)


def pages(*kinds: int) -> bytes:
    buffer = io.BytesIO()
    saved = [Image.new("L", (60 // (1 + bool(kind)), 40), "white") for kind in kinds]
    saved[0].save(buffer, "TIFF", save_all=True, append_images=saved[1:])
    content = bytearray(buffer.getvalue())
    # Pillow writes the sort of a page in none of them: put in place of its width's neighbour, the first tag.
    at = struct.unpack_from("<I", content, 4)[0]
    for kind in kinds:
        (tags,) = struct.unpack_from("<H", content, at)
        following = struct.unpack_from("<I", content, at + 2 + 12 * tags)[0]
        if kind:
            # A resolution or the like at the end makes room.
            entries = bytes(content[at + 2 : at + 2 + 12 * (tags - 1)])
            content[at + 2 : at + 2 + 12 * tags] = struct.pack("<HHII", 254, 4, 1, kind) + entries
        at = following
    return bytes(content)


def test_small_copies_and_masks_are_no_pages() -> None:
    assert structure.count_pictures(pages(0, 1, 1, 4), "TIFF", "x") == 1
    assert structure.count_pictures(pages(0, 0, 1), "TIFF", "x") == 2


@pytest.mark.parametrize("number", [2, 7])
def test_frames_and_pages_are_refused_with_their_number(number: int) -> None:
    frames = [Image.new("RGB", (8, 8), (index * 30, 0, 255 - index * 30)) for index in range(number)]
    for format_name in ("GIF", "TIFF", "WEBP", "PNG"):
        content = pictures.encoded(frames[0], format_name, save_all=True, append_images=frames[1:])
        error = refusal(content)
        assert (error.code, f"holds {number} pictures" in error.message) == ("animated", True)


# One format


def polyglot(tiff_side: int, im_side: int) -> bytes:
    """A TIFF of black and white that Pillow's IM reader takes for a picture of its own, each of another size."""
    header = (
        b": x\r\nImage type: L 1 image\r\nImage size (x*y): %d*%d\r\nFile size (no of images): 1\r\n"
        % (im_side, im_side)
    ).ljust(503, b"\0")
    rows = pictures.encoded(
        Image.new("1", (tiff_side, tiff_side)), "TIFF", compression="tiff_adobe_deflate", strip_size=1 << 30
    )
    (first,) = struct.unpack_from("<I", rows, 4)
    (tags,) = struct.unpack_from("<H", rows, first)
    shift = 512 - 8
    moved = bytearray(b"II*\0" + struct.pack("<I", first + shift) + header + b"\x1a" + rows[8:])
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}
    for index in range(tags):
        at = first + shift + 2 + 12 * index
        tag, kind, count, value = struct.unpack_from("<HHII", moved, at)
        if sizes[kind] * count > 4 or tag == 273:
            struct.pack_into("<I", moved, at + 8, value + shift)
    return bytes(moved)


@pytest.mark.parametrize(("tiff_side", "im_side"), [(64, 13_000), (13_000, 64)])
def test_a_file_is_read_as_what_it_is_by_all_of_them(tiff_side: int, im_side: int, tmp_path: Path) -> None:
    """What only looks like another format, once was read as that by the engine alone."""
    path = tmp_path / "source"
    path.write_bytes(polyglot(tiff_side, im_side))
    with Image.open(path, formats=["IM"]) as im:
        assert im.size == (im_side, im_side)
    with Image.open(path, formats=["TIFF"]) as tiff:
        assert tiff.size == (tiff_side, tiff_side)
    loaded = codec.load(path)
    assert (loaded.format, loaded.width, loaded.height) == ("TIFF", tiff_side, tiff_side)
    if tiff_side == 64:
        found = intake.examine_source(io.BytesIO(path.read_bytes()), name="a")
        assert (found.format, found.width, found.height) == ("TIFF", 64, 64)
    else:
        error = refusal(path.read_bytes())
        assert (error.code, "13,000 × 13,000" in error.message) == ("too_many_pixels", True)


@pytest.mark.parametrize(
    "head", [b"Image type: RGB image\r\nImage size (x*y): 64*64\r\n", b"P6 64 64 255\n", b"%!PS-Adobe-3.0"]
)
def test_no_format_is_read_by_one_of_them_alone(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(head.ljust(512, b"\0") + b"\x1a" + bytes(64 * 64 * 3))
    assert refusal(path.read_bytes()).code == "not_a_picture"
    with pytest.raises(PublicError):
        codec.load(path)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}], ids=["VP8", "VP8L", "VP8X"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_is_opened_without_room_for_its_pixels(mode: str, options: dict[str, object]) -> None:
    content = pictures.encoded(SHIRT.convert(mode), "WEBP", icc_profile=b"profile", **options)
    with structure.opened(io.BytesIO(content)) as image, Image.open(io.BytesIO(content)) as expected:
        assert (image.size, image.mode, image.info["icc_profile"]) == ((60, 40), expected.mode, b"profile")
        assert image._made is None  # type: ignore[attr-defined]
        assert image.tobytes() == expected.tobytes()
