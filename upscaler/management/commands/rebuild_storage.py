"""`manage.py rebuild_storage`: makes the sums of what each team keeps anew, or proves them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.models import Team
from upscaler.storage import verification


class Command(BaseCommand):
    help = "Count the files of each team anew; with --check only compare the sums with files and rows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--team", help="A team's slug; without it, all teams.")
        parser.add_argument("--check", action="store_true", help="Change nothing; exit code 1 where a sum is wrong.")
        parser.add_argument(
            "--with-storage", action="store_true", help="Also ask the storage whether each counted file is there."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        teams = Team.objects.order_by("pk")
        if options["team"]:
            teams = teams.filter(slug=options["team"])
            if not teams:
                raise CommandError(f"There is no team {options['team']!r}.")
        with_storage = options["with_storage"]
        if options["check"]:
            problems = verification.verify(teams, with_storage=with_storage)
            for problem in problems:
                self.stdout.write(problem)
            if problems:
                self.stdout.write(f"WRONG: {len(problems)} differences. `manage.py rebuild_storage` mends them.")
                raise SystemExit(1)
            self.stdout.write(f"OK: the sums are right ({len(teams)} teams).")
            return
        for team in teams:
            self.stdout.write(f"{team.slug}: {verification.rebuild(team, with_storage=with_storage):,} bytes counted")
