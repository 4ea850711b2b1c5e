"""`manage.py api_docs`: the API's calls and errors as the manual has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.api import description

PAGE = Path("docs/api.md")
BEGIN, END = "<!-- made by manage.py api_docs: begin -->\n", "<!-- made by manage.py api_docs: end -->\n"


class Command(BaseCommand):
    help = "Print the API's calls and errors in Markdown, or with --write put them into docs/api.md."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="Put them into docs/api.md.")

    def handle(self, *args: Any, **options: Any) -> None:
        made = description.markdown()
        if not options["write"]:
            self.stdout.write(made, ending="")
            return
        page = Path(settings.BASE_DIR) / PAGE
        if not page.is_file():
            raise CommandError(f"There is no {page} to write to.")
        before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise CommandError(f"{page} has no place for the calls: it begins with “{BEGIN.strip()}”.")
        page.write_text(before + BEGIN + "\n" + made + "\n" + END + after, encoding="utf-8")
