"""The upscaling models and their settings as the submit page offers them with the engine at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from upscaler import upscaling_models
from upscaler.engines import get_engine, offer
from upscaler.engines.base import Engine
from upscaler.models import Upscale
from upscaler.upscaling_models import MODELS, Setting, UpscalingModel


@dataclass(frozen=True)
class ShownSetting:
    """A setting, what is chosen in it, and when it may be left out of sight."""

    setting: Setting
    value: Any
    advice: str
    idle: str
    """JSON: a list of conditions, each the values of other settings; under any of them this one does nothing."""


@dataclass(frozen=True)
class Bargain:
    """A cheaper model gives the same picture."""

    model: UpscalingModel
    conditions: str
    """JSON: a list of conditions, under any of which it is so."""


@dataclass(frozen=True)
class ShownModel:
    """A model with its settings."""

    model: UpscalingModel
    settings: list[ShownSetting]
    bargains: list[Bargain]


def preselection(engine: Engine) -> dict[str, Any]:
    """What the page's settings begin with: the engine's own choice, else the contract's default."""
    return {
        setting.key: engine.preselected.get(setting.key, setting.default)
        for model in offer.models()
        for setting in model.settings
    }


def chosen(data: Any) -> dict[str, Any]:
    """What the controls show: the values of ``data`` where it has them, else the defaults."""
    values = {key: data.get(key, default) for key, default in preselection(get_engine(settings.ENGINE)).items()}
    if "face_enhancement" in values:
        values["face_enhancement"] = values["face_enhancement"] in (True, "true")
    return {
        "model_name": data.get("model_name", offer.usual().name),
        "settings": values,
        "result_format": data.get("result_format", ""),
        "channels": data.getlist("channels") if hasattr(data, "getlist") else data.get("channels", []),
    }


def shown_models(engine: Engine, chosen: Mapping[str, Any]) -> list[ShownModel]:
    """Every model that is offered, with the ``chosen`` values in its settings."""
    return [_shown_model(engine, model, chosen) for model in offer.models()]


def settings_that_matter(engine: Engine, upscale: Upscale) -> list[tuple[Setting, Any]]:
    """The settings of an upscale that made a difference with this engine, with their values."""
    return [
        (setting, value)
        for setting, value in upscale.settings_shown
        if not any(upscaling_models.fulfils(upscale.settings, when) for when in _idle(engine, setting))
        # Where its shops are still to say the factor, what stands in the row is only the model's usual one.
        and not (upscale.is_factor_open and setting.key == upscaling_models.FACTOR_KEY)
    ]


def _shown_model(engine: Engine, model: UpscalingModel, chosen: Mapping[str, Any]) -> ShownModel:
    shown = [
        ShownSetting(
            setting,
            chosen.get(setting.key, setting.default),
            engine.advice.get(setting.key, ""),
            json.dumps(_idle(engine, setting)),
        )
        for setting in model.settings
    ]
    same = [case for case in engine.same_pictures if case.model_name == model.name]
    bargains = [
        Bargain(MODELS[cheaper], json.dumps([dict(case.settings) for case in same if case.cheaper_model == cheaper]))
        for cheaper in dict.fromkeys(case.cheaper_model for case in same)
    ]
    return ShownModel(model, shown, bargains)


def _idle(engine: Engine, setting: Setting) -> list[dict[str, Any]]:
    return [dict(when) for when in (setting.idle_when, engine.idle.get(setting.key, {})) if when]
