"""A broker's line that was cut: the next message needs another one."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from tests.support import services_available
from upscaler.queue import broker

pytestmark = pytest.mark.skipif(not services_available.rabbitmq(), reason="RabbitMQ does not answer")


def test_a_line_that_was_given_up_is_opened_again(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.TASK_BACKEND = "cluster"
    app = Celery("tests", broker=services_available.RABBITMQ_URL, set_as_current=False)
    monkeypatch.setattr(broker, "celery_app", lambda: app)
    with app.pool.acquire(block=True) as line:
        line.ensure_connection(max_retries=1)
        # What Celery does to one on which nothing came in time. It stays in the pool.
        line._close()
    try:
        for _ in range(2):
            assert broker.waiting_messages("a queue that was never used") == 0
    finally:
        app.pool.force_close_all()
