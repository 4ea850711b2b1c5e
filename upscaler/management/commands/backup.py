"""`manage.py backup`: the rows and the pictures of this desk in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler import backup
from upscaler.errors import PublicError


class Command(BaseCommand):
    help = "Write the database and the pictures to one file, while the desk works on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="Where to; must not be there yet.")
        parser.add_argument(
            "--without-pictures", action="store_true", help="The database alone, where a bucket is backed up by itself."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = backup.make(options["file"], with_pictures=not options["without_pictures"])
        except PublicError as error:
            raise CommandError(error.message) from None
        vanished = f" {made.vanished} were deleted meanwhile." if made.vanished else ""
        self.stdout.write(
            f"OK: the database and {made.pictures:,} pictures ({made.bytes / 1e6:,.1f} MB) are in "
            f"{options['file']}.{vanished}"
        )
