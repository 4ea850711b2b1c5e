"""`manage.py channel_table`: the table of channels as the manual has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.channels import table, words

PAGE = Path("docs/channels.md")
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"


class Command(BaseCommand):
    help = "Print the table of channels in Markdown, or with --write put it into docs/channels.md."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="Put it into docs/channels.md.")

    def handle(self, *args: Any, **options: Any) -> None:
        made = words.markdown(table.CHANNELS.values())
        if not options["write"]:
            self.stdout.write(made, ending="")
            return
        page = Path(settings.BASE_DIR) / PAGE
        if not page.is_file():
            raise CommandError(f"There is no {page} to write to.")
        before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise CommandError(
                f"{page} has no place for the table: it stands between “{BEGIN.strip()}” and the end mark."
            )
        page.write_text(before + BEGIN + "\n" + made + "\n" + END + after, encoding="utf-8")
