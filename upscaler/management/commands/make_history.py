"""`manage.py make_history`: a busy desk's past, to measure pages with."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.numbers import whole_number
from upscaler.seed import history

LIMITS = {"upscales": 10_000_000, "teams": 100, "months": 120, "people": 5000}


class Command(BaseCommand):
    help = "Make new teams with people and a long history of upscales, to measure pages with. Minutes for a million."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--upscales", type=whole_number, required=True, help="How many there are to be, in all teams."
        )
        parser.add_argument("--teams", type=whole_number, default=3, help="How many teams to make (3).")
        parser.add_argument("--months", type=whole_number, default=12, help="How far back it goes (12).")
        parser.add_argument("--people", type=whole_number, default=10, help="How many people each team has (10).")
        parser.add_argument(
            "--in-batches", type=whole_number, default=0, help="How many of a hundred are ordered in batches (0)."
        )
        parser.add_argument("--i-know", action="store_true", help="Needed where DEBUG is off: it fills the database.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEBUG or options["i_know"]):
            raise CommandError("This fills the database with made-up work. Where DEBUG is off, say --i-know.")
        for name, most in LIMITS.items():
            if not 1 <= options[name] <= most:
                raise CommandError(f"--{name} must be from 1 to {most:,}.")
        if not 0 <= options["in_batches"] <= 100:
            raise CommandError("--in-batches must be from 0 to 100.")
        began = time.monotonic()
        teams = history.make(**{name: options[name] for name in (*LIMITS, "in_batches")})
        self.stdout.write(
            f"{options['upscales']:,} upscales for {', '.join(team.slug for team in teams)} "
            f"in {time.monotonic() - began:.0f} s"
        )
