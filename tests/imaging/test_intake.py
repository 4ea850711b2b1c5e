"""Opening pictures from strangers: every format, odd shapes, and files that were made to break a decoder."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.support import picture_cases, pictures, profiles
from upscaler.errors import PublicError
from upscaler.imaging import codec, colour, examining, intake, previews
from upscaler.picture_formats import FORMATS

LIMITS = {"max_bytes": 1_000_000, "max_pixels": 4_000_000}


def examine(content: bytes) -> intake.ExaminedPicture:
    return intake.examine(io.BytesIO(content), name="x", **LIMITS)


def written() -> dict[str, tuple[str, bytes]]:
    """A file of every format in every mode that Pillow can write it in."""
    files = {}
    for format_name in FORMATS:
        for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"):
            picture = pictures.photograph("coffee", (60, 40)).convert(mode)
            with contextlib.suppress(OSError, ValueError, KeyError, NotImplementedError):
                files[f"{format_name} {mode}"] = format_name, pictures.encoded(picture, format_name)
    return files


WRITTEN = written()


def test_the_list_of_formats_is_not_empty_by_mistake() -> None:
    assert len(WRITTEN) > 40
    assert {format_name for format_name, _ in WRITTEN.values()} == set(FORMATS)


@pytest.mark.parametrize("file", WRITTEN)
def test_every_format_and_mode_that_pillow_writes_is_read(file: str) -> None:
    format_name, content = WRITTEN[file]
    found = examine(content)
    assert (found.format, found.width, found.height) == (format_name, 60, 40)
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == (60, 40)


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (1500, 2)])
def test_odd_shapes(size: tuple[int, int]) -> None:
    found = examine(pictures.encoded(Image.new("RGB", size, "red"), "PNG"))
    assert (found.width, found.height) == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_picture(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = examine(pictures.encoded(pictures.photograph("coffee", (60, 40)), "JPEG", exif=exif))
    upright = (40, 60) if orientation >= 5 else (60, 40)
    assert (found.width, found.height) == upright
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == upright


def test_a_phone_s_double_jpeg_counts_as_one_picture() -> None:
    first, second = pictures.photograph("coffee", (60, 40)), pictures.photograph("coffee", (30, 20))
    content = pictures.encoded(first, "MPO", save_all=True, append_images=[second])
    assert examine(content).format == "JPEG"


def test_16_bit_grey_is_not_clipped_in_the_thumbnail() -> None:
    content = pictures.encoded(Image.new("I;16", (10, 10), 32768), "PNG")
    with Image.open(io.BytesIO(examine(content).thumbnail)) as thumbnail:
        assert abs(thumbnail.convert("L").getpixel((5, 5)) - 128) <= 2


def test_a_broken_profile_is_no_reason_to_refuse() -> None:
    content = pictures.encoded(pictures.photograph("coffee", (60, 40)), "JPEG", icc_profile=b"no profile at all")
    assert examine(content).width == 60


def test_a_tiff_that_lies_on_its_side_has_its_upright_size() -> None:
    found = examine(pictures.encoded(pictures.photograph("coffee", (60, 40)), "TIFF", tiffinfo={0x0112: 6}))
    assert (found.width, found.height) == (40, 60)
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == (40, 60)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_broken_camera_data_is_no_reason_to_refuse(format_name: str) -> None:
    exif = b"Exif\0\0" + bytes(range(200))
    found = examine(pictures.encoded(pictures.photograph("coffee", (60, 40)), format_name, exif=exif))
    assert (found.width, found.height) == (60, 40)


MEMORY = """
import os, sys
from pathlib import Path
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from upscaler.imaging import codec, examining

def highest():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

def work(path):
    if sys.argv[1] == "engine":
        return codec.load(path)
    with path.open("rb") as file:
        return examining.examine(file, "x", max_pixels=10**9, max_memory=10**11)

folder = Path(sys.argv[2])
work(folder / "small")
before = highest()
kept = work(folder / "large")
print(highest() - before)
"""


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux")
@pytest.mark.parametrize(
    ("who", "mode", "own", "most"),
    [
        # The bytes of a pixel as it lies in memory, as decoded or, in the engine, as loaded.
        ("desk", "F", 4, 2), ("desk", "I", 4, 2), ("desk", "I;16", 2, 2.5), ("desk", "P", 1, 5), ("desk", "RGBA", 4, 2),
        ("desk", "WebP", 4, 3),
        ("engine", "RGB", 3, 3), ("engine", "RGBA", 4, 3), ("engine", "F", 6, 2), ("engine", "P", 4, 3),
    ],
)  # fmt: skip
def test_a_small_file_of_many_pixels_takes_little_more_memory_than_they_do(
    who: str, mode: str, own: int, most: float, tmp_path: Path
) -> None:
    for name, side in (("small", 16), ("large", 4000)):
        options = {"transparency": 0} if mode == "P" else {}
        options |= {"compression": "tiff_lzw"} if mode in ("F", "I") else {}
        options |= {"method": 0} if mode == "WebP" else {}
        format_name = "TIFF" if mode in ("F", "I") else "WEBP" if mode == "WebP" else "PNG"
        picture = Image.new("RGB", (side, side), "red") if mode == "WebP" else Image.new(mode, (side, side))
        content = pictures.encoded(picture, format_name, **options)
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-c", MEMORY, who, str(tmp_path)]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < most * own * 4000 * 4000


# Previews and thumbnails: what the engine sees, and what the result shows


def shown(content: bytes, tmp_path: Path) -> tuple[Image.Image, Image.Image, intake.ExaminedPicture]:
    """A file's preview before and after, as if it were source and result at once, and what was found in it."""
    path = tmp_path / "picture"
    path.write_bytes(content)
    before = intake.preview(path)
    found, after = intake.examine_result(path, **LIMITS)
    return Image.open(io.BytesIO(before.content)), Image.open(io.BytesIO(after.content)), found


def apart(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("file", WRITTEN)
def test_the_same_picture_looks_the_same_on_both_sides_of_the_slider(file: str, tmp_path: Path) -> None:
    before, after, found = shown(WRITTEN[file][1], tmp_path)
    assert before.mode == after.mode
    assert before.info.get("icc_profile") == after.info.get("icc_profile")
    assert apart(before, after) < 1
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == after.size == (60, 40)


def tiff(values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


RAMP = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(48, axis=0)
COLOURS = pictures.deep(3, (64, 48))
ODD = {
    "grey from white": (tiff(65535 - RAMP, photometric="miniswhite"), RAMP),
    "floats from white": (tiff((1 - RAMP / 65535).astype(np.float32), photometric="miniswhite"), RAMP),
    "32 bits without a sign": (tiff(RAMP.astype(np.uint32) * 65537, photometric="minisblack"), RAMP),
    "one channel after another": (
        tiff(np.ascontiguousarray(COLOURS.transpose(2, 0, 1)), photometric="rgb", planarconfig="separate"),
        COLOURS,
    ),
    "a channel for something else": (
        tiff(np.dstack([COLOURS, np.zeros_like(RAMP)]), photometric="rgb", extrasamples=["unspecified"]),
        COLOURS,
    ),
    "on its side": (tiff(COLOURS, photometric="rgb", extratags=[(274, 3, 1, 6, True)]), np.rot90(COLOURS, -1)),
}


@pytest.mark.parametrize("case", ODD)
def test_desk_and_engine_see_the_same_in_an_odd_tiff(case: str, tmp_path: Path) -> None:
    content, expected = ODD[case]
    before, after, found = shown(content, tmp_path)
    loaded = codec.load(tmp_path / "picture")
    assert (found.width, found.height) == (loaded.width, loaded.height) == expected.shape[1::-1]
    assert (loaded.grey, loaded.alpha) == (expected.ndim == 2, None)
    colours = np.atleast_3d(expected)
    assert np.abs(loaded.pixels.astype(int) - colours).max() <= 1
    for preview in (before, after):
        assert np.abs(np.asarray(preview.convert("RGB"), float) - colours / 257).mean() < 5


HELD = {
    "JPEG": ["RGB", "L", "CMYK"],
    "PNG": ["RGB", "RGBA", "L", "LA"],
    "WEBP": ["RGB", "RGBA", "L", "LA"],
    "TIFF": ["RGB", "RGBA", "L", "LA", "CMYK"],
}


@pytest.mark.parametrize(("format_name", "mode"), [(name, mode) for name, modes in HELD.items() for mode in modes])
def test_a_preview_has_the_colours_of_the_engine(format_name: str, mode: str, tmp_path: Path) -> None:
    profile = {"CMYK": profiles.CMYK, "L": profiles.grey(1.0), "LA": profiles.grey(1.0)}.get(mode, profiles.P3)
    profile = profiles.P3 if format_name == "WEBP" else profile
    content = pictures.encoded(pictures.photograph("coffee", (64, 48)).convert(mode), format_name, icc_profile=profile)
    before, after, _ = shown(content, tmp_path)
    loaded = codec.load(tmp_path / "picture")
    expected = Image.fromarray(loaded.pixels)
    if loaded.grey:
        expected = colour.grey_in_srgb(expected.getchannel(0), profile).convert("RGB")
    elif mode != "CMYK":
        assert before.info["icc_profile"] == profiles.P3
    for preview in (before.convert("RGB"), after.convert("RGB")):
        assert apart(preview, expected) < 5
        means = [np.asarray(image, float).mean(axis=(0, 1)) for image in (preview, expected)]
        assert np.abs(means[0] - means[1]).max() < 0.5


@pytest.mark.parametrize("size", [(5000, 3000), (3000, 1), (1, 20000)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_large_result_s_preview_is_read_in_one_go(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    source = Image.linear_gradient("L").resize(size).convert(mode)
    path = tmp_path / "large.png"
    source.save(path)
    found, after = intake.examine_result(path, max_bytes=10**9, max_pixels=10**9)
    assert (found.width, found.height) == size
    with Image.open(io.BytesIO(after.content)) as preview, Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert max(preview.size) == previews.PREVIEW_SIDE
        assert max(thumbnail.size) == previews.THUMBNAIL_SIDE
        assert apart(preview.convert("L"), source.convert("L").resize(preview.size)) < 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_large_webp_s_thumbnail_and_preview_show_it(mode: str, tmp_path: Path) -> None:
    gradient = Image.linear_gradient("L").resize((4100, 4000))
    source = Image.merge("RGB", [gradient, gradient.rotate(180), gradient.transpose(Image.Transpose.FLIP_TOP_BOTTOM)])
    if mode == "RGBA":
        source.putalpha(Image.linear_gradient("L").rotate(90).resize(source.size))
    path = tmp_path / "large"
    exif = Image.Exif()
    exif[0x0112] = 6
    source.save(path, "WEBP", quality=95, method=0, exact=True, exif=exif, icc_profile=profiles.P3)
    with path.open("rb") as file:
        found = intake.examine_source(file, name="x")
    assert (found.format, found.width, found.height) == ("WEBP", 4000, 4100)
    upright = source.transpose(Image.Transpose.ROTATE_270)
    for content in (found.thumbnail, intake.preview(path).content):
        with Image.open(io.BytesIO(content)) as shown:
            assert (shown.mode, shown.info["icc_profile"]) == (mode, profiles.P3)
            assert apart(shown, upright.resize(shown.size, Image.Resampling.BOX)) < 3


def test_a_result_that_breaks_off_is_damaged(tmp_path: Path) -> None:
    for format_name in ("JPEG", "PNG", "WEBP"):
        path = tmp_path / format_name
        content = pictures.encoded(pictures.photograph("coffee", (300, 200)), format_name)
        path.write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(PublicError) as raised:
            intake.examine_result(path, **LIMITS)
        assert raised.value.code == "damaged"


SEEDS = [
    pictures.encoded(pictures.photograph("coffee", (24, 16)).convert(mode), format_name)
    for format_name, mode in (
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("WEBP", "RGBA"),
        ("TIFF", "RGB"),
        ("BMP", "RGB"),
        ("GIF", "P"),
        ("AVIF", "RGB"),
        ("TIFF", "CMYK"),
        ("TIFF", "1"),
        ("PNG", "I;16"),
        ("TIFF", "I;16"),
    )
] + [pictures.deep_png(pictures.deep(channels, (24, 16))) for channels in (2, 3, 4)]
SMALL = pictures.photograph("coffee", (24, 16))
SEEDS += [picture_cases.heic(SMALL), picture_cases.heic(SMALL, bits=10), picture_cases.jxl(SMALL)]
SEEDS += [picture_cases.jxl(SMALL, use_container=True), picture_cases.png(picture_cases.cicp(9, 16), picture=SMALL)]
SEEDS += [tiff(pictures.deep(4, (24, 16))[..., [0, 1, 2, 3, 3]], photometric="rgb", extrasamples=[2, 0])]


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.sampled_from(SEEDS),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    tail=st.binary(max_size=40),
)
def test_a_damaged_file_gives_a_picture_or_a_message(
    tmp_path: Path, seed: bytes, cut: float | None, changes: list[tuple[float, int]], tail: bytes
) -> None:
    content = bytearray(seed)
    for place, value in changes:
        content[int(place * len(content))] = value
    content = content[: int(cut * len(content))] if cut is not None else content
    path = tmp_path / "source"
    path.write_bytes(content + tail)
    try:
        if not path.stat().st_size:
            return
        # What the process does that reads strangers' files; tests/imaging/fuzzing goes through the door itself.
        with path.open("rb") as file:
            found, _ = examining.examine(file, "x", max_pixels=LIMITS["max_pixels"], max_memory=10**9)
    except PublicError as error:
        assert error.code in (
            "empty",
            "not_a_picture",
            "unsupported_kind",
            "animated",
            "too_many_pixels",
            "damaged",
            "too_large",
            "out_of_memory",
        )
        assert len(error.message) > 20
    else:
        assert found.width * found.height <= LIMITS["max_pixels"]
        # What the desk takes, the engine must be able to read.
        loaded = codec.load(path)
        assert (loaded.width, loaded.height) == (found.width, found.height)
        with path.open("rb") as file:
            assert examining.preview(file, "x").content


# Files that cost more than they should


def test_a_jpeg_of_very_many_passes_is_refused_at_once() -> None:
    content = pictures.encoded(pictures.photograph("coffee", (64, 48)).convert("L"), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    bomb = content[:last] + content[last:-2] * 2000 + content[-2:]
    with pytest.raises(PublicError) as caught:
        intake.examine_source(io.BytesIO(bomb), name="a.jpg")
    assert caught.value.code == "damaged"
    assert "100 passes" in caught.value.message
    assert intake.examine_source(io.BytesIO(content), name="a.jpg").width == 64


def test_a_png_with_a_megabyte_of_text_is_taken() -> None:
    info = PngInfo()
    info.add_text("workflow", "node " * 400_000, zip=True)
    content = pictures.encoded(pictures.photograph("coffee", (64, 48)), "PNG", pnginfo=info)
    assert intake.examine_source(io.BytesIO(content), name="a.png").width == 64
