"""`manage.py check_ledger`: proves that no credit was lost or made up."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from upscaler import credits


class Command(BaseCommand):
    help = "Prove the ledger over the whole database; exit code 1 where something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--recount",
            action="store_true",
            help="First write what each month has cost anew from the ledger, as after a change of TIME_ZONE.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["recount"]:
            self.stdout.write(f"Counted anew: {credits.recount()} rows of people's months.")
        report = credits.verify()
        for problem in report.problems:
            self.stdout.write(problem)
        looked_at = f"{report.teams} teams, {report.entries} entries, {report.upscales} upscales"
        if report.problems:
            self.stdout.write(f"WRONG: {len(report.problems)} problems in {looked_at}.")
            raise SystemExit(1)
        self.stdout.write(f"OK: the ledger is right ({looked_at}).")
