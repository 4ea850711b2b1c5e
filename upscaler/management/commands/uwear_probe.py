"""`manage.py uwear_probe`: what the vendor's host answers, in which dialect, and what drifted. Spends nothing."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from upscaler.engines.uwear import probing
from upscaler.engines.uwear.client import UwearClient


class Command(BaseCommand):
    help = (
        "Ask the vendor's host for each call of the contract, say which this desk needs, which of the two dialects the "
        "host speaks, and what differs from what this desk knows. Spends nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.UWEAR_API_KEY:
            raise CommandError("UWEAR_API_KEY is not set.")
        dialect, url = settings.UWEAR_DIALECT, settings.UWEAR_API_URL
        self.stdout.write(f"Asking {url} as UWEAR_DIALECT={dialect}")
        client = _client(url)
        tried = [probing.attempt(client, call) for call in probing.calls(client, dialect)]
        for one in tried:
            self._tell(one)
        spoken = probing.spoken(url, _client)
        shown = ", ".join(f"{name} under {address}" for name, address in spoken.items())
        self.stdout.write(f"Orders are taken in: {shown or 'no dialect that this desk knows'}.")
        if wrong := _wrong(tried, dialect, url, spoken):
            self.stdout.write(f"WRONG: {wrong} Nothing was spent.")
            sys.exit(1)
        self.stdout.write("OK: every call that this desk needs is there. Nothing was spent.")

    def _tell(self, one: probing.Tried) -> None:
        need = f"needed to {one.call.needed_for}" if one.call.needed_for else "not needed"
        mark = "ok     " if one.is_right else "REFUSED" if one.is_refused else "MISSING"
        self.stdout.write(f"{mark}  {one.call.shown:<32} {one.said:<24} {need}")
        if one.drift:
            self.stdout.write(f"DRIFT    {one.call.shown}: {one.drift}")


def _wrong(tried: list[probing.Tried], dialect: str, url: str, spoken: dict[str, str]) -> str:
    """The one thing to mend first; empty where nothing is."""
    if refused := next((one.status for one in tried if one.is_refused), 0):
        return f"Uwear refuses the key ({refused}). Set UWEAR_API_KEY to your account’s."
    if spoken and spoken.get(dialect) != url:
        other, address = (dialect, spoken[dialect]) if dialect in spoken else next(iter(spoken.items()))
        return f"this host takes orders otherwise. Set UWEAR_DIALECT={other} and UWEAR_API_URL={address}."
    missing = [one.call.shown for one in tried if one.call.needed_for and not one.is_right and not one.is_refused]
    if missing:
        return f"this desk needs {', '.join(missing)}."
    unknown = next((one.drift for one in tried if "extra_forbidden" in one.drift), "")
    return f"the host {unknown}: orders would be refused." if unknown else ""


def _client(url: str) -> UwearClient:
    return UwearClient(
        url,
        settings.UWEAR_API_KEY,
        connect_timeout=settings.UWEAR_CONNECT_TIMEOUT,
        read_timeout=settings.UWEAR_READ_TIMEOUT,
    )
