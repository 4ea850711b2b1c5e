"""The broker of the cluster queue: whether it is there, and what stands in its queues."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from django.test import Client, override_settings

from tests.conftest import Person
from tests.support.feed_pages import begun
from tests.support.receiver import receiving
from tests.webhooks.test_delivery import listen, told
from upscaler.queue import broker, tasks
from upscaler.watching import tasks as watching

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


def test_each_kind_of_messages_is_counted_by_itself(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetches of a large order always leave some standing; what else is to be done must not wait for its end."""
    with receiving() as receiver:
        begun(owner)
        listen(owner, receiver)
        told(owner)
    with override_settings(TASK_BACKEND="cluster", CELERY_APP=f"{__name__}.here"):
        for task in (tasks.check_feeds, tasks.send_webhooks):
            monkeypatch.setattr(type(task), "enqueue", lambda task, *_: here.send_task("any", queue=task.queue_name))
        for _ in range(4):
            here.send_task("any", queue="io")
        assert broker.waiting_messages("io") == 4 and broker.waiting_messages("feeds") == 0
        assert tasks.wake_feeds() == tasks.wake_webhooks() == 1
        assert tasks.wake_feeds() == tasks.wake_webhooks() == 0, "one stands there already"


@pytest.mark.parametrize("kind", ["cpu", "io"])
def test_workers_take_from_every_queue_of_their_kind(settings: Any, kind: str) -> None:
    tasks_ = [task for room in (tasks, watching) for task in vars(room).values()]
    used = {task.queue_name for task in tasks_ if isinstance(task, type(tasks.work))} | {"io"}
    assert used == {queue for queues in settings.QUEUES.values() for queue in queues}
    assert settings.QUEUES[kind][0] == kind
