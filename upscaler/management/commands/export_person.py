"""`manage.py export_person`: a copy of what the desk knows of a person, as a ZIP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.errors import PublicError
from upscaler.keeping import export, people


class Command(BaseCommand):
    help = "Write what the desk knows of a person into a new ZIP: account, orders, decisions, ledger, activity."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="The e-mail address or the user name.")
        parser.add_argument("file", type=Path, help="The ZIP to write; it must not be there yet.")
        parser.add_argument("--files", action="store_true", help="With originals and results.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            user = people.find(options["person"])
        except PublicError as error:
            raise CommandError(error.message) from None
        try:
            # For nobody else on this machine.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                orders = export.write(user, target, with_files=options["files"])
        except FileExistsError:
            raise CommandError(f"{path} is there already. Give the name of a new file.") from None
        except OSError as error:
            path.unlink(missing_ok=True)  # Half a copy would look like a whole one.
            raise CommandError(f"{path} can't be written: {error.strerror or error}.") from None
        self.stdout.write(f"{path}: {user.get_username()}, {orders:,} orders, {path.stat().st_size:,} bytes.")
