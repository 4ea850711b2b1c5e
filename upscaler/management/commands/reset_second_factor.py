"""`manage.py reset_second_factor`: for who lost the phone and the recovery codes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.accounts import second_factor


class Command(BaseCommand):
    help = "Take a person's second factor away: the password alone signs them in, and they can set up a new one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="The person's user name.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        if not second_factor.turn_off(user, how="with manage.py reset_second_factor"):
            raise CommandError(f"{options['user']} has no second factor.")
        self.stdout.write(f"{options['user']} signs in with the password alone now, and was signed out everywhere.")
