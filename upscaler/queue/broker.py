"""The broker of the cluster queue, and how many messages wait in a queue."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import CharField, Count, DateTimeField, Q
from django.utils import timezone
from django.utils.module_loading import import_string
from django_tasks import TaskResultStatus

from upscaler.models.prepared import Place, Prepared


def celery_app() -> Any:
    """The desk's own Celery. Only with TASK_BACKEND=cluster: importing it makes it every thread's default."""
    return import_string(settings.CELERY_APP)


def check_broker() -> None:
    """Raises OSError or the broker's own error where it does not answer."""
    with celery_app().connection_for_write(connect_timeout=3) as broker:
        broker.ensure_connection(max_retries=1, timeout=3)


def _standing() -> Any:
    """How many messages stand in a queue of the database."""
    from django_tasks_db.models import DBTaskResult, get_date_max

    is_due = Q(run_after=get_date_max()) | Q(run_after__lte=Place("now", DateTimeField()))
    rows = DBTaskResult.objects.filter(is_due, status=TaskResultStatus.READY, queue_name=Place("queue", CharField()))
    return rows.order_by().values("queue_name").annotate(number=Count("pk")).values_list("number")


STANDING = Prepared(_standing)


def waiting_messages(queue: str) -> int:
    """How many messages stand in a queue, each of which has one kind of them.

    Without those that are to come later. Raises OSError or the broker's own error where it does not answer.
    """
    if settings.TASK_BACKEND == "embedded":
        found = STANDING.first(queue=queue, now=timezone.now())
        return int(found[0]) if found is not None else 0
    app = celery_app()
    with app.connection_or_acquire() as connection:
        # One that was given up when the broker was away stays in the pool, and opens no channel by itself any more.
        connection.ensure_connection(max_retries=1, timeout=3)
        with connection.channel() as channel:
            try:
                return int(channel.queue_declare(queue=queue, passive=True).message_count)
            except (*connection.channel_errors, KeyError):
                # Nothing was ever sent to it.
                return 0
