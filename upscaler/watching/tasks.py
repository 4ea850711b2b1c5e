"""The queue's messages about watched folders. Each names no folder: whoever gets it takes the one that is next."""

from __future__ import annotations

import logging

from django_tasks import task

from upscaler.queue import broker
from upscaler.watching import holding, work

logger = logging.getLogger(__name__)


@task(queue_name="folders")
def watch_folders() -> None:
    """Take one step of the folder that is next, and send a message for what is left."""
    if work.step():
        wake()


def wake() -> int:
    """Send as many messages as workers could take up folders, without those that stand there. Returns how many."""
    missing = holding.ready()
    if missing:
        missing = max(0, missing - broker.waiting_messages("folders"))
    for _ in range(missing):
        watch_folders.enqueue()
    return missing


def wake_soon() -> None:
    """`wake` for somebody who waits on a page: where the queue is away, the next sweep sends the messages."""
    try:
        wake()
    except Exception:
        logger.exception("no message about watched folders could be sent, tried again at the next sweep")
