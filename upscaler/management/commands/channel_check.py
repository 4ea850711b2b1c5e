"""`manage.py channel_check`: picture files judged by a channel's rules, without a database."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.channels import check, table
from upscaler.errors import PublicError
from upscaler.imaging import intake


class Command(BaseCommand):
    help = (
        "Judge picture files by a channel's rules: one line of JSON for each file, with each rule and the measured "
        "number. Ends with 1 where a file fails. Needs no database."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="A picture.")
        parser.add_argument("--channel", required=True, metavar="ID", help=" or ".join(table.CHANNELS))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            channel = table.channel(options["channel"])
        except PublicError as error:
            raise CommandError(error.message) from error
        passed = True
        for path in options["files"]:
            told = _judged(path, channel)
            passed = passed and bool(told["passed"])
            self.stdout.write(json.dumps({"file": str(path), **told}, ensure_ascii=False))
        if not passed:
            sys.exit(1)


def _judged(path: Path, channel: table.Channel) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            measured = intake.measure(file, name=path.name)
    except PublicError as error:
        return {"passed": False, "problem": error.message, "rules": []}
    except OSError as error:
        return {"passed": False, "problem": f"{path} can't be read: {error.strerror}.", "rules": []}
    findings = check.judge(measured, channel, ending=path.suffix)
    return {
        "passed": all(finding.passed for finding in findings),
        "problem": "",
        "advice": check.advice(measured, channel),
        "rules": [dataclasses.asdict(finding) for finding in findings],
    }
