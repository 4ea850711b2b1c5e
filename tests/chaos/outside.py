"""What the desk talks to: a vendor that fails in each way of its table, shops, and a program that hears webhooks."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support import pictures, webserver
from tests.support.vendor import FILE, FOLLOW, LIST, SUBMIT, Vendor, as_json, taken_but, truncated
from tests.support.webserver import Answer, body, cut

FAULTY = 0.12
"""The share of calls that go wrong."""
HTML = body(b"<html><h1>502 Bad Gateway</h1></html>", 502, Content_Type="text/html")


@dataclass
class FaultyVendor(Vendor):
    """Fails by chance until `behave`; what it did is counted in ``failed``."""

    chance: random.Random = field(default_factory=random.Random)
    share: float = FAULTY
    failed: Counter[str] = field(default_factory=Counter)

    def behave(self) -> None:
        """From now on nothing goes wrong."""
        self.share = 0.0

    def regular(self, call: str, parts: list[str], sent: Any) -> Answer:
        """As `Vendor.regular`, or one of the faults that the call can have."""
        if self.chance.random() >= self.share:
            return super().regular(call, parts, sent)
        faults = self._faults(call)
        name = self.chance.choice(sorted(faults))
        self.failed[f"{call}: {name}"] += 1
        return faults[name]

    def _faults(self, call: str) -> dict[str, Answer]:
        away = {
            "500": as_json({"detail": "Internal Server Error"}, 500),
            "502 with HTML": HTML,
            "503": as_json({"detail": "Service Unavailable"}, 503, Retry_After="1"),
            "429": as_json({"detail": "Slow down"}, 429, Retry_After="1"),
            "cut": cut,
        }
        if call == SUBMIT:
            taken = {f"taken, {name}": taken_but(self, answer) for name, answer in away.items() if name != "429"}
            return {**away, **taken}
        if call == FILE:
            return {"404": body(b"gone", 404), "truncated": body(truncated(), Content_Type="image/png"), "cut": cut}
        if call in (FOLLOW, LIST):
            return {**away, "nonsense": as_json({"hello": "world"})}
        return away


@dataclass
class Outside:
    """All of it, with the addresses."""

    vendor: FaultyVendor
    shop: str
    hooks: str
    told: dict[int, set[str]]
    """By generation the events that the program was told of it."""
    _stop: threading.Event

    def behave(self) -> None:
        """Vendor, shops and program: from now on nothing goes wrong."""
        self._stop.set()
        self.vendor.behave()


@contextmanager
def outside(chance: random.Random) -> Iterator[Outside]:
    """Everything around the desk. A picture of the shop lies at any address of it."""
    vendor = FaultyVendor(picture=pictures.encoded(pictures.photograph("chelsea", (96, 80)), "PNG"), chance=chance)
    well = threading.Event()
    told: dict[int, set[str]] = {}
    lock = threading.Lock()
    shirt = pictures.jpeg()

    def sell(handler: BaseHTTPRequestHandler) -> Answer:
        if not well.is_set() and chance.random() < FAULTY:
            return chance.choice([body(b"busy", 503, Retry_After="1"), body(b"", 500), cut])
        return body(shirt + handler.path.encode(), Content_Type="image/jpeg")

    def hear(handler: BaseHTTPRequestHandler) -> Answer:
        message = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if not well.is_set() and chance.random() < FAULTY / 4:
            return chance.choice([body(b"", 500), cut])
        with lock:
            told.setdefault(int(message["data"]["generation_id"]), set()).add(str(message["type"]))
        return body(b"thanks")

    with webserver.serving(vendor.answer) as host, webserver.serving(sell) as shop, webserver.serving(hear) as hooks:
        vendor.host = host
        yield Outside(vendor, shop, hooks, told, well)
