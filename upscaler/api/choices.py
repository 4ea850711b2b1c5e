"""What models and formats offer, as JSON Schema: from the tables that the forms read, so that programs see the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import WithJsonSchema

from upscaler import picture_formats, upscaling_models
from upscaler.upscaling_models import Setting

NOTHING: dict[str, Any] = {"type": "null"}


def model_names() -> Any:
    """Names of models. What is no model's name is the form's to refuse."""
    return WithJsonSchema({"anyOf": [{"type": "string", "enum": list(upscaling_models.MODELS)}, NOTHING]})


def result_formats() -> Any:
    """Names of formats, or an empty text for the picture's own."""
    return WithJsonSchema({"anyOf": [{"type": "string", "enum": ["", *picture_formats.RESULT_FORMATS]}, NOTHING]})


def settings_map() -> Any:
    """Settings of all models; which of them a model takes, its description says."""
    takes = {
        model.name: [setting.key for setting in model.settings]
        for model in upscaling_models.MODELS.values()
        if model.settings
    }
    known: dict[str, list[Setting]] = {}
    for model in upscaling_models.MODELS.values():
        for setting in model.settings:
            known.setdefault(setting.key, []).append(setting)
    properties = {
        key: {
            "description": f"{same[0].help} Of {', '.join(name for name, keys in takes.items() if key in keys)}.",
            "default": same[0].default,
            **_values(same),
        }
        for key, same in known.items()
    }
    return WithJsonSchema(
        {"anyOf": [{"type": "object", "properties": properties, "additionalProperties": False}, NOTHING]}
    )


def _values(same: Sequence[Setting]) -> dict[str, Any]:
    # Of all models that have it; what one of them does not take, the form refuses. In their own type, and as text.
    setting = same[0]
    match setting.kind:
        case "choice":
            return {"type": "string", "enum": list(dict.fromkeys(value for one in same for value in one.values))}
        case "boolean":
            return {"enum": [True, False, "true", "false"]}
        case "number":
            number = {"type": "number", "minimum": setting.minimum, "maximum": setting.maximum}
            return {"anyOf": [number, {"type": "string"}]}
