"""The broker of the cluster queue."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


def celery_app() -> Any:
    """The desk's own Celery. Only with TASK_BACKEND=cluster: importing it makes it every thread's default."""
    return import_string(settings.CELERY_APP)


def check_broker() -> None:
    """Raises OSError or the broker's own error where it does not answer."""
    with celery_app().connection_for_write(connect_timeout=3) as broker:
        broker.ensure_connection(max_retries=1, timeout=3)
