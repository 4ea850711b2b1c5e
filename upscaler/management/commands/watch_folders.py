"""`manage.py watch_folders`: look at the watched folders without waiting for the workers."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from upscaler.models import WatchedFolder
from upscaler.watching import folders, holding, work


class Command(BaseCommand):
    help = "Look at the watched folders that are due, take what is new, and put back what is ready."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Look at every folder that is on once, and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            for folder in WatchedFolder.objects.filter(removed_at=None, off_since=None):
                folders.look_now(folder)
        while True:
            while holding.ready() and work.step():
                pass
            if options["once"]:
                break
            time.sleep(settings.SWEEP_SECONDS)
        for folder in WatchedFolder.objects.filter(removed_at=None).order_by("pk"):
            self.stdout.write(f"{folder.team.slug}: {folder.name}: {folder.found} files. {folder.problem}".strip())
