"""A program that is told by webhooks, on the loopback, and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from django.conf import settings
from standardwebhooks.webhooks import Webhook

from tests.support import webserver
from upscaler.models import WebhookDelivery
from upscaler.webhooks import delivery


@dataclass
class Receiver:
    """What came, and how it answers: each answer once, the last one again and again."""

    address: str = ""
    answers: list[webserver.Answer] = field(default_factory=lambda: [webserver.body(b"thanks")])
    messages: list[tuple[dict[str, str], str]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.messages]

    def verified(self, secret: str, number: int = -1) -> dict[str, Any]:
        """A message whose signature holds, as the reference library reads it."""
        headers, body = self.messages[number]
        read: dict[str, Any] = Webhook(secret).verify(body, headers)
        return read

    def _take(self, handler: BaseHTTPRequestHandler) -> webserver.Answer:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        self.messages.append(({name.lower(): value for name, value in handler.headers.items()}, body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving(*answers: webserver.Answer) -> Iterator[Receiver]:
    """A receiver that the desk may call, although it is on the loopback."""
    receiver = Receiver()
    if answers:
        receiver.answers = list(answers)
    with webserver.serving(receiver._take) as host:
        receiver.address = f"http://{host}/hooks"
        allowed = settings.FETCH_ALLOW_HOSTS
        settings.FETCH_ALLOW_HOSTS = [*allowed, host]
        try:
            yield receiver
        finally:
            settings.FETCH_ALLOW_HOSTS = allowed


def send_all() -> list[WebhookDelivery]:
    """What workers do until nothing is due; gives all deliveries, the oldest first."""
    while delivery.step():
        pass
    return list(WebhookDelivery.objects.order_by("pk"))
