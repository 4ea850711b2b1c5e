"""The broker of the cluster queue, as `/readyz` sees it."""

from __future__ import annotations

from typing import Any

from celery import Celery
from django.test import Client

nobody_there = Celery("tests", broker="amqp://guest:guest@127.0.0.1:1//", set_as_current=False)
here = Celery("tests", broker="memory://", set_as_current=False)


def test_a_broker_that_is_away_keeps_the_cluster_from_being_ready(db: None, settings: Any) -> None:
    settings.TASK_BACKEND = "cluster"
    for name, queue, status in (("nobody_there", "does not answer", 503), ("here", "ok", 200)):
        settings.CELERY_APP = f"{__name__}.{name}"
        answer = Client().get("/readyz")
        assert (answer.json()["queue"], answer.status_code) == (queue, status)


def test_the_embedded_queue_asks_no_broker(db: None, settings: Any) -> None:
    settings.CELERY_APP = f"{__name__}.nobody_there"
    assert Client().get("/readyz").json()["queue"] == "ok"
