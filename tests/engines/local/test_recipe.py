"""What the engine says about its settings is what its recipes do."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import pictures
from upscaler import upscaling_models
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import (
    CUNET,
    CUNET_CLEAN_0,
    CUNET_DENOISE_0,
    CUNET_DENOISE_1,
    DAT_2X,
    DAT_4X,
    PHOTO,
    SRMD_CLEAN_4X,
    Network,
)
from upscaler.engines.local.recipe import DAT_MOST, recipe
from upscaler.engines.local.resample import BOX, CUBIC, LANCZOS, Kernel
from upscaler.engines.local.source_facts import SourceFacts, find_source_facts
from upscaler.upscaling_models import MODELS, fulfils

SMALL, LARGE = (400, 300), (2000, 1500)
SOURCES = (
    *(SourceFacts(*size, None, shrink, shrink is BOX) for size in (SMALL, LARGE) for shrink in (BOX, CUBIC, LANCZOS)),
    *(SourceFacts(*size, None, BOX) for size in (SMALL, LARGE)),
    *(SourceFacts(*SMALL, quality, None) for quality in range(1, 90)),
    *(SourceFacts(*SMALL, quality, shrink, shrink is BOX) for quality in range(90, 101) for shrink in (BOX, CUBIC)),
)
PNG = SourceFacts(*SMALL, None, LANCZOS)
NUMBERS = (0.0, 0.05, 0.5, 1.0)


def ignored(fraction: float, text: str) -> None:
    """Nobody watches how far it is."""


@pytest.fixture(scope="module")
def warm() -> Networks:
    return Networks()


def every_choice() -> list[dict[str, Any]]:
    """Topaz's settings in all their combinations."""
    settings = MODELS["topaz"].settings
    values = [{"choice": s.values, "boolean": [False, True], "number": NUMBERS}[s.kind] for s in settings]
    return [dict(zip((s.key for s in settings), chosen, strict=True)) for chosen in itertools.product(*values)]


def recipes(model_name: str, settings: dict[str, Any]) -> list[Any]:
    return [recipe(model_name, settings, source) for source in SOURCES]


def test_topaz_is_said_to_equal_recraft_where_it_does_and_nowhere_else() -> None:
    recraft = recipes("recraft", {})
    same = [settings for settings in every_choice() if recipes("topaz", settings) == recraft]
    assert len(same) == 3 * (len(NUMBERS) + 1), "each focus, with faces left alone or enhanced by nothing"
    assert same == [
        settings
        for settings in every_choice()
        if any(fulfils(settings, case.settings) for case in LocalEngine.same_pictures)
    ]
    for case in LocalEngine.same_pictures:
        assert (case.model_name, case.cheaper_model) == ("topaz", "recraft")
        assert MODELS[case.cheaper_model].credits < MODELS[case.model_name].credits


@pytest.mark.parametrize("key", ["subject_detection", "face_enhancement_creativity"])
def test_an_idle_setting_changes_no_recipe(key: str) -> None:
    setting = MODELS["topaz"].setting(key)
    assert setting is not None
    conditions = [when for when in (setting.idle_when, LocalEngine.idle.get(key, {})) if when]
    assert conditions
    for when in conditions:
        idle = [settings for settings in every_choice() if fulfils(settings, when)]
        for settings in idle:
            assert recipe("topaz", settings, PNG) == recipe("topaz", settings | {key: setting.default}, PNG)


def test_what_the_page_begins_with_is_worth_its_price() -> None:
    begins = MODELS["topaz"].defaults | LocalEngine.preselected
    assert not any(fulfils(begins, case.settings) for case in LocalEngine.same_pictures)
    assert MODELS["topaz"].setting("enhance_model").clean(begins["enhance_model"])  # type: ignore[union-attr]


def test_programs_keep_the_contract_s_default() -> None:
    assert MODELS["topaz"].defaults["enhance_model"] == upscaling_models.HIGH_FIDELITY_V2


@pytest.mark.parametrize(
    ("facts", "doubled", "fourfold"),
    [
        (SourceFacts(*SMALL, None, CUBIC), (DAT_2X,), (DAT_4X,)),
        (SourceFacts(*SMALL, None, LANCZOS), (DAT_2X,), (DAT_4X,)),
        (SourceFacts(DAT_MOST, 1, None, LANCZOS), (DAT_2X,), (DAT_4X,)),
        (SourceFacts(DAT_MOST + 1, 1, None, LANCZOS), (CUNET,), (SRMD_CLEAN_4X,)),
        (SourceFacts(*LARGE, None, CUBIC), (CUNET,), (SRMD_CLEAN_4X,)),
        (SourceFacts(*SMALL, None, BOX), (DAT_2X,), (DAT_4X,)),
        (SourceFacts(*SMALL, None, BOX, is_averaged=True), (CUNET,), (CUNET, PHOTO)),
        (SourceFacts(*LARGE, None, BOX, is_averaged=True), (CUNET,), (CUNET, PHOTO)),
        (SourceFacts(*SMALL, 97, LANCZOS), (CUNET_CLEAN_0, DAT_2X), (CUNET_CLEAN_0, DAT_4X)),
        (SourceFacts(*SMALL, 90, CUBIC), (CUNET_CLEAN_0, DAT_2X), (CUNET_DENOISE_0, PHOTO)),
        (SourceFacts(*SMALL, 89, None), (CUNET_DENOISE_0,), (CUNET_DENOISE_0, PHOTO)),
        (SourceFacts(*LARGE, 95, CUBIC), (CUNET_DENOISE_0,), (CUNET_CLEAN_0, SRMD_CLEAN_4X)),
        (SourceFacts(*SMALL, 97, BOX, is_averaged=True), (CUNET_DENOISE_0,), (CUNET_DENOISE_0, PHOTO)),
        (SourceFacts(*SMALL, 82, None), (CUNET_DENOISE_1,), (CUNET_DENOISE_1, PHOTO)),
    ],
)
def test_the_faithful_networks_follow_the_kind_of_source(
    facts: SourceFacts, doubled: tuple[Network, ...], fourfold: tuple[Network, ...]
) -> None:
    settings = MODELS["topaz"].defaults | {"enhance_model": upscaling_models.HIGH_FIDELITY_V2}
    assert recipe("topaz", settings | {"upscale_factor": "2x"}, facts).passes == doubled
    assert recipe("topaz", settings | {"upscale_factor": "4x"}, facts).passes == fourfold
    assert recipe("topaz", settings | {"upscale_factor": "6x"}, facts).passes == fourfold
    assert recipe("recraft", {}, facts).passes == fourfold


@pytest.mark.engine
@pytest.mark.parametrize(
    ("by", "told"),
    [(Image.Resampling.BOX, BOX), (Image.Resampling.BICUBIC, CUBIC), (Image.Resampling.LANCZOS, LANCZOS)],
)
def test_how_a_picture_was_shrunk_is_told_from_a_few_squares_of_it(
    by: Image.Resampling, told: Kernel, warm: Networks
) -> None:
    source = pictures.photograph("coffee").resize((200, 134), by)
    facts = find_source_facts(np.asarray(source), None, warm, ignored)
    assert facts == SourceFacts(200, 134, None, told, told is BOX)
    assert facts.described == f"no JPEG, shrunk by {told.name}, 200 × 134"


@pytest.mark.engine
@pytest.mark.parametrize(("by", "told"), [(Image.Resampling.BOX, BOX), (Image.Resampling.BICUBIC, CUBIC)])
def test_the_same_is_told_of_a_good_jpeg_below_its_blocks(by: Image.Resampling, told: Kernel, warm: Networks) -> None:
    small = pictures.photograph("astronaut").resize((128, 128), by)
    source = Image.open(io.BytesIO(pictures.encoded(small, "JPEG", quality=90)))
    facts = find_source_facts(np.asarray(source), 90, warm, ignored)
    assert facts == SourceFacts(128, 128, 90, told, told is BOX)
    assert facts.described == f"JPEG of quality 90, shrunk by {told.name}, 128 × 128"


@pytest.mark.engine
def test_nothing_is_looked_at_in_a_worn_jpeg_or_a_blank_sheet(warm: Networks) -> None:
    blank = np.full((20, 300, 3), 255, np.uint8)
    assert find_source_facts(blank, None, warm, ignored) == SourceFacts(300, 20, None, BOX, is_averaged=True)
    assert find_source_facts(blank, 80, warm, ignored) == SourceFacts(300, 20, 80, None)
    assert find_source_facts(blank, 80, warm, ignored).described == "JPEG of quality 80, 300 × 20"
