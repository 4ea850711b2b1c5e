"""What the docs say of the calls: read from the API's own OpenAPI schema, for the docs page and for docs/api.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from upscaler.api.parser import FORM

PREFIX = "/api/v1/"
EXAMPLES = Path(__file__).parent / "examples"
STATUSES = {
    400: "The body is not even what its content type says.",
    401: "No token, or one that is unknown, ran out, was revoked or whose owner has left; the text says which.",
    402: "Not enough credits, or beyond a budget; the text says how many are needed and left, and whom to ask.",
    403: "The token may only look and the call does more, or its owner may not do that; the text says which. With the "
    "`code` `storage_quota_exceeded` the team keeps as many files as it may: delete some, or ask for more room.",
    404: "There is no such thing in your team, or no such call.",
    405: "The call is not made with this method; `Allow` says with which.",
    408: "The head or the body of the request came too slowly.",
    409: "Somebody else has decided meanwhile, there is nothing to decide about, or it is under way; the text says.",
    410: "A link ran out, or its picture was deleted (at the link itself).",
    411: "A body in chunks (`Transfer-Encoding: chunked`): send it with a `Content-Length`.",
    413: "Too large; the text says what the limit is.",
    414: "The address has more than 8,190 letters.",
    415: "The file is no picture that the desk reads.",
    416: "The part of a file that `Range` asks for is not there.",
    422: "A rule is broken, or a parameter is unknown: `detail` is a list, and `loc` says where.",
    429: "More calls than the token may make, or more uploads than a team may leave unordered. Wait for `Retry-After`.",
    431: "The head of the request is too large.",
    500: "Something went wrong on the desk's side. Look at your generations before you send an order again.",
    503: "The desk can't take work now. Wait for `Retry-After`; send an order again with its old `Idempotency-Key`. "
    "With the `code` `storage_full` or `storage_unwritable` its storage takes nothing, with `storage_away` it does not "
    "answer.",
}
"""What each status of an error means, and what to do."""


ERRORS = (
    'Always JSON: `{"type", "detail": "..."}`, or for a broken rule 422 with '
    '`{"type", "detail": [{"type", "loc", "msg"}]}`. '
    "The outer `type` is the address, on the desk's own page, of what its status means."
)


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    kind: str
    """What it takes, in words."""
    text: str
    is_required: bool


@dataclass(frozen=True)
class Call:
    """One call of the API."""

    id: str
    method: str
    path: str
    """Below `PREFIX`."""
    title: str
    text: str
    parameters: list[Field]
    """In the address and in the headers, but for those inside the path."""
    fields: list[Field]
    """Of the body."""
    takes_form: bool
    takes_json: bool
    statuses: list[int]
    """Errors that it may answer."""


@dataclass(frozen=True)
class Example:
    """A program that runs as it stands, with the token in the environment and a picture shirt.jpg beside it."""

    name: str
    language: str
    title: str

    @property
    def code(self) -> str:
        """Its text; `{desk}` stands for the desk's own address."""
        return (EXAMPLES / self.name).read_text(encoding="utf-8").strip()


EXAMPLES_SHOWN = (
    Example("order.sh", "sh", "curl: one picture in one call"),
    Example("steps.sh", "sh", "curl: step by step, with an address to upload to"),
    Example("order.py", "python", "Python: a folder's pictures, each paid once"),
)


@cache
def calls() -> list[Call]:
    """All calls, in the order in which they are declared."""
    from upscaler.api.endpoints import api

    schema = json.loads(json.dumps(api.get_openapi_schema(path_prefix=PREFIX)))
    return [
        _call(schema, path.removeprefix(PREFIX), method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def _call(schema: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Call:
    content: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
    body: Mapping[str, Any] = content.get(FORM) or next(iter(content.values()), {})
    return Call(
        id=operation["operationId"].removeprefix("upscaler_api_"),
        method=method.upper(),
        path=path,
        title=operation["summary"],
        text=" ".join(operation.get("description", "").split()),
        parameters=[
            Field(one["name"], _kind(schema, one["schema"]), one.get("description", ""), one.get("required", False))
            for one in operation.get("parameters", [])
            if one["in"] != "path"
        ],
        fields=list(_fields(schema, body.get("schema", {}))),
        takes_form=FORM in content,
        takes_json="application/json" in content,
        statuses=[int(status) for status in operation["responses"] if int(status) >= 400],
    )


def _fields(schema: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Field]:
    body = _resolved(schema, body)
    for name, one in body.get("properties", {}).items():
        yield Field(name, _kind(schema, one), one.get("description", ""), name in body.get("required", ()))


def _resolved(schema: Mapping[str, Any], one: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in one:
        found: Mapping[str, Any] = schema["components"]["schemas"][one["$ref"].rpartition("/")[2]]
        return found
    return _resolved(schema, one["allOf"][0]) if len(one.get("allOf", ())) == 1 else one


def _kind(schema: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    one = _resolved(schema, one)
    kinds = [_kind(schema, option) for option in one.get("anyOf", []) if option.get("type") != "null"]
    if kinds:
        return " or ".join(dict.fromkeys(filter(None, kinds)))
    if "enum" in one:
        return ", ".join(
            dict.fromkeys(
                f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in one["enum"] if value != ""
            )
        )
    if one.get("type") == "array":
        return f"list of {_kind(schema, one['items'])}"
    if one.get("properties"):
        named = [f"`{name}`: {_kind(schema, part)}" for name, part in one["properties"].items()]
        return "; ".join(named)
    return _plain(one)


def _plain(one: Mapping[str, Any]) -> str:
    if one.get("format") == "binary":
        return "file"
    words = {"string": "text", "integer": "whole number", "number": "number", "object": "map", "boolean": "yes or no"}
    kind = "moment" if one.get("format") == "date-time" else words.get(one.get("type", ""), "")
    limits = [
        f"{sign} {one[name]:,}"
        for name, sign in (("minimum", "from"), ("maximum", "to"))
        if name in one and one[name] < 10**12
    ]
    length = f"at most {one['maxLength']:,} letters" if "maxLength" in one else ""
    return " ".join(filter(None, [kind, *limits])) + (f", {length}" if length else "")


def markdown() -> str:
    """The calls and the errors, as docs/api.md has them."""
    lines = ["## The calls", ""]
    for call in calls():
        lines += [f"### `{call.method} {call.path}`", "", f"{call.title}. {call.text}".strip(), ""]
        if call.takes_form:
            lines += [f"The body is a form (`{FORM}`){' or, without the file, JSON' if call.takes_json else ''}.", ""]
        for title, fields in (("parameter", call.parameters), ("field", call.fields)):
            if fields:
                lines += [f"| {title} | takes | |", "|---|---|---|", *map(_row, fields), ""]
    lines += ["## Errors", "", ERRORS, ""]
    lines += ["| status | when |", "|---|---|", *(f"| {status} | {text} |" for status, text in STATUSES.items())]
    return "\n".join(lines) + "\n"


def _row(field: Field) -> str:
    name = f"`{field.name}`" + (", needed" if field.is_required else "")
    return f"| {name} | {field.kind} | {field.text} |".replace("\n", " ")
