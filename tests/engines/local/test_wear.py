"""How worn a picture is, and what is done about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.engines.local.conftest import crop, decibels
from tests.support import pictures
from upscaler import upscaling_models
from upscaler.engines.local import job, srmd
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import srmd_4x
from upscaler.engines.local.recipe import Recipe, for_worn, recipe
from upscaler.engines.local.resample import BOX
from upscaler.engines.local.source_facts import SourceFacts
from upscaler.engines.local.strength import Strength
from upscaler.engines.local.wear import Wear, find_wear

LOW = upscaling_models.MODELS["topaz"].defaults | {
    "enhance_model": upscaling_models.LOW_RESOLUTION_V2,
    "upscale_factor": "4x",
    "subject_detection": None,
}
BLURRED = Wear(0.8, 1.0)


def small(name: str, blur: float) -> Image.Image:
    """A photograph a quarter of its size, then blurred."""
    whole = pictures.photograph(name)
    shrunk = whole.resize((whole.width // 4, whole.height // 4), Image.Resampling.BICUBIC)
    return shrunk.filter(ImageFilter.GaussianBlur(blur)) if blur else shrunk


def saved(picture: Image.Image, path: Path, quality: int) -> Path:
    path.write_bytes(pictures.encoded(picture, "JPEG", quality=quality))
    return path


@pytest.mark.parametrize("quality", [None, 40])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_the_blur_is_read_from_edges(name: str, quality: int | None, tmp_path: Path) -> None:
    read = {}
    for blur in (0.0, 0.5, 0.8, 1.0, 1.3):
        picture = small(name, blur)
        if quality is not None:
            picture = Image.open(saved(picture, tmp_path / "a.jpg", quality)).convert("RGB")
        found = find_wear(np.asarray(picture))
        read[blur] = found
    assert [found.blur for found in read.values()] == sorted(found.blur for found in read.values())
    assert read[0.0].blur < 0.6 and read[0.0].confidence == 0, "no sharp picture is taken for a blurred one"
    assert read[0.8].confidence > 0.5
    for blur in (0.8, 1.0, 1.3):
        assert read[blur].blur == pytest.approx(blur, abs=0.3)


def test_what_is_soft_where_it_is_out_of_focus_is_not_taken_for_blurred(tmp_path: Path) -> None:
    """Edges alone would say so: of the rocket in its haze, and of a person before what is out of focus."""
    haze = small("rocket", 0.0).crop((27, 0, 133, 106))
    sharp, soft = small("astronaut", 0.0), small("astronaut", 1.2)
    focus = Image.new("L", sharp.size)
    focus.paste(255, (30, 0, 90, 90))
    portrait = Image.composite(sharp, soft, focus.filter(ImageFilter.GaussianBlur(4)))
    for picture in (haze, portrait):
        source = Image.open(saved(picture, tmp_path / "a.jpg", 40)).convert("RGB")
        found = find_wear(np.asarray(source))
        assert found.blur > 0.6
        assert for_worn(low(40), found, 40) == low(40)


def test_sixteen_bits_say_the_same() -> None:
    picture = np.asarray(small("astronaut", 0.8))
    assert find_wear(picture.astype(np.uint16) * 257).blur == pytest.approx(find_wear(picture).blur, abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (260, 260)])
def test_where_there_are_no_edges_nothing_is_claimed(size: tuple[int, int]) -> None:
    assert find_wear(np.full((*size, 3), 200, np.uint8)) == Wear(0.0, 0.0)


def of(quality: int | None) -> SourceFacts:
    return SourceFacts(400, 300, quality, BOX)


def low(quality: int | None) -> Recipe:
    return recipe("topaz", LOW, of(quality))


def test_what_is_sharp_or_unsure_or_not_restored_stays_as_it_was() -> None:
    for quality in (None, 70, 90):
        assert for_worn(low(quality), BLURRED, quality) == low(quality)
    assert for_worn(low(40), Wear(0.59, 1.0), 40) == low(40)
    assert for_worn(low(40), Wear(1.0, 0.09), 40) == low(40)
    faithful = recipe("topaz", LOW | {"enhance_model": upscaling_models.HIGH_FIDELITY_V2}, of(40))
    assert for_worn(faithful, BLURRED, 40) == faithful
    recraft = recipe("recraft", {}, of(40))
    assert for_worn(recraft, BLURRED, 40) == recraft


def test_a_worn_jpeg_that_is_blurred_is_cleaned_and_deblurred() -> None:
    plan = for_worn(low(40), BLURRED, 40)
    assert plan.networks == [*low(40).networks[:2], "waifu2x-cunet-clean1", "srmd-x4", "realesrgan-x4plus"]
    assert plan.strength == pytest.approx(low(40).strength * 0.4)
    assert plan.deblurring[-1] == srmd_4x(3.2, 10)
    assert for_worn(low(60), Wear(3.0, 1.0), 60).deblurring[-1].planes == srmd.planes(srmd.MOST_BLUR, 8)


def test_the_less_sure_the_blur_the_less_is_changed() -> None:
    plan = for_worn(low(40), Wear(0.8, 0.25), 40)
    assert plan.deblurred == 0.25
    assert plan.strength == pytest.approx(low(40).strength * (1 - 0.25 * 0.6))


def test_shares_are_stretched_to_all_of_what_was_asked() -> None:
    stretched = Strength(np.array([[0, 0.15, 0.3, 0.9]], np.float32)).stretched(0.3)
    shares = stretched.within(slice(0, 1), slice(0, 4), 1)
    assert isinstance(shares, np.ndarray)
    assert shares[0, :, 0] == pytest.approx([0, 0.5, 1, 1])
    assert Strength(0.15).stretched(0.3).within(slice(0, 1), slice(0, 1), 1) == 0.5
    assert Strength(0.6).stretched(0.3, 0.25).within(slice(0, 1), slice(0, 1), 1) == 0.25


@pytest.mark.engine
def test_a_worn_picture_comes_back_truer_than_without(tmp_path: Path) -> None:
    truth = crop(box=(150, 60, 358, 268))
    worn = truth.resize((52, 52), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.9))
    source = saved(worn, tmp_path / "source.jpg", 40)
    networks, told = Networks(threads=1), []

    def enlarged(**chosen: Any) -> Image.Image:
        result = job.run(
            source,
            tmp_path / "work",
            "topaz",
            LOW | chosen,
            networks=networks,
            report=lambda fraction, text: told.append(fraction),
            result_format="PNG",
        )
        assert ("srmd-x4" in result.provenance["networks"]) == (not chosen)
        assert (", blurred by " in result.provenance["source"]) == (not chosen)
        assert told == sorted(told) and told[-1] == 1
        told.clear()
        return Image.open(result.path).convert("RGB")

    restored = decibels(truth, enlarged())
    assert restored > decibels(truth, Image.open(source).resize(truth.size, Image.Resampling.LANCZOS)) + 0.5
    assert restored > decibels(truth, enlarged(enhance_model=upscaling_models.HIGH_FIDELITY_V2)) + 0.3
