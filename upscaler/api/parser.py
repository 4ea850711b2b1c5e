"""Reading the bodies that programs send."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.request import QueryDict
from ninja.errors import ValidationError as RequestInvalid
from ninja.params.models import Body, BodyModel
from ninja.parser import Parser

FORM = "multipart/form-data"
FILE = "file"
"""The field of a form that holds the picture."""


class StrictParser(Parser):
    """JSON that can be stored and echoed: no lone surrogates, no bottomless nesting."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(request.body)
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            problem = {"type": "json_invalid", "loc": ["body"], "msg": "The body is not valid JSON."}
            raise RequestInvalid([problem]) from None
        return body


class OrderBodyModel(BodyModel):
    """An order's fields as JSON, or beside a picture's file in a form."""

    LISTS: ClassVar = ("channels", "webhook_events")
    MAPS: ClassVar = ("generation_settings",)

    @classmethod
    def get_request_data(cls, request: HttpRequest, api: Any, path_params: dict[str, Any]) -> dict[str, Any] | None:
        """The fields in ninja's shape. Raises RequestInvalid for files that an order has no place for."""
        if request.content_type != FORM:
            return super().get_request_data(request, api, path_params)
        fields = {name: cls._value(request.POST, name) for name in request.POST}
        _check_files(request, fields)
        return {cls.__read_from_single_attr__: fields}

    @classmethod
    def _value(cls, form: QueryDict, name: str) -> Any:
        if name in cls.LISTS:
            values = form.getlist(name)
            return values if len(values) > 1 else _from_json(str(values[0]), values, kind=list)
        text = str(form[name])
        return _from_json(text, text, kind=dict) if name in cls.MAPS else text


class OrderBody(Body):  # type: ignore[misc]
    """Marks the parameter that takes an `OrderBodyModel`."""

    _model = OrderBodyModel

    @classmethod
    def _param_source(cls) -> str:
        return "body"


def _from_json(text: str, otherwise: Any, *, kind: type) -> Any:
    """What the text says as JSON, where it is of the kind; empty text is nothing, and the form refuses the rest."""
    if not text.strip():
        return None
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return otherwise
    return value if isinstance(value, kind) else otherwise


def _check_files(request: HttpRequest, fields: dict[str, Any]) -> None:
    problems = [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": f"A file goes into the field “{FILE}”, once."}
        for name in request.FILES
        if name != FILE
    ]
    if len(request.FILES.getlist(FILE)) > 1:
        message = "An order takes one picture. Send the others in orders of their own, or as a batch."
        problems.append({"type": "too_long", "loc": ["body", FILE], "msg": message})
    if FILE in fields:
        message = f"“{FILE}” came as text. Send it as a file, with a file name: -F {FILE}=@shirt.jpg"
        problems.append({"type": "file_type", "loc": ["body", FILE], "msg": message})
    if problems:
        raise RequestInvalid(problems)
