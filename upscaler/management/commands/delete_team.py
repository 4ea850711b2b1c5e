"""`manage.py delete_team`: a team with all its rows and files."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.errors import PublicError
from upscaler.keeping import teams


class Command(BaseCommand):
    help = "Delete a team for good: its pictures, history, ledger, people's places in it. Their accounts stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("team", help="The team's slug.")
        parser.add_argument("--confirm", action="store_true", help="Do it; without it you are only told what goes.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            team = teams.find(options["team"])
            if not options["confirm"]:
                told = ", ".join(f"{number:,} {kind}" for kind, number in teams.counts(team).items())
                self.stdout.write(f"{team.name} would be deleted for good: {told}. Add --confirm to do it.")
                return
            name, counts = team.name, teams.delete(team, how="manage.py delete_team")
        except PublicError as error:
            raise CommandError(error.message) from None
        told = ", ".join(f"{number:,} {kind}" for kind, number in counts.items())
        self.stdout.write(f"{name} is deleted: {told}. The accounts of its people stay; backups still hold it.")
