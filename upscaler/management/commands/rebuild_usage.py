"""`manage.py rebuild_usage`: makes the counts of the usage page anew, or proves them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler import usage
from upscaler.models import Team


class Command(BaseCommand):
    help = "Count everything that ended anew, for the usage page; with --check only compare the counts with the rows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--team", help="A team's slug; without it, all teams.")
        parser.add_argument("--check", action="store_true", help="Change nothing; exit code 1 where a count is wrong.")

    def handle(self, *args: Any, **options: Any) -> None:
        teams = Team.objects.order_by("pk")
        if options["team"]:
            teams = teams.filter(slug=options["team"])
            if not teams:
                raise CommandError(f"There is no team {options['team']!r}.")
        if options["check"]:
            problems = usage.verify(teams)
            for problem in problems:
                self.stdout.write(problem)
            if problems:
                self.stdout.write(f"WRONG: {len(problems)} counts. `manage.py rebuild_usage` makes them anew.")
                raise SystemExit(1)
            self.stdout.write(f"OK: the counts are right ({len(teams)} teams).")
            return
        for team in teams:
            self.stdout.write(f"{team.slug}: {usage.rebuild(team):,} upscales counted")
