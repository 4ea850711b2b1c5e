"""`manage.py uwear_probe`: what the vendor's host answers to each call of the contract. Spends nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from upscaler.engines.uwear.client import UwearClient
from upscaler.engines.uwear.errors import NO_SUCH_CALL, UwearError

UNKNOWN_ID = 999_999_999_999
"""Asked for where the account has nothing yet: a call that is there says 404 in its own words."""


@dataclass(frozen=True)
class Call:
    """One call of the contract, as it is tried."""

    shown: str
    needed_for: str
    """Empty where this desk can do without."""
    method: str
    path: str
    is_right: Callable[[int, Any], bool]
    body: dict[str, Any] | None = None


class Command(BaseCommand):
    help = "Ask the vendor's host for each call of the contract, and say which this desk needs. Spends nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.UWEAR_API_KEY:
            raise CommandError("UWEAR_API_KEY is not set.")
        client = UwearClient(
            settings.UWEAR_API_URL,
            settings.UWEAR_API_KEY,
            connect_timeout=settings.UWEAR_CONNECT_TIMEOUT,
            read_timeout=settings.UWEAR_READ_TIMEOUT,
        )
        self.stdout.write(f"Asking {settings.UWEAR_API_URL}")
        generation, result = _known_ids(client)
        missing = []
        refused = 0
        for call in _calls(generation, result):
            status, said, is_right = _try(client, call)
            is_refused = status in (401, 403)
            refused = refused or (status if is_refused else 0)
            need = f"needed to {call.needed_for}" if call.needed_for else "not needed"
            mark = "ok     " if is_right else "REFUSED" if is_refused else "MISSING"
            self.stdout.write(f"{mark}  {call.shown:<32} {said:<24} {need}")
            if call.needed_for and not is_right and not is_refused:
                missing.append(call.shown)
        if refused:
            self.stdout.write(
                f"WRONG: Uwear refuses the key ({refused}). Set UWEAR_API_KEY to your account’s. Nothing was spent."
            )
            sys.exit(1)
        if missing:
            self.stdout.write(f"WRONG: this desk needs {', '.join(missing)}. Nothing was spent.")
            sys.exit(1)
        self.stdout.write("OK: every call that this desk needs is there. Nothing was spent.")


def _known_ids(client: UwearClient) -> tuple[int, int]:
    """A generation and a result of the account, where it has any."""
    try:
        for row in filter(lambda row: row.generation_id, client.generations().generations):
            for result in client.generation(row.generation_id).results:
                return int(row.generation_id), result.result_id
    except UwearError:
        pass  # The table says it.
    return UNKNOWN_ID, UNKNOWN_ID


def _calls(generation: int, result: int) -> list[Call]:
    return [
        Call("GET /generations", "find a lost call", "GET", "generations", _is_page),
        Call("GET /generation/{id}", "follow an upscale", "GET", f"generation/{generation}", _has("generation_id")),
        Call(
            "GET /generation-result/{id}",
            "take a result id",
            "GET",
            f"generation-result/{result}",
            _has("generation_result_id"),
        ),
        Call("GET /generation-results", "", "GET", "generation-results", _is_page),
        # No source and no model, so there is nothing that could be done for credits.
        Call("POST /generation-upscale (empty)", "submit", "POST", "generation-upscale", _is_refusal, body={}),
    ]


def _try(client: UwearClient, call: Call) -> tuple[int, str, bool]:
    """The status (0 for no answer), what to show, and whether the call is there."""
    try:
        status, answer = client.ask(call.method, call.path, body=call.body)
    except UwearError as error:
        return 0, error.code, False
    kind = "not JSON" if answer is None else "JSON"
    return status, f"{status} ({kind})", call.is_right(status, answer)


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
