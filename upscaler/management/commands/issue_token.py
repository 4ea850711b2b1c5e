"""`manage.py issue_token`: a token for a program."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from upscaler.accounts import tokens
from upscaler.models import Membership
from upscaler.numbers import whole_number
from upscaler.text import format_datetime


class Command(BaseCommand):
    help = "Issue an API token for one person in one team. It is printed once, alone on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--team", required=True, help="The team's slug.")
        parser.add_argument("--user", required=True, help="The person's user name.")
        parser.add_argument("--name", required=True, help="What the token is for.")
        parser.add_argument(
            "--expires-days", type=whole_number, help="Days after which it runs out; without it, never."
        )
        parser.add_argument("--read-only", action="store_true", help="It may look, and neither upload nor submit.")

    def handle(self, *args: Any, **options: Any) -> None:
        membership = (
            Membership.objects.select_related("team", "user")
            .filter(team__slug=options["team"], user__username=options["user"])
            .first()
        )
        if membership is None:
            raise CommandError(f"There is no person {options['user']!r} in a team {options['team']!r}.")
        name, days = options["name"].strip(), options["expires_days"]
        if not name or len(name) > tokens.MAX_NAME_LENGTH:
            raise CommandError(f"The name must have 1 to {tokens.MAX_NAME_LENGTH} letters.")
        if days is not None and not 1 <= days <= tokens.MAX_DAYS:
            raise CommandError(f"--expires-days must be from 1 to {tokens.MAX_DAYS:,}.")
        token, clear = tokens.issue(
            team=membership.team,
            user=membership.user,
            name=name,
            expires_at=None if days is None else timezone.now() + timedelta(days=days),
            read_only=options["read_only"],
            note="with manage.py issue_token",
        )
        limits = [f"until {format_datetime(token.expires_at)}"] if token.expires_at else []
        limits += ["may only look"] if token.read_only else []
        self.stdout.write(f"Token “{token.name}” for {', '.join([str(membership), *limits])}. It is not shown again:")
        self.stdout.write(clear)
