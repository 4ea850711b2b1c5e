"""The upscaling models that the desk offers: prices, settings, choices and defaults.

One table, read by the form, the API, the pages and the engines. The facts come from the vendor's page
"Create Upscale" (``POST /api/v1/generation-upscale``), and those of ``seedvr2`` and ``aura-sr`` from the public notes
on its newer interface (``POST /generation``). No engine has all of them: `engines.offer` says which the desk's has.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from upscaler.errors import PublicError
from upscaler.numbers import any_number

RECRAFT = "recraft"
TOPAZ = "topaz"
SEEDVR2 = "seedvr2"
AURA_SR = "aura-sr"

STANDARD_V2 = "Standard V2"
LOW_RESOLUTION_V2 = "Low Resolution V2"
HIGH_FIDELITY_V2 = "High Fidelity V2"


def shortened(text: str) -> str:
    """What somebody sent, at a length that a message can repeat."""
    return text if len(text) <= 100 else f"{text[:100]}…"


@dataclass(frozen=True)
class Choice:
    """One option of a setting: the contract's ``value`` and a plain sentence for people."""

    value: str
    help: str = ""


@dataclass(frozen=True)
class Setting:
    """One row of the contract's settings table."""

    key: str
    kind: Literal["choice", "boolean", "number"]
    default: Any
    label: str
    help: str
    choices: tuple[Choice, ...] = ()
    minimum: float = 0.0
    maximum: float = 1.0
    idle_when: Mapping[str, Any] = field(default_factory=dict)
    """Values of other settings with which this one makes no difference; empty where it always makes one."""

    @property
    def values(self) -> list[str]:
        """The allowed values of a ``choice`` setting, in the page's order."""
        return [choice.value for choice in self.choices]

    def clean(self, raw: Any) -> Any:
        """The value in its own type, from JSON or from text. Raises PublicError."""
        match self.kind:
            case "choice":
                return self._clean_choice(raw)
            case "boolean":
                return self._clean_boolean(raw)
            case "number":
                return self._clean_number(raw)

    def _clean_choice(self, raw: Any) -> str:
        if isinstance(raw, str) and raw in self.values:
            return raw
        raise PublicError(f"{self.key} must be one of: {', '.join(self.values)}.", code="enum")

    def _clean_boolean(self, raw: Any) -> bool:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
            return raw.strip().lower() == "true"
        raise PublicError(f"{self.key} must be true or false.", code="bool_parsing")

    def _clean_number(self, raw: Any) -> float:
        limits = f"{self.key} must be a number from {self.minimum:.1f} to {self.maximum:.1f}."
        try:
            if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
                raise ValueError
            number = any_number(raw) if isinstance(raw, str) else float(raw)
        except (ValueError, OverflowError):
            raise PublicError(limits, code="float_parsing") from None
        if not math.isfinite(number):
            raise PublicError(limits, code="finite_number")
        if number < self.minimum:
            raise PublicError(limits, code="greater_than_equal")
        if number > self.maximum:
            raise PublicError(limits, code="less_than_equal")
        return number


@dataclass(frozen=True)
class UpscalingModel:
    """One upscaling model: its price in credits and the settings that it accepts."""

    name: str
    title: str
    credits: int
    summary: str
    good_for: str
    settings: tuple[Setting, ...] = ()
    fixed_factor: int | None = None
    """How many times the width and height grow, where no setting says it."""

    def setting(self, key: str) -> Setting | None:
        """The setting called ``key``, or None where this model has none of that name."""
        return next((setting for setting in self.settings if setting.key == key), None)

    def clean(self, key: str, raw: Any) -> Any:
        """One setting's value in its own type. Raises PublicError, also for a setting that this model hasn't."""
        setting = self.setting(key)
        if setting is not None:
            return setting.clean(raw)
        shown = shortened(key)
        if not self.settings:
            raise PublicError(
                f"{self.name} uses fixed settings and accepts no generation_settings, but “{shown}” was given. "
                "Leave them out, or choose a model that has settings.",
                code="extra_forbidden",
            )
        known = ", ".join(setting.key for setting in self.settings)
        raise PublicError(
            f"There is no setting called “{shown}”. Settings of {self.name}: {known}.", code="extra_forbidden"
        )

    @property
    def factors(self) -> tuple[int, ...]:
        """How many times it can enlarge a picture, the smallest first."""
        if self.fixed_factor:
            return (self.fixed_factor,)
        chosen = self.setting(FACTOR_KEY)
        return tuple(int(value.removesuffix("x")) for value in chosen.values) if chosen else ()

    @property
    def defaults(self) -> dict[str, Any]:
        """Every setting with its default value."""
        return {setting.key: setting.default for setting in self.settings}


ENGINE_VERSIONS = {"local": 3}
"""Raised when an engine of ours comes to make other pictures of the same orders. Results from before versions were
counted have none in their record. A vendor's engine tells no version."""
FACTORS = (2, 4, 6)
"""The factors that topaz offers."""
FACTOR_KEY = "upscale_factor"
"""The setting that says the factor, of a model that offers several."""
RESOLUTION_KEY = "target_resolution"
"""The setting of ``seedvr2`` that says what its result is made for."""

MODELS: dict[str, UpscalingModel] = {
    RECRAFT: UpscalingModel(
        name=RECRAFT,
        title="Recraft",
        credits=1,
        summary="Four times the width and height, nothing to set.",
        good_for="Sharp, clean product shots. Keeps every detail as it is.",
        fixed_factor=4,
    ),
    TOPAZ: UpscalingModel(
        name=TOPAZ,
        title="Topaz",
        credits=3,
        summary="Two, four or six times, with enhancement that you steer.",
        good_for="People, skin and small or worn pictures. May refine clothing details slightly.",
        settings=(
            Setting(
                key=FACTOR_KEY,
                kind="choice",
                default="4x",
                label="Enlarge by",
                help="Width and height are multiplied by this.",
                choices=tuple(Choice(f"{factor}x") for factor in FACTORS),
            ),
            Setting(
                key="enhance_model",
                kind="choice",
                default=HIGH_FIDELITY_V2,
                label="Enhancement",
                help="How much the picture may be rebuilt.",
                choices=(
                    Choice(STANDARD_V2, "A bit of both: for most pictures"),
                    Choice(LOW_RESOLUTION_V2, "Rebuilds detail: for small or blurred pictures"),
                    Choice(HIGH_FIDELITY_V2, "Stays closest to the original: for good pictures"),
                ),
            ),
            Setting(
                key="subject_detection",
                kind="choice",
                default="Foreground",
                label="Focus on",
                help="Which part of the picture gets the enhancement.",
                choices=(
                    Choice("Foreground", "The person or product"),
                    Choice("Background", "What is around it"),
                    Choice("Auto", "Wherever detail is missing"),
                ),
            ),
            Setting(
                key="face_enhancement",
                kind="boolean",
                default=False,
                label="Enhance faces",
                help="Rebuilds facial features.",
            ),
            Setting(
                key="face_enhancement_creativity",
                kind="number",
                default=0.5,
                label="Face creativity",
                help="0 stays faithful, 1 rebuilds freely.",
                idle_when={"face_enhancement": False},
            ),
        ),
    ),
    SEEDVR2: UpscalingModel(
        name=SEEDVR2,
        title="SeedVR2",
        credits=1,
        summary="Two or four times the width and height, made for a size that you choose.",
        good_for="Soft, blurred or much compressed pictures. Rebuilds fine detail: check lettering and fabric after.",
        settings=(
            Setting(
                key=FACTOR_KEY,
                kind="choice",
                default="2x",
                label="Enlarge by",
                help="Width and height are multiplied by this.",
                choices=tuple(Choice(f"{factor}x") for factor in (2, 4)),
            ),
            Setting(
                key=RESOLUTION_KEY,
                kind="choice",
                default="2160p",
                label="Made for",
                help="The screen height that the result aims at. Uwear does not say how this goes with the factor.",
                choices=tuple(Choice(f"{lines}p") for lines in (720, 1080, 1440, 2160)),
            ),
        ),
    ),
    AURA_SR: UpscalingModel(
        name=AURA_SR,
        title="AuraSR",
        credits=1,
        summary="Four times the width and height, nothing to set.",
        good_for="Small, clean pictures. Draws crisp edges, and may make up texture.",
        fixed_factor=4,
    ),
}


def fulfils(settings: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    """Whether the settings have the values that the conditions name; not so where these name none."""
    return bool(conditions) and all(settings.get(key) == value for key, value in conditions.items())


def effective(model_name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that make a difference to the result, of a complete map: creativity is for enhanced faces alone."""
    return {
        s.key: settings[s.key]
        for s in MODELS[model_name].settings
        if s.key in settings and not fulfils(settings, s.idle_when)
    }


def versioned(engine: str) -> str:
    """An engine's name with its version, where it has one: ``local 2``."""
    return f"{engine} {ENGINE_VERSIONS[engine]}" if engine in ENGINE_VERSIONS else engine


def order_digest(
    source: str, *, model_name: str, settings: Mapping[str, Any], requested_format: str, engine: str
) -> str:
    """A SHA-256 that two orders share where the ``source`` (its own digest), model, effective settings, format, engine
    and its version are the same: so their results would be."""
    what = [source, model_name, effective(model_name, settings), requested_format, versioned(engine)]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def factor(model_name: str, settings: Mapping[str, Any]) -> int:
    """How many times the width and height grow. ``settings`` are complete, as an upscale stores them."""
    return MODELS[model_name].fixed_factor or int(settings[FACTOR_KEY].removesuffix("x"))


def with_factor(model_name: str, settings: Mapping[str, Any], factor: int) -> dict[str, Any]:
    """The settings with one of the model's ``factors`` in place of theirs."""
    return dict(settings) if MODELS[model_name].fixed_factor else {**settings, FACTOR_KEY: f"{factor}x"}
