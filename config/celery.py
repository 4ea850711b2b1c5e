"""The cluster queue: Celery on RabbitMQ behind Django's Tasks API. Used only with TASK_BACKEND=cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from celery import Celery
from django.conf import settings
from django.core import checks
from django_tasks_fennel import CeleryBackend

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("upscaler", set_as_current=True)
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=4,
    # A submit must not hang while the broker is away: the sweep sends the message later.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2, "interval_max": 0.5},
    broker_transport_options={"confirm_publish": True} if settings.BROKER_URL.startswith("amqp") else {},
    # A message counts as taken once its step has ended, so that the broker sends it again when a worker dies.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_default_queue="cpu",
    # Django's logging settings hold in the workers too.
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
# In every thread, not only in this one: the library has made an app of its own the default before.
app.set_default()
app.autodiscover_tasks(["upscaler.queue", "upscaler.ordering", "upscaler.watching"])


class Backend(CeleryBackend):
    """Celery without results: the row of an upscale is the truth, so nobody ever asks the queue."""

    supports_get_result = False

    def check(self, **kwargs: Any) -> Iterable[checks.CheckMessage]:
        # The library's own check warns that results can't be read. Here they are not meant to be.
        return []
