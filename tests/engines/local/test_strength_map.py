"""Each setting changes what it says, and nothing else: subject, background, missing detail, faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.engines.local.conftest import FAITHFUL, Enlarge, crop, png
from tests.engines.local.test_recipe import PNG
from tests.support import pictures
from upscaler.engines.base import EngineError, Finished, Order
from upscaler.engines.local import detail, downscaled, faces, inference, networks, recipe, strength_map, subject
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.strength import Strength

pytestmark = pytest.mark.engine

RESTORING = "realesrgan-x4plus"
REBUILT = {"enhance_model": "Low Resolution V2"}
REACH = 24
"""Source pixels beyond a part up to which the colour lock and the map's own softness may still be seen."""

Advance = Callable[..., tuple[Finished, list[str]]]


@pytest.fixture
def advance(engine: LocalEngine, order: Callable[..., Order]) -> Advance:
    """A whole job at 2x: what the engine says of it, and the texts of its progress."""

    def run(content: bytes, model: str = "topaz", **settings: Any) -> tuple[Finished, list[str]]:
        texts: list[str] = []
        if model == "topaz":
            settings = {"upscale_factor": "2x", **settings}
        return engine.advance(order(content, model, **settings), lambda fraction, text: texts.append(text)), texts

    return run


@pytest.fixture(scope="module")
def warm() -> inference.Networks:
    return inference.Networks()


def changed(one: Image.Image, other: Image.Image) -> np.ndarray:
    """Where two pictures of twice the source's size differ, in levels of 255, at the source's size."""
    difference = np.abs(np.asarray(one, int) - np.asarray(other, int)).max(axis=2)
    height, width = difference.shape
    return difference.reshape(height // 2, 2, width // 2, 2).max(axis=(1, 3))


def product() -> Image.Image:
    """A cup on a table, small and worn enough to be rebuilt."""
    return pictures.photograph("coffee", (240, 160))


def cup(shrink: int = 0) -> np.ndarray:
    """Where the cup and its saucer are, by eye: an ellipse, smaller or larger by some pixels."""
    yy, xx = np.mgrid[:160, :240]
    return ((xx - 112) / (80 - shrink)) ** 2 + ((yy - 80) / (73 - shrink)) ** 2 < 1


# The subject


def test_foreground_rebuilds_the_subject_and_leaves_its_surroundings(enlarge: Enlarge) -> None:
    content = png(product())
    difference = changed(enlarge(content, **REBUILT, subject_detection="Foreground"), enlarge(content, **FAITHFUL))
    assert difference[cup(shrink=20)].mean() > 2
    assert not difference[~cup(shrink=-REACH)].any()


def test_background_rebuilds_the_surroundings_and_leaves_the_subject(enlarge: Enlarge) -> None:
    content = png(product())
    difference = changed(enlarge(content, **REBUILT, subject_detection="Background"), enlarge(content, **FAITHFUL))
    assert difference[~cup(shrink=-REACH)].mean() > 1
    assert not difference[cup(shrink=REACH)].any()


def test_the_subject_is_said(advance: Advance) -> None:
    made, texts = advance(png(product()), **REBUILT)
    assert made.provenance["subject"] == pytest.approx(cup().mean(), abs=0.05)
    assert RESTORING in made.provenance["networks"]
    assert "notes" not in made.provenance
    assert "Finding the subject" in texts


@pytest.mark.parametrize("part", ["Foreground", "Background"])
def test_without_a_clear_subject_the_whole_picture_is_enhanced(advance: Advance, part: str) -> None:
    made, _ = advance(
        png(pictures.photograph("grass").convert("RGB").crop((0, 0, 96, 96))), **REBUILT, subject_detection=part
    )
    assert made.provenance["notes"] == ["No clear subject was found, so the whole picture was enhanced."]
    assert RESTORING in made.provenance["networks"]


def test_what_shows_of_a_cut_out_is_its_subject(enlarge: Enlarge, advance: Advance) -> None:
    # A lawn, in which no network sees a subject.
    cut = pictures.photograph("grass", (96, 96)).convert("RGBA")
    alpha = np.zeros((96, 96), np.uint8)
    alpha[20:70, 20:70] = 255
    cut.putalpha(Image.fromarray(alpha))
    difference = changed(enlarge(png(cut), **REBUILT).convert("RGB"), enlarge(png(cut), **FAITHFUL).convert("RGB"))
    assert difference[25:65, 25:65].mean() > 3
    made, texts = advance(png(cut), **REBUILT)
    assert made.provenance["subject"] == pytest.approx(50 * 50 / 96**2, abs=0.001)
    assert "Finding the subject" not in texts
    made, _ = advance(png(cut), **REBUILT, subject_detection="Background")
    assert made.provenance["notes"] == ["The picture is a cut-out, so there was no background to enhance."]
    assert RESTORING not in made.provenance["networks"]


@pytest.mark.parametrize("name", ["grass", "gravel", "brick"])
def test_textures_have_no_subject(warm: inference.Networks, name: str) -> None:
    lawn = np.asarray(pictures.photograph(name).convert("RGB"))
    assert subject.cover(subject.mask(lawn, warm)) < subject.NONE_BELOW


# Auto


def halves(name: str, missing: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """A photograph whose left half lacks detail."""
    picture = pictures.photograph(name)
    picture.paste(missing(picture).crop((0, 0, picture.width // 2, picture.height)))
    return picture


def shaped(picture: Image.Image) -> np.ndarray:
    """The cells of a picture that are not flat."""
    return detail.octaves(np.asarray(picture))[1] > detail.SHAPED


def enlarged_before(picture: Image.Image) -> Image.Image:
    small = picture.resize((picture.width // 4, picture.height // 4), Image.Resampling.BICUBIC)
    return small.resize(picture.size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("missing", [lambda picture: picture.filter(ImageFilter.GaussianBlur(2)), enlarged_before])
@pytest.mark.parametrize("name", ["coffee", "rocket"])
def test_auto_finds_the_half_that_lacks_detail(name: str, missing: Callable[[Image.Image], Image.Image]) -> None:
    picture = halves(name, missing)
    lacking, shapes = detail.missing(np.asarray(picture), None), shaped(picture)
    middle = picture.width // 2 // detail.CELL
    assert lacking[:, : middle - 1][shapes[:, : middle - 1]].mean() > 0.9
    assert lacking[:, middle + 2 :][shapes[:, middle + 2 :]].mean() < 0.1


def test_auto_stays_off_what_is_flat() -> None:
    product = Image.new("RGB", (320, 320), "white")
    product.paste(enlarged_before(crop(box=(170, 60, 266, 156))), (112, 112))
    lacking = detail.missing(np.asarray(product), None)
    assert lacking[8:12, 8:12].mean() > 0.5
    assert not lacking[:4].any()


def test_auto_takes_a_worn_jpeg_for_worn() -> None:
    picture = np.asarray(pictures.photograph("coffee"))
    shares = [detail.missing(picture, quality).mean() for quality in (None, 75, 60, 40, 20)]
    assert shares[0] == shares[1] < shares[2] < shares[3] < shares[4]


def test_auto_sees_the_same_in_sixteen_bits() -> None:
    eight = halves("coffee", enlarged_before)
    sixteen = np.asarray(eight).astype(np.uint16) * 257
    assert np.allclose(detail.missing(np.asarray(eight), None), detail.missing(sixteen, None), atol=0.01)


def test_auto_rebuilds_the_blurred_half_alone(enlarge: Enlarge) -> None:
    picture = pictures.photograph("grass").convert("RGB").crop((0, 0, 256, 128))
    picture.paste(picture.filter(ImageFilter.GaussianBlur(2)).crop((0, 0, 128, 128)))
    content = png(picture)
    difference = changed(enlarge(content, **REBUILT, subject_detection="Auto"), enlarge(content, **FAITHFUL))
    assert difference[:, :96].mean() > 3
    assert not difference[:, 192:].any()


def test_auto_on_a_sharp_picture_runs_no_restoring_network(advance: Advance) -> None:
    made, texts = advance(
        png(pictures.photograph("grass").convert("RGB").crop((0, 0, 96, 96))), **REBUILT, subject_detection="Auto"
    )
    assert made.provenance["notes"] == ["No detail was found missing, so nothing was rebuilt."]
    assert RESTORING not in made.provenance["networks"]
    assert "Rebuilding detail" not in texts


# Faces


def person() -> Image.Image:
    """Head and shoulders; the face is 60 pixels high, around (66, 52)."""
    return pictures.photograph().crop((94, 14, 350, 270)).resize((128, 128), Image.Resampling.LANCZOS)


def around_the_face(times: float) -> np.ndarray:
    """An ellipse of so many times the face's size, at source size."""
    yy, xx = np.mgrid[:128, :128]
    return ((xx - 66) / (22 * times)) ** 2 + ((yy - 52) / (30 * times)) ** 2 < 1


def with_faces(creativity: float) -> dict[str, Any]:
    return {"face_enhancement": True, "face_enhancement_creativity": creativity}


def test_a_face_is_rebuilt_the_more_the_more_creative_and_nothing_else(enlarge: Enlarge) -> None:
    content = png(person())
    faithful = enlarge(content, **FAITHFUL)
    little, much = (changed(enlarge(content, **FAITHFUL, **with_faces(share)), faithful) for share in (0.2, 0.5))
    assert much[around_the_face(0.8)].mean() > 1.5 * little[around_the_face(0.8)].mean() > 1
    for difference in (little, much):
        outside = np.ones((128, 128), bool) & ~around_the_face(faces.GONE + 0.7)
        assert outside.sum() > 3000
        assert not difference[outside].any()


def test_a_face_at_creativity_0_is_faithful_in_a_rebuilt_picture(enlarge: Enlarge) -> None:
    content = png(person())
    faithful = enlarge(content, **FAITHFUL)
    rebuilt = changed(enlarge(content, **REBUILT), faithful)
    spared = changed(enlarge(content, **REBUILT, **with_faces(0.0)), faithful)
    assert rebuilt[around_the_face(0.5)].mean() > 2
    assert not spared[around_the_face(0.4)].any()
    assert spared[100:, 40:90].mean() > 1


def test_creativity_without_face_enhancement_changes_nothing(enlarge: Enlarge) -> None:
    content = png(person())
    settings = {"face_enhancement": False, "face_enhancement_creativity": 1.0}
    assert not changed(enlarge(content, **FAITHFUL, **settings), enlarge(content, **FAITHFUL)).any()


def test_without_a_face_the_restoring_network_does_not_run(enlarge: Enlarge, advance: Advance) -> None:
    content = png(product())
    made, texts = advance(content, **with_faces(1.0))
    assert made.provenance["notes"] == ["No face was found to enhance."]
    assert RESTORING not in made.provenance["networks"]
    assert "Finding faces" in texts
    assert "Rebuilding detail" not in texts
    assert not changed(enlarge(content, **with_faces(1.0)), enlarge(content, **FAITHFUL)).any()


def test_a_small_face_is_held_back() -> None:
    assert [strength_map.most_for(height) for height in (20, 48, 60, 72, 200)] == pytest.approx([0.3, 0.3, 0.65, 1, 1])


@pytest.mark.parametrize("shrink", [1, 2, 4])
def test_faces_are_found_at_every_size(warm: inference.Networks, shrink: int) -> None:
    picture = pictures.photograph(size=(512 // shrink, 512 // shrink))
    [face] = faces.find_faces(np.asarray(picture), warm)
    assert np.hypot(face.centre_x * shrink - 226, face.centre_y * shrink - 118) < 10
    assert face.height * shrink == pytest.approx(120, rel=0.15)


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "brick", "gravel"])
def test_what_is_no_face_is_not_taken_for_one(warm: inference.Networks, name: str) -> None:
    assert not faces.find_faces(np.asarray(pictures.photograph(name).convert("RGB")), warm)


# What it takes


def test_recraft_looks_for_nothing(advance: Advance) -> None:
    made, texts = advance(png(person()), "recraft")
    assert RESTORING not in made.provenance["networks"]
    assert not [text for text in texts if text.startswith("Finding")]


def test_a_missing_detector_is_said(warm: inference.Networks) -> None:
    lost = networks.Detector("faces", "faces_that_are_not_there", "faces.onnx", side=64)
    with pytest.raises(EngineError, match=r"faces is not installed here.*requirements-weights\.txt") as caught:
        warm.detect(lost, np.zeros((3, 64, 64), np.float32))
    assert (caught.value.code, caught.value.permanent) == ("engine_setup", True)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (1500, 2049)])
def test_the_small_copy_is_the_mean_of_squares(kind: type, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(kind) * kind(257 if kind is np.uint16 else 1)
    step = downscaled.step(*size)
    small = downscaled.downscale(pixels, step)
    assert max(small.shape) <= downscaled.MAX_SIDE
    eight = pixels.astype(float) / (257 if kind is np.uint16 else 1)
    assert small[0, 0] == pytest.approx(eight[:step, :step].mean((0, 1)), abs=1)
    rest = size[0] - (small.shape[0] - 1) * step, size[1] - (small.shape[1] - 1) * step
    assert small[-1, -1] == pytest.approx(eight[-rest[0] :, -rest[1] :].mean((0, 1)), abs=1)


def test_a_coarse_map_says_for_every_part_what_it_says_for_the_whole() -> None:
    share = np.random.default_rng(0).random((7, 9), np.float32)
    strength = Strength(share, step=5)
    whole = strength.within(slice(0, 33), slice(0, 44), 2)
    part = strength.within(slice(11, 23), slice(8, 40), 2)
    assert isinstance(whole, np.ndarray)
    assert isinstance(part, np.ndarray)
    assert np.allclose(part, whole[22:46, 16:80], atol=1e-6)
    assert np.allclose(whole.reshape(66, 88)[14:16, 24:26].mean(), share[1, 2], atol=0.15)


def test_a_coarse_map_knows_where_it_is_zero() -> None:
    share = np.zeros((10, 10), np.float32)
    share[4, 6] = 1
    strength = Strength(share, step=8)
    for top in range(0, 80, 4):
        for left in range(0, 80, 4):
            rows, columns = slice(top, top + 4), slice(left, left + 4)
            if np.any(strength.within(rows, columns, 2)):
                assert strength.anywhere(rows, columns)
    assert not strength.anywhere(slice(0, 16), slice(0, 80))
    assert not strength.is_zero
    assert Strength(np.zeros((3, 3), np.float32)).is_zero


def test_faces_alone_bring_the_restoring_network_in() -> None:
    from upscaler import upscaling_models

    settings = upscaling_models.MODELS["topaz"].defaults
    assert recipe.recipe("topaz", settings, PNG).restoring is None
    assert recipe.recipe("topaz", settings | with_faces(0.0), PNG).restoring is None
    assert recipe.recipe("topaz", settings | with_faces(0.5), PNG).restoring is networks.X4PLUS
