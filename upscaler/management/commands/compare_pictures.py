"""`manage.py compare_pictures`: whether a result is faithful to its source, without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.engines.base import EngineError
from upscaler.errors import PublicError
from upscaler.fidelity import heat_map
from upscaler.fidelity.measure import measure
from upscaler.fidelity.verdict import judge


class Command(BaseCommand):
    help = (
        "Compare an enlarged picture with its source, and print the verdict as one line of JSON: “faithful”, or “look” "
        "with the reasons and regions (boxes in pixels of the source). Needs no database."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path, metavar="SOURCE", help="The picture that was enlarged.")
        parser.add_argument("result", type=Path, metavar="RESULT", help="What became of it.")
        parser.add_argument(
            "--heat-map", type=Path, metavar="FILE", help="A PNG to write that shows where the two differ."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        source, result, target = options["source"], options["result"], options["heat_map"]
        for path in (source, result):
            if not path.is_file():
                raise CommandError(f"There is no file {path}.")
        if target is not None and (not target.parent.is_dir() or target.is_dir()):
            raise CommandError(f"{target} can't be written: name a file in a folder that is there.")
        try:
            measured = measure(source, result)
            if target is not None:
                heat_map.over_picture(measured).save(target, "PNG")
        except (PublicError, EngineError) as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"{error.filename or target}: {error.strerror or error}.") from error
        self.stdout.write(json.dumps(judge(measured).as_json(), ensure_ascii=False))
