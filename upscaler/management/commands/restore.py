"""`manage.py restore`: a backup into an empty desk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler import backup
from upscaler.errors import PublicError


class Command(BaseCommand):
    help = "Bring a backup into an empty database and an empty picture storage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restored = backup.restore(options["file"])
        except PublicError as error:
            raise CommandError(error.message) from None
        self.stdout.write(
            f"OK: the desk of {restored.taken_at[:19]} (release {restored.release}) is here, with "
            f"{restored.pictures:,} pictures. Now: manage.py migrate, then manage.py check_ledger."
        )
