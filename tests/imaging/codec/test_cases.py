"""Files that people really have, through reading and writing: what they show, and what is said of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.support import picture_cases, pictures
from tests.support.picture_cases import CASES, Case
from tests.support.picture_files import RoundTrip, load
from upscaler.errors import PublicError
from upscaler.imaging import codec, intake


def examine(content: bytes) -> intake.ExaminedPicture:
    return intake.examine_source(io.BytesIO(content), name="picture")


def shown(image: Image.Image) -> np.ndarray:
    """(height, width, 3) in sRGB, as a screen shows a picture by its profile."""
    profile = image.info.get("icc_profile")
    if profile is None:
        return np.asarray(image.convert("RGB"), float)
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = "L" if opened.profile.xcolor_space == "GRAY" else "RGB"
    srgb = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image.convert(mode), opened, srgb, outputMode="RGB"), float)


def check(content: bytes, case: Case, tmp_path: Path) -> None:
    """The result, the thumbnail and the preview show the same, and the picture is as it is said to be."""
    trip = RoundTrip(tmp_path, content)
    assert (trip.source.width, trip.source.height) == picture_cases.SIZE
    assert trip.source.pixels.dtype.itemsize * 8 == case.bits
    assert (trip.source.alpha is not None) == case.has_alpha
    assert np.abs(shown(trip.image).mean((0, 1)) - case.mean).max() <= 2
    assert case.note in " ".join(codec.notes(trip.source, trip.format))
    assert bool(case.note) == bool(trip.source.notes)
    found = examine(content)
    assert (found.width, found.height) == picture_cases.SIZE
    preview = intake.preview(tmp_path / "source").content
    for small in (found.thumbnail, preview):
        with Image.open(io.BytesIO(small)) as image:
            assert (image.mode == "RGBA") == case.has_alpha
            seen = shown(image)
            # Under full transparency is whatever the encoder likes.
            visible = np.asarray(image.getchannel("A")) > 127 if case.has_alpha else np.ones(seen.shape[:2], bool)
            assert np.abs(seen[visible].mean(0) - shown(trip.image)[visible].mean(0)).max() <= 4


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_people_have_is_read_for_what_it_is(name: str, tmp_path: Path) -> None:
    check((picture_cases.FOLDER / name).read_bytes(), CASES[name], tmp_path)


def test_two_real_pages_are_two_pictures() -> None:
    with pytest.raises(PublicError, match="holds 2 pictures") as raised:
        examine((picture_cases.FOLDER / "control_two_pages.tif").read_bytes())
    assert raised.value.code == "animated"


PHONE: dict[str, tuple[bytes, Case]] = {
    "heic": (picture_cases.heic(), Case(picture_cases.PLAIN)),
    "heic 10 bits": (picture_cases.heic(bits=10), Case(picture_cases.PLAIN, bits=16)),
    "heic p3 by nclx": (picture_cases.heic_of(12, 13), Case((169, 79, 39), bits=16)),
    "heic pq": (picture_cases.heic_of(9, 16), Case((203, 16, 9), bits=16, note="HDR")),
    "jxl": (picture_cases.jxl(quality=97), Case(picture_cases.PLAIN)),
    "jxl without loss": (picture_cases.jxl(lossless=True), Case(picture_cases.PLAIN)),
    "jxl in a container": (
        picture_cases.jxl(lossless=True, use_container=True, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0"),
        Case(picture_cases.PLAIN),
    ),
}


@pytest.mark.parametrize("name", PHONE)
def test_a_phones_picture_is_read(name: str, tmp_path: Path) -> None:
    check(*PHONE[name], tmp_path)


def turned_heic() -> bytes:
    """To be turned by its own property and, as phones say too, by EXIF: the writer turns the pixels once before."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = picture_cases.source()
    picture.info["exif"] = exif.tobytes()
    return picture_cases.heic(picture)


def test_a_heic_is_turned_once(tmp_path: Path) -> None:
    content = turned_heic()
    assert b"irot" in content
    loaded = load(tmp_path, content)
    found = examine(content)
    assert (loaded.width, loaded.height) == (found.width, found.height) == picture_cases.SIZE
    expected = np.rot90(np.asarray(picture_cases.source(), float), 2)
    assert np.abs(loaded.pixels - expected).mean() < 4


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_a_jpeg_xl_keeps_grey_and_transparency(mode: str, tmp_path: Path) -> None:
    picture = picture_cases.source().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture_cases.SIZE).point(lambda value: max(1, value)))
    loaded = load(tmp_path, picture_cases.jxl(picture.convert(mode), lossless=True))
    assert (loaded.grey, loaded.alpha is not None) == (mode in ("L", "LA"), mode.endswith("A"))
    expected = np.asarray(picture.convert(mode).convert("RGBA"))
    assert (loaded.pixels == expected[..., :3]).all()
    if loaded.alpha is not None:
        assert (loaded.alpha == expected[..., 3]).all()


def test_what_a_small_gif_frame_leaves_free_is_clear(tmp_path: Path) -> None:
    content = bytearray(pictures.encoded(picture_cases.source().resize((60, 40)).quantize(64), "GIF"))
    content[6:10] = (80).to_bytes(2, "little") + (60).to_bytes(2, "little")
    place = content.index(b"\x2c\0\0\0\0")
    content[place + 1 : place + 5] = (10).to_bytes(2, "little") + (5).to_bytes(2, "little")
    loaded = load(tmp_path, bytes(content))
    assert (loaded.width, loaded.height) == (80, 60)
    inside = np.zeros((60, 80), bool)
    inside[5:45, 10:70] = True
    assert loaded.alpha is not None
    assert ((loaded.alpha == 255) == inside).all()
    assert ((loaded.alpha == 0) == ~inside).all()


def paths_of(image: Image.Image) -> dict[int, Any]:
    return {number: data for number, data in image.info.get("photoshop", {}).items() if number in range(2000, 3000)}


def test_a_clipping_path_is_kept_where_there_is_a_place_for_it(tmp_path: Path) -> None:
    content = (picture_cases.FOLDER / "clip.jpg").read_bytes()
    with Image.open(io.BytesIO(content)) as before:
        expected = paths_of(before)
    assert set(expected) >= {2000, 2999}
    kept = RoundTrip(tmp_path, content)
    assert paths_of(kept.image) == expected
    assert codec.notes(kept.source, "JPEG") == []
    assert b"8BIM\x07\xd0" + content.split(b"8BIM\x07\xd0")[1][:12] in kept.content
    for title in ("PNG", "WebP"):
        [note] = codec.notes(kept.source, title.upper())
        assert "clipping path" in note
        assert title in note


def test_a_clipping_path_is_turned_with_its_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = (picture_cases.FOLDER / "clip.jpg").read_bytes()
    block = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    turned = content[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + content[2:]
    with Image.open(io.BytesIO(content)) as before:
        old = points(paths_of(before)[2000])
    new = points(paths_of(RoundTrip(tmp_path, turned).image)[2000])
    # A quarter to the right: what was down is now across, from the right.
    assert len(old) > 2
    assert np.allclose(new, np.stack([old[:, 1], 1 - old[:, 0]], axis=1), atol=1e-6)


def points(path: bytes) -> np.ndarray:
    """(count, 2): how far down and across, as shares."""
    records = [path[start : start + 26] for start in range(0, len(path), 26)]
    knots = [record[2:] for record in records if record[1] in (1, 2, 4, 5)]
    return np.frombuffer(b"".join(knots), ">i4").reshape(-1, 2) / 2**24


def test_xmp_beyond_one_part_is_said(tmp_path: Path) -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="ABC"/></rdf:RDF>'
        b"</x:xmpmeta>"
    )
    loaded = load(tmp_path, pictures.encoded(picture_cases.source(), "JPEG", xmp=packet))
    assert "extended XMP" in " ".join(codec.notes(loaded, "JPEG"))
