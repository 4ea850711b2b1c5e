"""Whether the parts that the desk needs are there: what `/readyz` answers."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection

from upscaler.engines import get_engine
from upscaler.models import media_storage

logger = logging.getLogger(__name__)


def report() -> dict[str, str]:
    """Each part by name: ``ok``, or a short text that says what is wrong."""
    return {
        "database": _state(_database, "does not answer"),
        "queue": _state(_queue, "does not answer"),
        "engine": _state(_engine, "can't be loaded"),
        "media": _state(_media, "can't be written"),
    }


def _state(probe: Callable[[], None], trouble: str) -> str:
    try:
        probe()
    except Exception:
        # Anyone may ask, so the answer does not say more; the log does.
        logger.exception("not ready: %s", probe.__name__.lstrip("_"))
        return trouble
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _queue() -> None:
    if settings.TASK_BACKEND == "embedded":
        return  # It lives in the database.
    from config.celery import app

    with app.connection_for_write(connect_timeout=3) as broker:
        broker.ensure_connection(max_retries=1, timeout=3)


def _engine() -> None:
    get_engine(settings.ENGINE).check()


def _media() -> None:
    storage = media_storage()
    storage.delete(storage.save(f"probes/{uuid.uuid4().hex}", ContentFile(b"ok")))
