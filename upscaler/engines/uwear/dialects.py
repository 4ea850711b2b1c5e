"""The two interfaces that the vendor has had for the same work: how an order is written in each, and how it is read.

``legacy`` is the vendor's page "Create Upscale", ``current`` what the public notes on its newer interface say. What is
sent keeps to one of them strictly. What is read is taken in either: the vendor may list an order in the other's words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings as desk_settings

from upscaler import upscaling_models
from upscaler.engines.base import Order
from upscaler.errors import PublicError
from upscaler.upscaling_models import FACTOR_KEY, MODELS, RESOLUTION_KEY

UPSCALING = "upscal"
"""What the older interface's name of the feature holds, however it is written."""
MODEL_PREFIX = "model:"
"""What stands before the model in the newer interface's name of the feature."""
EVENTS = ("generation.completed", "generation.failed")
"""Of which the newer interface's webhook tells."""
OWN_FIELDS = (FACTOR_KEY, RESOLUTION_KEY)
"""The settings that the newer interface has fields of its own for; the others go into ``feature_setting``."""


class Dialect(Protocol):
    """How one of the interfaces takes orders."""

    @property
    def name(self) -> str:
        """As ``UWEAR_DIALECT`` says it."""
        ...

    @property
    def model_names(self) -> Sequence[str]:
        """The models that the vendor has in it."""
        ...

    @property
    def submit_path(self) -> str:
        """Where orders go."""
        ...

    def body(self, order: Order) -> dict[str, Any]:
        """What is posted: documented fields only."""
        ...


@dataclass(frozen=True)
class Legacy:
    """``POST /generation-upscale``."""

    name: str = "legacy"
    model_names: Sequence[str] = (upscaling_models.RECRAFT, upscaling_models.TOPAZ)
    submit_path: str = "generation-upscale"

    def body(self, order: Order) -> dict[str, Any]:
        """Documented fields only, and settings as the map of texts that the vendor's page shows."""
        body: dict[str, Any] = {**order.reference, "model_name": order.model_name}
        if MODELS[order.model_name].settings:
            body["generation_settings"] = {key: _as_text(value) for key, value in order.settings.items()}
        return body


@dataclass(frozen=True)
class Current:
    """``POST /generation`` with the use case ``upscale``."""

    name: str = "current"
    model_names: Sequence[str] = (upscaling_models.SEEDVR2, upscaling_models.AURA_SR)
    submit_path: str = "generation"

    def body(self, order: Order) -> dict[str, Any]:
        """Documented fields only. The factor is always said: the vendor's usual one is not what every model has."""
        body: dict[str, Any] = {"use_case": "upscale", "model_slug": order.model_name, "num_images": 1}
        if url := order.reference.get("image_url"):
            body["image_url"] = url
        else:
            body["generation_result_parent_id"] = order.reference.get("generation_result_id")
        body |= newer_settings(order.model_name, order.settings)
        if order.hint_url:
            body |= {"webhook_url": order.hint_url, "webhook_events": list(EVENTS)}
        return body


def newer_settings(model_name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A model's complete settings as fields of the newer interface, the factor as a number."""
    fields: dict[str, Any] = {FACTOR_KEY: upscaling_models.factor(model_name, settings)}
    if RESOLUTION_KEY in settings:
        fields[RESOLUTION_KEY] = settings[RESOLUTION_KEY]
    # Only another desk has models with more settings than these.
    if others := {key: value for key, value in settings.items() if key not in OWN_FIELDS}:
        fields["feature_setting"] = others
    return fields


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (Legacy(), Current())}


def chosen() -> Dialect:
    """The one that ``UWEAR_DIALECT`` says."""
    return DIALECTS[desk_settings.UWEAR_DIALECT]


def may_be_upscale(feature_name: str) -> bool:
    """Whether a generation may be the work that this desk orders, as far as the vendor says what it is."""
    feature = feature_name.lower()
    return not feature or UPSCALING in feature or feature.removeprefix(MODEL_PREFIX) in MODELS


def model_in(body: Mapping[str, Any]) -> Any:
    """The model that a body names; None where it names none."""
    return body.get("model_slug") or body.get("model_name")


def source_in(body: Mapping[str, Any]) -> dict[str, Any]:
    """What names the source in a body, in the names and types of `Order.reference`; empty where nothing does."""
    url = body.get("image_url")
    number = str(body.get("generation_result_id") or body.get("generation_result_parent_id") or "")
    source: dict[str, Any] = {"image_url": str(url)} if url else {}
    if number:
        is_whole = number.isascii() and number.isdecimal() and len(number) < 20
        source["generation_result_id"] = int(number) if is_whole else number
    return source


def settings_in(body: Mapping[str, Any], model_name: str) -> dict[str, Any]:
    """The settings that a body of this model holds, complete: the vendor may have filled in defaults and types."""
    model = MODELS[model_name]
    given: dict[str, Any] = {}
    for part in ("generation_settings", "feature_setting"):
        if isinstance(said := body.get(part), Mapping):
            given |= said
    given |= {key: body[key] for key in OWN_FIELDS if body.get(key) is not None}
    complete = model.defaults
    for key, value in given.items():
        said = f"{value}x" if key == FACTOR_KEY and _is_number(value) else value
        if model.setting(key) is None and (key in OWN_FIELDS and _says_nothing(model, key, said)):
            continue
        try:
            complete[key] = model.clean(key, said)
        except PublicError:
            complete[key] = value
    return complete


def _says_nothing(model: upscaling_models.UpscalingModel, key: str, value: Any) -> bool:
    """Whether a field that the model has no setting for only repeats what it does anyway."""
    return key == RESOLUTION_KEY or value == f"{model.fixed_factor}x"


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal()
    return isinstance(value, int) and not isinstance(value, bool)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
