"""`manage.py runworker`: the workers of this machine."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from upscaler.ordering.tasks import wake_retention
from upscaler.queue.supervisor import Chore, Supervisor
from upscaler.watching import tasks

RETENTION_SECONDS = 60 * 60


class Command(BaseCommand):
    help = "Run the workers of this machine and the sweep, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queue", action="append", choices=list(settings.QUEUES), help="Only this queue; repeatable."
        )
        parser.add_argument("--no-sweep", action="store_true", help="Another machine sweeps already.")

    def handle(self, *args: Any, **options: Any) -> None:
        watching = Chore("watched folders", settings.SWEEP_SECONDS, tasks.wake)
        retention = Chore("over age", RETENTION_SECONDS, wake_retention)
        queues = options["queue"] or list(settings.QUEUES)
        Supervisor.of(queues, with_sweep=not options["no_sweep"], more_chores=[watching, retention]).run()
