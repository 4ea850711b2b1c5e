"""What a host that should be the vendor answers to each call: which of the two interfaces it speaks, and what drifted.

Nothing here can be worked on for credits: what is posted names no source and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from upscaler.engines.uwear.client import UwearClient
from upscaler.engines.uwear.dialects import DIALECTS
from upscaler.engines.uwear.errors import NO_SUCH_CALL, UNKNOWN, UwearError

UNKNOWN_ID = 999_999_999_999
"""Asked for where the account has nothing yet: a call that is there says 404 in its own words."""
PREFIX = "/api/v1"
SUBMITS = {name: dialect.submit_path for name, dialect in DIALECTS.items()}
EMPTY_ORDERS: dict[str, dict[str, Any]] = {
    "legacy": {"image_url": "", "model_name": "", "generation_settings": {}},
    "current": {
        "use_case": "upscale",
        "model_slug": "",
        "num_images": 0,
        "image_url": "",
        "upscale_factor": 0,
        "target_resolution": "",
        "webhook_url": "",
        "webhook_events": [],
    },
}
"""By dialect, the names of all fields that this desk sends, with nothing in them: unknown names are refused by name."""


@dataclass(frozen=True)
class Call:
    """One call of the contract, as it is tried."""

    shown: str
    needed_for: str
    """Empty where this desk can do without."""
    method: str
    path: str
    is_right: Callable[[int, Any], bool]
    drift: Callable[[int, Any], str]
    """What an answer has otherwise than this desk knows it, in words; empty where nothing."""
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Tried:
    """How a call went."""

    call: Call
    status: int
    """0 for no answer."""
    said: str
    is_right: bool
    drift: str

    @property
    def is_refused(self) -> bool:
        """Whether the key was."""
        return self.status in (401, 403)


def calls(client: UwearClient, dialect: str) -> list[Call]:
    """What this desk asks of a host in this dialect, with ids of the account's where it has any."""
    generation, result = _known_ids(client)
    submit = SUBMITS[dialect]
    return [
        Call("GET /generations", "find a lost call", "GET", "generations", _is_page, _page_drift),
        Call(
            "GET /generation/{id}",
            "follow an upscale",
            "GET",
            f"generation/{generation}",
            _has("generation_id"),
            _generation_drift,
        ),
        Call(
            "GET /generation-result/{id}",
            "take a result id",
            "GET",
            f"generation-result/{result}",
            _has("generation_result_id"),
            _result_drift,
        ),
        Call("GET /generation-results", "", "GET", "generation-results", _is_page, _page_drift),
        Call(f"POST /{submit} (empty)", "submit", "POST", submit, _is_refusal, _order_drift, EMPTY_ORDERS[dialect]),
    ]


def attempt(client: UwearClient, call: Call) -> Tried:
    """Make the call, and judge what comes."""
    try:
        status, answer = client.ask(call.method, call.path, body=call.body)
    except UwearError as error:
        return Tried(call, 0, error.code, is_right=False, drift="")
    said = f"{status} ({'not JSON' if answer is None else 'JSON'})"
    return Tried(call, status, said, call.is_right(status, answer), call.drift(status, answer))


def spoken(url: str, client_of: Callable[[str], UwearClient]) -> dict[str, str]:
    """The dialects that the host of ``url`` takes orders in, each with its address, prefix and all."""
    bare = url.removesuffix(PREFIX)
    found: dict[str, str] = {}
    for dialect, submit in SUBMITS.items():
        # Where the desk looks first, so that one address that does is not replaced by another.
        for address in dict.fromkeys((url, f"{bare}{PREFIX}" if dialect == "legacy" else bare)):
            try:
                status, answer = client_of(address).ask("POST", submit, body=EMPTY_ORDERS[dialect])
            except UwearError:
                continue
            if _is_refusal(status, answer):
                found.setdefault(dialect, address)
    return found


def _known_ids(client: UwearClient) -> tuple[int, int]:
    """A generation and a result of the account, where it has any."""
    try:
        for row in filter(lambda row: row.generation_id, client.generations().generations):
            for result in client.generation(row.generation_id).results:
                return int(row.generation_id), result.result_id
    except UwearError:
        pass  # The table says it.
    return UNKNOWN_ID, UNKNOWN_ID


def _is_page(status: int, answer: Any) -> bool:
    return status == 200 and isinstance(answer, dict) and isinstance(answer.get("data"), list)


def _has(name: str) -> Callable[[int, Any], bool]:
    def is_right(status: int, answer: Any) -> bool:
        if not isinstance(answer, dict):
            return False
        return (status == 200 and name in answer) or (status == 404 and answer.get("detail") != NO_SUCH_CALL)

    return is_right


def _is_refusal(status: int, answer: Any) -> bool:
    return status in (400, 422) and isinstance(answer, dict) and "detail" in answer


def _page_drift(status: int, answer: Any) -> str:
    return _lacks(answer, "data", "current_page", "max_page") if status == 200 else ""


def _generation_drift(status: int, answer: Any) -> str:
    return _lacks(answer, "generation_id", "status", "payload", "generation_results") if status == 200 else ""


def _result_drift(status: int, answer: Any) -> str:
    if status != 200:
        return ""
    is_named = isinstance(answer, Mapping) and ("image_url" in answer or "url" in answer)
    return _lacks(answer, "generation_result_id") or ("" if is_named else "names no url and no image_url")


def _order_drift(status: int, answer: Any) -> str:
    if status == 415:
        return "wants another form than JSON (415)"
    if status in (404, 405):
        return f"there is no such call ({status})"
    detail = answer.get("detail") if isinstance(answer, Mapping) else None
    rules = [rule for rule in detail if isinstance(rule, Mapping)] if isinstance(detail, list) else []
    unknown = [str(rule["loc"][-1]) for rule in rules if rule.get("type") == UNKNOWN and rule.get("loc")]
    asked = [str(rule["loc"][-1]) for rule in rules if rule.get("type") == "missing" and rule.get("loc")]
    parts = [f"does not know {', '.join(unknown)} (extra_forbidden)"] if unknown else []
    # A source is asked for too, and there is none on purpose.
    if wanted := [name for name in asked if name not in ("image_url", "generation_result_parent_id", "body")]:
        parts.append(f"asks for {', '.join(wanted)}")
    return "; ".join(parts)


def _lacks(answer: Any, *names: str) -> str:
    missing = [name for name in names if not isinstance(answer, Mapping) or name not in answer]
    return f"has no {', '.join(missing)}" if missing else ""
