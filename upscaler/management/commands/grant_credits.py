"""`manage.py grant_credits`: credits for a team."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from upscaler import credits
from upscaler.models import Team
from upscaler.numbers import whole_number
from upscaler.text import format_credits


class Command(BaseCommand):
    help = "Give credits to a team; a negative number corrects its balance downwards."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--team", required=True, help="The team's slug.")
        parser.add_argument("amount", type=whole_number)
        parser.add_argument("--note", required=True, help="Why; it stays in the ledger.")

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        if team is None:
            raise CommandError(f"There is no team {options['team']!r}.")
        try:
            with transaction.atomic():
                entry = credits.grant(team=team, amount=options["amount"], note=options["note"])
                credits.record_grant(entry, by=None)
        except ValueError as error:
            raise CommandError(str(error)) from None
        except credits.CreditsRefused as error:
            raise CommandError(f"Team {team.slug} has only {format_credits(error.left)}.") from None
        self.stdout.write(f"{entry.amount:+d} for team {team.slug}; the balance is {entry.balance_after}.")
