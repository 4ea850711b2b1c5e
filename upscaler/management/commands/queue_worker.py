"""`manage.py queue_worker`: one worker process; `runworker` starts these."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from upscaler.queue.supervisor import run_queue_worker


class Command(BaseCommand):
    help = "Be one worker of one kind until standard input is closed. `runworker` starts these."
    # The parent has run the checks; a worker that restarts should be back at once.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue", choices=list(settings.QUEUES))
        parser.add_argument("--worker-id", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        run_queue_worker(options["queue"], options["worker_id"])
