"""`manage.py issue_token`: a token for a program."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler import tokens
from upscaler.models import Membership


class Command(BaseCommand):
    help = "Issue an API token for one person in one team. It is printed once, alone on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--team", required=True, help="The team's slug.")
        parser.add_argument("--user", required=True, help="The person's user name.")
        parser.add_argument("--name", required=True, help="What the token is for.")

    def handle(self, *args: Any, **options: Any) -> None:
        membership = (
            Membership.objects.select_related("team", "user")
            .filter(team__slug=options["team"], user__username=options["user"])
            .first()
        )
        if membership is None:
            raise CommandError(f"There is no person {options['user']!r} in a team {options['team']!r}.")
        token, clear = tokens.issue(team=membership.team, user=membership.user, name=options["name"])
        self.stdout.write(f"Token “{token.name}” for {membership}. It is not shown again:")
        self.stdout.write(clear)
