"""`manage.py check_ledger`: proves that no credit was lost or made up."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from upscaler import credits


class Command(BaseCommand):
    help = "Prove the ledger over the whole database; exit code 1 where something is wrong."

    def handle(self, *args: Any, **options: Any) -> None:
        report = credits.audit()
        for problem in report.problems:
            self.stdout.write(problem)
        looked_at = f"{report.teams} teams, {report.entries} entries, {report.upscales} upscales"
        if report.problems:
            self.stdout.write(f"WRONG: {len(report.problems)} problems in {looked_at}.")
            raise SystemExit(1)
        self.stdout.write(f"OK: the ledger is right ({looked_at}).")
