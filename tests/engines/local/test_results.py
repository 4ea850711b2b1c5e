"""What comes out: real photographs through the real child process and the real networks."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from tests.engines.local.conftest import BOTH_PRECISIONS, FAITHFUL, SRGB, Enlarge, crop, decibels, png, shrunk
from tests.support import pictures
from upscaler import upscaling_models
from upscaler.engines.base import Order
from upscaler.engines.local.engine import LocalEngine

pytestmark = pytest.mark.engine


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


@pytest.mark.parametrize(("quality", "network"), [(95, "clean0"), (75, "denoise1"), (40, "photo-denoise3")])
def test_the_cleaning_follows_the_quality_in_the_file(
    engine: LocalEngine, order: Callable[..., Order], quality: int, network: str
) -> None:
    content = pictures.encoded(crop(box=(0, 0, 24, 24)), "JPEG", quality=quality)
    made = engine.advance(order(content, "recraft"), lambda fraction, text: None).provenance
    assert made["networks"][0].endswith(network)
    assert made["source"].startswith("JPEG of quality")
    assert made["engine"] == f"local {upscaling_models.ENGINE_VERSIONS['local']}"
    assert made["precision"] in ("f32", "bf16")


@pytest.mark.parametrize(
    ("kernel", "bound"),
    # A decibel or more under what the worst factor, 2, has in either precision: 63.5, 57.3 and 55.0.
    [(Image.Resampling.BOX, 60), (Image.Resampling.BICUBIC, 56), (Image.Resampling.LANCZOS, 54)],
)
@pytest.mark.parametrize("factor", [2, 4, 6])
def test_shrunk_the_way_it_was_made_it_is_the_source_again(
    enlarge: Enlarge, factor: int, kernel: Image.Resampling, bound: float
) -> None:
    source = pictures.photograph().crop((120, 0, 408, 288)).resize((96, 96), kernel)
    result = enlarge(png(source), factor=f"{factor}x", **FAITHFUL)
    again = shrunk(result, source.size, kernel)
    assert again.psnr(source) > bound
    assert again.drift(source) < 0.3


@pytest.mark.parametrize("precision", BOTH_PRECISIONS)
def test_either_precision_is_true_to_the_source(order: Callable[..., Order], precision: str) -> None:
    truth = pictures.photograph().crop((120, 0, 312, 192))
    source = truth.resize((96, 96), Image.Resampling.BICUBIC)
    engine = LocalEngine(precision=precision)
    try:
        made = engine.advance(order(png(source), upscale_factor="2x", **FAITHFUL), lambda fraction, text: None)
    finally:
        engine.close()
    result = Image.open(made.path)
    assert made.provenance["precision"] == precision
    assert decibels(result, truth, 8) > decibels(source.resize(truth.size, Image.Resampling.BICUBIC), truth, 8) + 1.5
    again = shrunk(result, source.size, Image.Resampling.BICUBIC)
    assert again.psnr(source) > 55
    assert again.drift(source) < 0.3


def test_a_good_jpeg_keeps_its_brightness(enlarge: Enlarge) -> None:
    photograph = pictures.photograph().crop((120, 0, 408, 288)).resize((96, 96), Image.Resampling.BICUBIC)
    content = pictures.encoded(photograph, "JPEG", quality=97)
    source = Image.open(io.BytesIO(content)).convert("RGB")
    again = shrunk(enlarge(content, "recraft"), source.size, Image.Resampling.BICUBIC)
    brightness = [np.asarray(pixels, np.float64).mean(axis=2) for pixels in (again.pixels, source)]
    assert 10 * np.log10(255**2 / np.square(brightness[0] - brightness[1]).mean()) > 48
    assert again.drift(source) < 0.3


@pytest.mark.parametrize("mode", ["Standard V2", "Low Resolution V2"])
def test_rebuilt_detail_keeps_the_colours(enlarge: Enlarge, mode: str) -> None:
    source = crop(box=(170, 60, 234, 124))
    again = shrunk(enlarge(png(source), factor="4x", enhance_model=mode), source.size, Image.Resampling.BOX)
    assert again.psnr(source) > 30
    assert again.drift(source) < 0.3


@pytest.mark.parametrize("mode", ["High Fidelity V2", "Low Resolution V2"])
def test_white_stays_white(enlarge: Enlarge, mode: str) -> None:
    product = Image.new("RGB", (64, 64), "white")
    product.paste(crop(box=(180, 80, 212, 112)), (16, 16))
    result = np.asarray(enlarge(png(product), factor="4x", enhance_model=mode))
    outside = np.ones(result.shape[:2], bool)
    outside[14 * 4 : 50 * 4, 14 * 4 : 50 * 4] = False
    assert (result[outside] == 255).all()


@pytest.mark.parametrize("pure", [0, 255])
def test_white_and_black_stay_so_up_to_a_soft_edge(enlarge: Enlarge, pure: int) -> None:
    size = 96
    yy, xx = np.mgrid[: size * 4, : size * 4]
    share = np.clip((150 - np.hypot(xx - 192, yy - 192)) / 6 + 0.5, 0, 1)[..., None]
    garment = np.asarray(pictures.photograph("coffee", (size * 4, size * 4)), np.float64)
    truth = Image.fromarray((garment * share + pure * (1 - share) + 0.5).astype(np.uint8))
    source = truth.resize((size, size), Image.Resampling.BICUBIC)
    result = np.asarray(enlarge(png(source), factor="4x", **FAITHFUL))
    background = (np.asarray(source) == pure).all(axis=2).repeat(4, axis=0).repeat(4, axis=1)
    assert (result[background] == pure).all(axis=1).mean() > 0.999


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


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_stays_grey(enlarge: Enlarge, mode: str) -> None:
    grey = crop().convert("L")
    result = enlarge(png(grey.convert(mode)))
    assert result.mode == ("LA" if mode == "LA" else "L")
    if mode != "1":
        again = result.getchannel(0).resize(grey.size, Image.Resampling.BOX)
        assert decibels(again, grey) > 38


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_come_out_as_sixteen(
    engine: LocalEngine, order: Callable[..., Order], channels: int, tmp_path: Path
) -> None:
    source = pictures.deep(channels, (48, 32))
    finished = engine.advance(
        order(pictures.deep_png(source), upscale_factor="2x", **FAITHFUL), lambda fraction, text: None
    )
    result = pyvips.Image.new_from_file(str(finished.path))
    assert (result.format, result.bands, result.width, result.height) == ("ushort", channels, 96, 64)
    again = result.numpy().reshape(32, 2, 48, 2, channels).mean(axis=(1, 3)).reshape(32, 48, channels).astype(float)
    seen = source[..., -1] > 60000 if channels in (2, 4) else np.ones(source.shape[:2], bool)
    assert np.abs(again - source)[seen].mean() < 4 * 257
    # Shades between those of 8 bits, which a shallow picture written deep would not have.
    assert (result.numpy() % 257 != 0).mean() > 0.5


def test_a_deep_picture_is_enlarged_in_its_shades(enlarge: Enlarge) -> None:
    grey = crop().convert("L")
    result = enlarge(pictures.deep_png(np.asarray(grey).astype(np.uint16)[..., None] * 257))
    shades = Image.fromarray(
        (np.asarray(result).astype(np.uint32) // (257 if result.mode == "I;16" else 1)).astype("uint8")
    )
    assert decibels(shades.resize(grey.size, Image.Resampling.BOX), grey) > 38


@pytest.mark.parametrize(
    ("enhance_model", "term"),
    [
        ("High Fidelity V2", "algorithmicallyEnhanced"),
        ("Standard V2", "compositeWithTrainedAlgorithmicMedia"),
        ("Low Resolution V2", "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_the_mark_of_ai_says_whether_detail_was_invented(enlarge: Enlarge, enhance_model: str, term: str) -> None:
    result = enlarge(pictures.encoded(crop(box=(180, 80, 204, 104)), "JPEG"), enhance_model=enhance_model)
    assert f"digitalsourcetype/{term}".encode() in result.info["xmp"]


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


def test_a_webp_that_grows_too_long_becomes_png_and_says_so(engine: LocalEngine, order: Callable[..., Order]) -> None:
    strip = pictures.photograph(size=(4100, 2))
    finished = engine.advance(order(pictures.encoded(strip, "WEBP"), "recraft"), lambda fraction, text: None)
    assert finished.format == "PNG"
    assert finished.provenance["notes"] == ["The result is too large for a WebP, so it is a PNG."]
