"""Which upscaling models the desk offers: those of the engine at work, by their own names.

A model that this engine has not is refused with what it has, and never replaced by another: it would be another
picture for another price.
"""

from __future__ import annotations

from django.conf import settings

from upscaler import upscaling_models
from upscaler.engines import get_engine
from upscaler.errors import PublicError
from upscaler.text import format_credits
from upscaler.upscaling_models import UpscalingModel


def models() -> list[UpscalingModel]:
    """What can be ordered now, in the order in which it is shown."""
    return [upscaling_models.MODELS[name] for name in get_engine(settings.ENGINE).model_names]


def usual() -> UpscalingModel:
    """The model that the page begins with."""
    return models()[0]


def in_words() -> str:
    """The models with their prices: ``recraft (1 credit) or topaz (3 credits)``."""
    return " or ".join(f"{model.name} ({format_credits(model.credits)})" for model in models())


def find(name: str) -> UpscalingModel:
    """The model called ``name``. Raises PublicError with those that are offered, where it is none of them."""
    offered = {model.name: model for model in models()}
    if name in offered:
        return offered[name]
    if name in upscaling_models.MODELS:
        message = f"This desk’s engine does not have the model “{name}”, and takes no other in its place. Choose"
    else:
        message = f"There is no model called “{upscaling_models.shortened(name)}”. Choose"
    raise PublicError(f"{message} {in_words()}.", code="enum")
