"""Ordering a rejected result again with settings that stay closer to the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest

from upscaler import upscaling_models
from upscaler.errors import PublicError
from upscaler.models import Upscale
from upscaler.ordering import submission
from upscaler.ordering.reorder import Retry, reorder
from upscaler.ordering.submission import RetriedBefore
from upscaler.upscaling_models import HIGH_FIDELITY_V2, LOW_RESOLUTION_V2, MODELS, RECRAFT, STANDARD_V2, TOPAZ

CLOSER = {LOW_RESOLUTION_V2: STANDARD_V2, STANDARD_V2: HIGH_FIDELITY_V2}
"""For each enhancement of topaz the next one that rebuilds less."""
FACES = "face_enhancement"


@dataclass(frozen=True)
class Gentler:
    """A choice that changes less than another one."""

    model_name: str
    settings: dict[str, Any]
    words: str
    """For people: “Topaz, High Fidelity V2, 4×, faces as they are”."""
    credits: int


def of(model_name: str, settings: Mapping[str, Any]) -> Gentler | None:
    """The next gentler choice; None where there is none: Recraft adds the least of all.

    Of topaz first the enhancement goes down, always without enhanced faces; from the gentlest on it is Recraft, which
    enlarges four times whatever was chosen.
    """
    if model_name != TOPAZ:
        return None
    enhancement = settings.get("enhance_model", HIGH_FIDELITY_V2)
    if enhancement in CLOSER or settings.get(FACES):
        enhancement = CLOSER.get(enhancement, enhancement)
        chosen = {**settings, "enhance_model": enhancement, FACES: False}
        return _told(TOPAZ, chosen, f"{enhancement}, ", ", faces as they are" if settings.get(FACES) else "")
    return _told(RECRAFT, {}, "", "")


def order_again(rejected: Upscale, *, user: Any, request: HttpRequest | None = None) -> Retry:
    """Order a rejected result's picture with the next gentler choice, once: of a second click comes the same upscale.

    It takes the rejected one's place in its batch, and is charged as any order. Raises PublicError with code
    ``not_rejected`` or ``none_gentler``, and where today's rules refuse it; credits.CreditsRefused; OSError.
    """
    if rejected.review != Upscale.Review.REJECTED or not rejected.gives_result:
        raise PublicError("Only a rejected result is ordered again like this. Reject it first.", code="not_rejected")
    if (earlier := submission.find_retry(rejected)) is not None:
        return Retry(earlier, is_new=False)
    choice = of(rejected.model_name, rejected.settings)
    if choice is None or rejected.is_only_fitted:
        raise PublicError(
            "There is no gentler choice than this one. Enlarge the original with other settings, or take a better "
            "original.",
            code="none_gentler",
        )
    again = reorder(rejected, model_name=choice.model_name, generation_settings=choice.settings)
    try:
        [upscale] = submission.submit(
            [replace(again, retry_of=rejected)], team=rejected.team, user=user, request=request
        )
    except RetriedBefore as before:
        return Retry(before.upscale, is_new=False)
    return Retry(upscale, is_new=True)


def _told(model_name: str, settings: dict[str, Any], before: str, after: str) -> Gentler:
    model = MODELS[model_name]
    factor = upscaling_models.factor(model_name, settings)
    return Gentler(model_name, settings, f"{model.title}, {before}{factor}×{after}", model.credits)
