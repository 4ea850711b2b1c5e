"""`manage.py forget_person`: closes an account and takes the person's names out of all rows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.errors import PublicError
from upscaler.keeping import people


class Command(BaseCommand):
    help = "Forget a person: the account is closed, names and addresses go, the team's pictures and amounts stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="The e-mail address or the user name.")
        parser.add_argument("--confirm", action="store_true", help="Do it; without it you are only told what it does.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = people.find(options["person"])
            refusal = people.why_not(user)
            if refusal:
                raise CommandError(refusal)
            if not options["confirm"]:
                self.stdout.write(
                    f"{user.get_username()} (number {user.pk}) would be forgotten for good: the account, tokens, "
                    "sessions, invitations, e-mails and drafts go, and rows that stay say "
                    f"forgotten-{user.pk}. Add --confirm to do it. `manage.py export_person` makes a copy first."
                )
                return
            counts = people.forget(user, how="manage.py forget_person")
        except PublicError as error:
            raise CommandError(error.message) from None
        told = ", ".join(f"{number} {kind}" for kind, number in counts.items())
        self.stdout.write(f"forgotten-{user.pk}: {told}. Backups and log files of before still name the person.")
