"""What the engine says about its settings is what its recipes do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from upscaler import upscaling_models
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.recipe import recipe
from upscaler.upscaling_models import MODELS, fulfils

QUALITIES = (None, *range(1, 101))
NUMBERS = (0.0, 0.05, 0.5, 1.0)


def every_choice() -> list[dict[str, Any]]:
    """Topaz's settings in all their combinations."""
    settings = MODELS["topaz"].settings
    values = [{"choice": s.values, "boolean": [False, True], "number": NUMBERS}[s.kind] for s in settings]
    return [dict(zip((s.key for s in settings), chosen, strict=True)) for chosen in itertools.product(*values)]


def recipes(model_name: str, settings: dict[str, Any]) -> list[Any]:
    return [recipe(model_name, settings, quality) for quality in QUALITIES]


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
            assert recipe("topaz", settings, 90) == recipe("topaz", settings | {key: setting.default}, 90)


def test_what_the_page_begins_with_is_worth_its_price() -> None:
    begins = MODELS["topaz"].defaults | LocalEngine.preselected
    assert not any(fulfils(begins, case.settings) for case in LocalEngine.same_pictures)
    assert MODELS["topaz"].setting("enhance_model").clean(begins["enhance_model"])  # type: ignore[union-attr]


def test_programs_keep_the_contract_s_default() -> None:
    assert MODELS["topaz"].defaults["enhance_model"] == upscaling_models.HIGH_FIDELITY_V2
