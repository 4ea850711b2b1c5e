"""A scripted vendor on the loopback: it keeps the contract, except where a test makes a call of it go wrong.

It speaks one of the vendor's two interfaces, and knows nothing of the other.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from PIL import Image

from tests.conftest import Person
from tests.support import pictures, webserver
from tests.support.webserver import Answer, body
from upscaler.models import CreditEntry, EngineState, Handover, Upscale
from upscaler.processing import worker_step

KEY = "uw_key-that-nobody-may-see-7f3a91"
CONNECT_TIMEOUT = 2
READ_TIMEOUT = 5
DIALECTS = ("legacy", "current")
SUBMIT = "POST generation-upscale"
"""In either interface."""
FIELDS = {
    "use_case", "model_slug", "num_images", "generation_result_parent_id", "image_url", "upscale_factor",
    "target_resolution", "feature_setting", "webhook_url", "webhook_secret", "webhook_events",
}  # fmt: skip
"""What the newer interface takes with an order; another field is refused."""
FACTORS = {"seedvr2": (2, 4), "aura-sr": (4,)}
FOLLOW = "GET generation"
LIST = "GET generations"
RESULT = "GET generation-result"
FILE = "GET file"
SHOP = "GET shop"
"""A picture of 48 x 40 pixels that is not the vendor's, though on the same host."""


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    return body(json.dumps(value).encode(), status, Content_Type="application/json", **headers)


@dataclass
class Vendor:
    """Its state, and every request that it got. Shared by the server's threads."""

    host: str = ""
    dialect: str = "legacy"
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The call and the headers of each request."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """What was posted."""
    generations: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    """By call: what the next ones are answered with; the last one stays."""
    passing: set[str] = field(default_factory=set)
    """Calls whose faults end by themselves: the last one does not stay."""
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    picture: bytes = b""
    status: str = "Done"
    """Of every generation from now on."""
    on_accept: Callable[[], None] | None = None
    """Called when an order was taken, before it is answered."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def api_url(self) -> str:
        return f"http://{self.host}/api/v1" if self.dialect == "legacy" else f"http://{self.host}"

    def calls(self, name: str) -> int:
        return sum(1 for call, _ in self.seen if call == name)

    def fail(self, call: str, *answers: Answer, passing: bool = False) -> None:
        self.faults[call] = list(answers)
        (self.passing.add if passing else self.passing.discard)(call)

    def answer(self, handler: BaseHTTPRequestHandler) -> Answer:
        path = handler.path.partition("?")[0]
        parts = path.removeprefix("/api/v1").strip("/").split("/")
        call = f"{handler.command} {parts[0]}"
        if self.dialect == "legacy" and call == SUBMIT and not path.startswith("/api/v1"):
            return as_json({"detail": "Not Found"}, 404)
        if self.dialect == "current":
            if path.startswith("/api/v1") or call == SUBMIT:
                return as_json({"detail": "Not Found"}, 404)
            call = SUBMIT if call == "POST generation" else call
        length = int(handler.headers.get("Content-Length") or 0)
        sent = json.loads(handler.rfile.read(length) or b"null")
        with self.lock:
            self.seen.append((call, dict(handler.headers)))
            if call == SUBMIT:
                self.bodies.append(sent)
            queue = self.faults.get(call)
            if queue:
                return queue.pop(0) if len(queue) > 1 or call in self.passing else queue[0]
            return self.regular(call, parts, sent)

    def regular(self, call: str, parts: list[str], sent: Any) -> Answer:
        if call == SUBMIT:
            return (self.refused(sent) if self.dialect == "current" else None) or self.accept(sent)
        if call == LIST:
            rows = [self.row(number) for number in sorted(self.generations, reverse=True)]
            return as_json({"current_page": 1, "max_page": 1, "total_count": len(rows), "data": rows})
        if call == FILE:
            return body(self.picture, Content_Type="image/png")
        if call == SHOP:
            return body(picture((48, 40)), Content_Type="image/png")
        number = int(parts[-1]) if parts[-1].isdecimal() else 0
        if call == FOLLOW and number in self.generations:
            results = [self.result(number)] if self.status == "Done" else []
            return as_json({**self.row(number), "generation_results": results})
        if call == RESULT and number in self.results:
            return as_json(self.results[number])
        if call == RESULT and number - 1000 in self.generations:
            return as_json(self.result(number - 1000))
        return as_json({"detail": "Not found"}, 404)

    def refused(self, sent: Any) -> Answer | None:
        """What the newer interface has against an order."""
        problems = [("extra_forbidden", name) for name in sorted(sent.keys() - FIELDS)]
        problems += [("missing", name) for name in ("use_case", "model_slug", "num_images") if name not in sent]
        if sent.get("upscale_factor", 2) not in FACTORS.get(sent.get("model_slug"), ()):
            problems.append(("literal_error", "upscale_factor"))
        if bool(sent.get("image_url")) == bool(sent.get("generation_result_parent_id")):
            problems.append(("value_error", "image_url"))
        detail = [{"type": kind, "loc": ["body", name], "msg": "not taken"} for kind, name in problems]
        return as_json({"detail": detail}, 422) if detail else None

    def accept(self, sent: Any) -> Answer:
        """Take an order. Call it from a fault to take one and answer badly."""
        number = len(self.generations) + 71
        now = timezone.now().isoformat()
        self.generations[number] = {"payload": json.dumps(sent), "created_at": now}
        if self.on_accept is not None:
            self.on_accept()
        return as_json({"generation_id": number, "created_at": now, "updated_at": now})

    def row(self, number: int) -> dict[str, Any]:
        submitted = json.loads(self.generations[number]["payload"]) if self.dialect == "current" else {}
        return {
            "generation_id": number,
            "status": self.status,
            "feature_name": "upscale" if self.dialect == "legacy" else f"model:{submitted.get('model_slug')}",
            "num_images": 1,
            "updated_at": self.generations[number]["created_at"],
            **self.generations[number],
        }

    def result(self, number: int) -> dict[str, Any]:
        url, created_at = f"http://{self.host}/file/{number}.png", self.generations[number]["created_at"]
        result = {"generation_result_id": number + 1000, "generation_id": number, "created_at": created_at}
        if self.dialect == "legacy":
            return {**result, "image_url": url, "status": "Done"}
        return {**result, "url": url, "kind": "Image", "updated_at": created_at, "available": True, "origin": "model"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """In a module that imports it: each test that has the vendor runs once in either of its interfaces."""
    if "vendor" in metafunc.fixturenames:
        metafunc.parametrize("vendor", DIALECTS, indirect=True)


def taken_but(vendor: Vendor, answer: Answer) -> Answer:
    """The vendor takes the order, and answers with ``answer`` all the same."""

    def taken(handler: BaseHTTPRequestHandler) -> None:
        with vendor.lock:
            vendor.accept(vendor.bodies[-1])
        answer(handler)

    return taken


def never(handler: BaseHTTPRequestHandler) -> None:
    """No answer for as long as the other side waits."""
    handler.connection.settimeout(10)
    with suppress(OSError):
        handler.connection.recv(1)
    handler.close_connection = True


@contextmanager
def running(**options: Any) -> Iterator[Vendor]:
    """A vendor that answers, and a desk whose settings point at it."""
    vendor = Vendor(picture=pictures.encoded(pictures.photograph("chelsea", (96, 80)), "PNG"), **options)
    with webserver.serving(vendor.answer) as host:
        vendor.host = host
        with pointing_at(vendor.api_url, host), override_settings(UWEAR_DIALECT=vendor.dialect):
            yield vendor


@contextmanager
def pointing_at(api_url: str, *allowed: str) -> Iterator[None]:
    with override_settings(
        ENGINE="uwear",
        UWEAR_API_URL=api_url,
        UWEAR_API_KEY=KEY,
        UWEAR_CONNECT_TIMEOUT=CONNECT_TIMEOUT,
        UWEAR_READ_TIMEOUT=READ_TIMEOUT,
        PUBLIC_URL="https://upscaler.example.com",
        FETCH_ALLOW_HOSTS=list(allowed),
    ):
        yield


def step(upscale: Upscale) -> Upscale:
    """The next step at once, as if every pause were over."""
    past = timezone.now() - timezone.timedelta(seconds=1)
    Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
    EngineState.objects.filter(retry_at__isnull=False).update(retry_at=past)
    EngineState.objects.filter(busy_until__isnull=False).update(busy_until=past)
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    return upscale


def follow(upscale: Upscale, most: int = 12) -> Upscale:
    """Step after step until it has ended, or ``most`` of them."""
    for _ in range(most):
        if step(upscale).is_final:
            break
    return upscale


def alive_unowned(vendor: Vendor) -> set[int]:
    """The generations at the vendor that no upscale will ever have: not failed there, and ended or unknown here."""
    owned = Upscale.objects.exclude(status="Error").filter(engine_id__isnull=False).values_list("engine_id", flat=True)
    alive = {number for number, row in vendor.generations.items() if row.get("status", vendor.status) != "Error"}
    return alive - {int(number) for number in owned if number}


def prove_nothing_went_wrong(
    upscale: Upscale,
    owner: Person,
    vendor: Vendor | None,
    log: pytest.LogCaptureFixture,
    *,
    granted: int = 100,
    lives: bool = False,
    foreign: int = 0,
) -> None:
    """Whatever the vendor did: nothing charged for nothing, posted twice, lost, or a key written anywhere.

    ``foreign``: how many generations other programs made.

    ``lives``: this refund is one where the vendor made the picture, or still makes it, all the same.
    """
    upscale.refresh_from_db()
    if upscale.status == "Error" and vendor is not None:
        assert bool(alive_unowned(vendor)) == lives, "refunded, and is it still alive at the vendor?"
    # Charged once, and given back exactly where there is no picture.
    kinds = sorted(CreditEntry.objects.filter(upscale=upscale).values_list("kind", flat=True))
    assert kinds == (["charge", "refund"] if upscale.status == "Error" else ["charge"])
    open_or_done = Upscale.objects.exclude(status="Error")
    assert owner.balance == granted - sum(open_or_done.values_list("credits", flat=True))
    # Posted once: the vendor never has more generations than there are upscales.
    if vendor is not None:
        assert len(vendor.generations) <= Upscale.objects.count() + foreign
    # Not lost: it has ended with its picture or its reason, or the sweep will find it.
    if upscale.status == "Done":
        with Image.open(upscale.result_file) as picture:
            picture.load()
            assert picture.width > upscale.source_width
            assert picture.height > upscale.source_height
        assert vendor is None or upscale.result_id == int(upscale.engine_id or 0) + 1000
    elif upscale.status == "Error":
        assert upscale.error_message
        assert not upscale.result_file
    else:
        assert upscale.lease_until is None
        assert upscale.lane
        assert not upscale.result_file
    # The key is in no log, row or page, and went to the vendor alone.
    assert KEY not in log.text
    assert KEY not in json.dumps([*Upscale.objects.values(), *Handover.objects.values()], default=str)
    for page in ("/", "/history/", f"/upscales/{upscale.pk}/", "/readyz"):
        assert KEY not in owner.client.get(page).content.decode()
    assert KEY not in owner.api("get", f"generation/{upscale.pk}").content.decode()
    if vendor is not None:
        for call, headers in vendor.seen:
            carries_key = headers.get("Authorization") == f"Bearer {KEY}"
            assert carries_key == (call not in (FILE, SHOP)), call


def killed(act: Callable[[], Any], *, arm: Callable[[], None]) -> bool:
    """Run ``act`` in a forked process in which ``arm`` has set a trap. Whether it died of SIGKILL."""
    from django.db import connections

    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            arm()
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def truncated() -> bytes:
    whole = pictures.encoded(pictures.photograph("chelsea", (96, 80)), "PNG")
    return whole[: len(whole) // 2]


def picture(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    pictures.photograph("chelsea", size).save(buffer, "PNG")
    return buffer.getvalue()
