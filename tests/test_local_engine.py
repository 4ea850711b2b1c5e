"""The local engine: real photographs through the real child process and the real networks."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests import pictures
from upscaler import catalog
from upscaler.engines.base import EngineError, Finished, Order
from upscaler.engines.local import networks, recipe, tiles
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.resample import LANCZOS, apply, taps
from upscaler.engines.local.strength import Strength

pytestmark = pytest.mark.engine

FAITHFUL = {"enhance_model": "High Fidelity V2"}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine()
    yield engine
    engine.close()


Enlarge = Callable[..., Image.Image]


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., Order]:
    def make(content: bytes, model: str = "topaz", **settings: Any) -> Order:
        source, work = tmp_path / "source", tmp_path / "work"
        source.write_bytes(content)
        return Order(1, model, {**catalog.MODELS[model].defaults, **settings}, source, work)

    return make


@pytest.fixture
def enlarge(engine: LocalEngine, order: Callable[..., Order]) -> Enlarge:
    """The result of a whole job, opened."""

    def run(content: bytes, model: str = "topaz", factor: str = "2x", **settings: Any) -> Image.Image:
        if model == "topaz":
            settings["upscale_factor"] = factor
        finished = engine.advance(order(content, model, **settings), lambda fraction, text: None)
        result = Image.open(finished.path)
        assert (result.format, result.size) == (finished.format, (finished.width, finished.height))
        result.load()
        return result

    return run


def crop(name: str = "astronaut", box: tuple[int, int, int, int] = (170, 60, 266, 156)) -> Image.Image:
    """A detail of a photograph at its own size: a face, by default."""
    return pictures.photograph(name).crop(box)


def png(picture: Image.Image, **options: Any) -> bytes:
    return pictures.encoded(picture, "PNG", **options)


def decibels(one: Image.Image, other: Image.Image, margin: int = 0) -> float:
    """PSNR of two pictures, without a margin of pixels at their edges."""
    inside = (slice(margin, -margin or None),) * 2
    difference = np.asarray(one, np.float64)[inside] - np.asarray(other, np.float64)[inside]
    return float(10 * np.log10(255**2 / (difference**2).mean()))


# Sizes


@pytest.mark.parametrize("factor", [2, 4, 6])
@pytest.mark.parametrize("size", [(48, 40), (37, 61), (1, 1), (1, 300), (300, 2), (7, 5)])
def test_every_factor_is_exact_to_the_pixel(enlarge: Enlarge, size: tuple[int, int], factor: int) -> None:
    result = enlarge(png(pictures.photograph(size=size)), factor=f"{factor}x")
    assert result.size == (size[0] * factor, size[1] * factor)


@pytest.mark.parametrize("factor", [2, 4])
def test_the_restoring_network_is_exact_to_the_pixel_too(enlarge: Enlarge, factor: int) -> None:
    result = enlarge(png(crop(box=(200, 80, 223, 97))), factor=f"{factor}x", enhance_model="Standard V2")
    assert result.size == (23 * factor, 17 * factor)


def test_recraft_is_always_four_times(enlarge: Enlarge) -> None:
    assert enlarge(pictures.jpeg((33, 21)), "recraft").size == (132, 84)


# Quality


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize("factor", [2, 4])
def test_a_photograph_comes_out_better_than_by_bicubic(enlarge: Enlarge, name: str, factor: int) -> None:
    truth = pictures.photograph(name).crop((100, 50, 292, 242))
    small = truth.resize((192 // factor, 192 // factor), Image.Resampling.BICUBIC)
    bicubic = small.resize(truth.size, Image.Resampling.BICUBIC)
    result = enlarge(png(small), factor=f"{factor}x", **FAITHFUL)
    assert decibels(result, truth, 8) > decibels(bicubic, truth, 8) + (0.5 if name == "chelsea" else 1.5)


def test_the_blocks_of_a_worn_jpeg_are_cleaned(enlarge: Enlarge) -> None:
    truth = pictures.photograph("coffee").crop((100, 50, 292, 242))
    small = truth.resize((96, 96), Image.Resampling.BICUBIC)
    worn = pictures.encoded(small, "JPEG", quality=40)
    bicubic = Image.open(io.BytesIO(worn)).resize(truth.size, Image.Resampling.BICUBIC)
    assert decibels(enlarge(worn, **FAITHFUL), truth, 8) > decibels(bicubic, truth, 8) + 0.8


@pytest.mark.parametrize(("quality", "network"), [(95, "denoise0"), (75, "denoise1"), (40, "photo-denoise3")])
def test_the_cleaning_follows_the_quality_in_the_file(
    engine: LocalEngine, order: Callable[..., Order], quality: int, network: str
) -> None:
    content = pictures.encoded(crop(box=(0, 0, 24, 24)), "JPEG", quality=quality)
    made = engine.advance(order(content, "recraft"), lambda fraction, text: None).made_with
    assert made["networks"][0].endswith(network)
    assert made["precision"] in ("f32", "bf16")


@pytest.mark.parametrize("mode", ["High Fidelity V2", "Low Resolution V2"])
def test_shrunk_back_it_is_the_source_again(enlarge: Enlarge, mode: str) -> None:
    source = crop(box=(170, 60, 234, 124))
    result = enlarge(png(source), factor="4x", enhance_model=mode)
    again = result.resize(source.size, Image.Resampling.BOX)
    assert decibels(again, source) > (40 if mode == "High Fidelity V2" else 30)
    drift = np.asarray(again, float).mean((0, 1)) - np.asarray(source, float).mean((0, 1))
    assert np.abs(drift).max() < 0.5


@pytest.mark.parametrize("mode", ["High Fidelity V2", "Low Resolution V2"])
def test_white_stays_white(enlarge: Enlarge, mode: str) -> None:
    product = Image.new("RGB", (64, 64), "white")
    product.paste(crop(box=(180, 80, 212, 112)), (16, 16))
    result = np.asarray(enlarge(png(product), factor="4x", enhance_model=mode))
    outside = np.ones(result.shape[:2], bool)
    outside[14 * 4 : 50 * 4, 14 * 4 : 50 * 4] = False
    assert (result[outside] == 255).all()


def test_the_restoring_share_grows_with_the_enhancement(enlarge: Enlarge) -> None:
    content = png(crop(box=(190, 80, 230, 120)))
    faithful, standard, rebuilt = (
        enlarge(content, enhance_model=mode) for mode in ("High Fidelity V2", "Standard V2", "Low Resolution V2")
    )
    assert decibels(faithful, standard) > decibels(faithful, rebuilt)


# What a picture carries


def test_transparency_is_kept_without_a_halo(enlarge: Enlarge) -> None:
    yy, xx = np.mgrid[:64, :64]
    inside = (xx - 32) ** 2 + (yy - 32) ** 2 < 20**2
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[inside] = (200, 120, 40, 255)
    pixels[~inside] = (0, 255, 0, 0)
    result = np.asarray(enlarge(png(Image.fromarray(pixels)), factor="4x"))
    yy, xx = np.mgrid[:256, :256]
    distance = np.hypot(xx - 129.5, yy - 129.5)
    assert (result[distance > 90][:, 3] == 0).all()
    assert (result[distance < 70][:, 3] == 255).all()
    visible = result[result[..., 3] > 0][:, :3].astype(int)
    assert np.abs(visible - (200, 120, 40)).max() <= 3


def test_a_palette_with_a_transparent_colour(enlarge: Enlarge) -> None:
    picture = Image.open(io.BytesIO(pictures.cut_out())).convert("RGBA")
    palette = picture.convert("P", palette=Image.Palette.ADAPTIVE)
    transparent = palette.getpixel((0, 0))
    result = enlarge(png(palette, transparency=transparent))
    assert (result.mode, result.getpixel((0, 0))[3]) == ("RGBA", 0)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_grey_stays_grey(enlarge: Enlarge, mode: str) -> None:
    grey = crop().convert("L")
    sixteen_bits = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    source = sixteen_bits if mode == "I;16" else grey.convert(mode)
    result = enlarge(png(source))
    assert result.mode == ("LA" if mode == "LA" else "L")
    if mode != "1":
        again = result.getchannel(0).resize(grey.size, Image.Resampling.BOX)
        assert decibels(again, grey) > 38


def test_sixteen_bits_of_colour(enlarge: Enlarge, tmp_path: Path) -> None:
    skimage_io = pytest.importorskip("tifffile")
    source = crop()
    skimage_io.imwrite(tmp_path / "deep.tif", np.asarray(source.convert("L")).astype(np.uint16) * 257)
    result = enlarge((tmp_path / "deep.tif").read_bytes())
    assert (result.format, result.mode) == ("PNG", "L")
    assert decibels(result.resize(source.size, Image.Resampling.BOX), source.convert("L")) > 38


def test_cmyk_becomes_rgb_in_the_same_colours(enlarge: Enlarge) -> None:
    source = crop().convert("CMYK")
    result = enlarge(pictures.encoded(source, "JPEG", quality=95))
    assert (result.format, result.mode) == ("JPEG", "RGB")
    assert decibels(result.resize(source.size, Image.Resampling.BOX), source.convert("RGB")) > 28


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_camera_s_turn_is_made_once(enlarge: Enlarge, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "A camera"
    source = crop(box=(170, 60, 218, 92))
    result = enlarge(pictures.encoded(source, "JPEG", quality=95, exif=exif.tobytes()))
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}[orientation]
    upright = source.transpose(turn)
    assert result.size == (upright.width * 2, upright.height * 2)
    assert decibels(result.resize(upright.size, Image.Resampling.BOX), upright) > 28
    assert result.getexif().get(0x0112, 1) == 1
    assert result.getexif()[0x010F] == "A camera"


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_profile_and_format_are_kept(enlarge: Enlarge, format_name: str) -> None:
    content = pictures.encoded(crop(box=(170, 60, 202, 92)), format_name, icc_profile=SRGB, dpi=(300, 300))
    result = enlarge(content)
    assert result.format == format_name
    assert result.info["icc_profile"] == SRGB
    if format_name != "WEBP":  # which has no place for it
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("format_name", ["TIFF", "BMP", "GIF"])
def test_other_formats_become_png(enlarge: Enlarge, format_name: str) -> None:
    assert enlarge(pictures.encoded(crop(box=(0, 0, 16, 16)), format_name)).format == "PNG"


def test_a_webp_that_grows_too_long_becomes_png(enlarge: Enlarge) -> None:
    strip = pictures.photograph(size=(4100, 2))
    assert enlarge(pictures.encoded(strip, "WEBP"), "recraft").format == "PNG"


# The child process


def watched(engine: LocalEngine, order: Order) -> tuple[Finished, list[float]]:
    seen: list[float] = []
    return engine.advance(order, lambda fraction, text: seen.append(fraction)), seen


def test_progress_rises_after_every_tile(engine: LocalEngine, order: Callable[..., Order]) -> None:
    wide = pictures.photograph(size=(700, 60))
    finished, seen = watched(engine, order(png(wide), "recraft"))
    expected = tiles.count(60, 700, networks.CUNET) + tiles.count(120, 1400, networks.PHOTO)
    assert len(seen) > expected > 5
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert finished.made_with["networks"] == ["waifu2x-cunet", "waifu2x-photo"]


def test_the_child_stays_warm_between_jobs(engine: LocalEngine, order: Callable[..., Order]) -> None:
    watched(engine, order(pictures.jpeg((16, 16))))
    pid = engine.child_pid
    watched(engine, order(pictures.jpeg((16, 16))))
    assert engine.child_pid == pid


class Lost(Exception):
    """What a report raises when another worker has taken the job over."""


def test_a_killed_child_costs_one_attempt_only(engine: LocalEngine, order: Callable[..., Order]) -> None:
    def kill(fraction: float, text: str) -> None:
        assert engine.child_pid is not None
        os.kill(engine.child_pid, signal.SIGKILL)

    with pytest.raises(EngineError) as caught:
        engine.advance(order(pictures.jpeg((120, 120)), enhance_model="Standard V2"), kill)
    assert (caught.value.code, caught.value.permanent) == ("engine_crashed", False)
    assert watched(engine, order(pictures.jpeg((16, 16))))[0].width == 64


def test_a_job_past_its_time_is_stopped(order: Callable[..., Order]) -> None:
    engine = LocalEngine(time_limit=0.01)
    with pytest.raises(EngineError) as caught:
        engine.advance(order(pictures.jpeg((64, 64)), "recraft"), lambda fraction, text: None)
    assert (caught.value.code, caught.value.permanent) == ("too_slow", True)
    assert engine.child_pid is None


def test_what_report_raises_stops_the_work(engine: LocalEngine, order: Callable[..., Order]) -> None:
    seen = []

    def lost(fraction: float, text: str) -> None:
        seen.append(fraction)
        raise Lost

    work = order(pictures.jpeg((900, 60)), "recraft")
    with pytest.raises(Lost):
        engine.advance(work, lost)
    assert len(seen) == 1
    assert not list(work.work_dir.iterdir())
    assert watched(engine, order(pictures.jpeg((16, 16))))[0].width == 64


@pytest.mark.parametrize("content", [b"", b"no picture", pictures.jpeg((300, 300))[:9000], png(crop())[:2000]])
def test_an_unreadable_file(engine: LocalEngine, order: Callable[..., Order], content: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        engine.advance(order(content), lambda fraction, text: None)
    assert (caught.value.code, caught.value.permanent) == ("unreadable", True)


def test_two_threads_take_turns(engine: LocalEngine, order: Callable[..., Order], tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    one = order(pictures.jpeg((20, 20)))
    with ThreadPoolExecutor(3) as pool:
        jobs = [replace(one, work_dir=tmp_path / str(number)) for number in range(3)]
        results = list(pool.map(lambda job: watched(engine, job)[0], jobs))
    assert [result.path.parent.name for result in results] == ["0", "1", "2"]


PARENT = """
import os, signal, sys
from pathlib import Path
from upscaler import catalog
from upscaler.engines.base import Order
from upscaler.engines.local.engine import LocalEngine

engine = LocalEngine()

def report(fraction, text):
    print(engine.child_pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

settings = catalog.MODELS["topaz"].defaults | {"enhance_model": "Standard V2"}
engine.advance(Order(1, "topaz", settings, Path(sys.argv[1]), Path(sys.argv[2])), report)
"""


def test_the_child_does_not_outlive_its_parent(order: Callable[..., Order]) -> None:
    work = order(pictures.jpeg((150, 150)))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, work.source_path, work.work_dir], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.wait(30) == -signal.SIGKILL
    try:
        process = os.pidfd_open(child)
    except ProcessLookupError:
        return
    assert select.select([process], [], [], 30)[0], "the child is still there"


def test_the_child_ignores_a_stop_and_keeps_stdout_clean(order: Callable[..., Order]) -> None:
    work = order(pictures.jpeg((40, 40)), "recraft")
    child = subprocess.Popen(
        [sys.executable, "-m", "upscaler.engines.local"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    request = {
        "source": str(work.source_path),
        "output_dir": str(work.work_dir),
        "model_name": "recraft",
        "settings": {},
    }
    replies = []
    for number in (1, 2):
        child.stdin.write(json.dumps({"id": number, **request}) + "\n")
        child.stdin.flush()
        while "finished" not in (reply := json.loads(child.stdout.readline())):
            replies.append(reply)
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
    assert all("progress" in reply for reply in replies)
    child.stdin.close()
    assert child.wait(30) == 0
    assert child.stdout.read() == ""


def test_openvino_comes_without_its_telemetry_and_the_child_without_django() -> None:
    code = """
import sys
import upscaler.engines.local.worker
assert sys.modules["openvino_telemetry"] is None
assert not [name for name in sys.modules if name.partition(".")[0] == "django"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# The parts


@pytest.fixture(scope="module")
def warm() -> networks.Networks:
    return networks.Networks()


def whole(source: np.ndarray, network: networks.Network, warm: networks.Networks) -> np.ndarray:
    height, width = source.shape[:2]
    result = np.full((height * network.scale, width * network.scale, 3), np.nan, np.float32)
    for block in tiles.enlarge(source, network, warm):
        assert np.isnan(result[block.area]).all(), "two blocks overlap"
        result[block.area] = block.pixels
    return result


def test_tiles_give_what_the_whole_picture_gives(warm: networks.Networks) -> None:
    source = np.asarray(pictures.photograph().crop((150, 60, 310, 200)))
    tiled = whole(source, replace(networks.PHOTO, tile=80), warm)
    assert np.abs(tiled - whole(source, networks.PHOTO, warm)).max() < 0.01


def test_cunet_s_tiles_differ_by_little_and_without_a_line(warm: networks.Networks) -> None:
    # CUNet weighs its channels by their mean over the tile, so tiles cannot be quite equal to the whole.
    source = np.asarray(pictures.photograph().crop((150, 60, 310, 200)))
    tiled, at_once = whole(source, replace(networks.CUNET, tile=132), warm), whole(source, networks.CUNET, warm)
    error = tiled - at_once
    assert np.abs(error).mean() < 0.5
    steps = np.abs(np.diff(error, axis=1)).mean(axis=(0, 2))
    assert steps.max() < 4 * np.median(steps) + 0.25


def test_a_tile_that_nobody_wants_is_not_run(warm: networks.Networks) -> None:
    share = np.zeros((60, 300), np.float32)
    share[:, 280:] = 1
    strength = Strength(share)
    asked = []

    def wanted(rows: slice, columns: slice) -> bool:
        asked.append(strength.anywhere(rows, columns))
        return asked[-1]

    source = np.asarray(pictures.photograph(size=(300, 60)))
    blocks = list(tiles.enlarge(source, replace(networks.PHOTO, tile=80), warm, wanted))
    assert asked == [False] * (len(asked) - 1) + [True]
    assert not blocks[0].pixels.any()
    assert blocks[-1].pixels.any()
    grown = strength.within(slice(0, 60), slice(200, 300), 2)
    assert isinstance(grown, np.ndarray)
    assert (grown.shape, grown.min(), grown.max()) == ((120, 200, 1), 0, 1)


@pytest.mark.parametrize(("size", "to"), [(40, 60), (120, 40), (31, 93)])
def test_rectangles_resampled_by_matrices_are_what_pillow_makes_of_the_whole(size: int, to: int) -> None:
    values = np.asarray(pictures.photograph("chelsea", (size, size)).convert("L"), np.float32)
    expected = np.asarray(Image.fromarray(values).resize((to, to), Image.Resampling.LANCZOS))
    parts = []
    for start, stop in ((0, to // 3), (to // 3, to)):
        first, rows = taps(LANCZOS, start, stop, size, to)
        _, columns = taps(LANCZOS, 0, to, size, to)
        parts.append(apply(rows, values[None, first : first + rows.shape[1]], columns)[0])
    inner = slice(10, -10)
    assert np.abs(np.vstack(parts) - expected)[inner, inner].max() < 0.01


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int, tmp_path: Path) -> None:
    from upscaler.engines.local import picture

    path = tmp_path / "a.jpg"
    path.write_bytes(pictures.encoded(crop(), "JPEG", quality=quality))
    found = picture.load(path).jpeg_quality
    assert found is not None
    assert abs(found - quality) <= 1


def test_a_recipe_for_every_choice_of_the_catalog() -> None:
    for mode in catalog.MODELS["topaz"].setting("enhance_model").values:  # type: ignore[union-attr]
        for factor in (2, 4, 6):
            made = recipe.recipe("topaz", {"enhance_model": mode, "upscale_factor": f"{factor}x"}, None)
            assert (made.factor, made.work_factor) == (factor, min(factor, 4))
            assert (made.restoring is None) == (mode == "High Fidelity V2")
