"""`manage.py channel_file`: one picture made ready for a channel, without a database."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler.channels import cropping, fit, subject, table
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.picture_formats import FORMATS

ENDINGS = {ending: known.name for known in FORMATS.values() for ending in known.endings}


class Command(BaseCommand):
    help = "Fit one picture file to a channel, and print one line of JSON. Needs no database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path, metavar="IN", help="The picture.")
        parser.add_argument(
            "target",
            type=Path,
            metavar="OUT",
            help="The file for the channel. Its ending is its format; none: as suits.",
        )
        parser.add_argument("--channel", required=True, metavar="ID", help=" or ".join(table.CHANNELS))
        parser.add_argument("--crop", action="store_true", help="Crop to the ratio, never into the product.")
        parser.add_argument(
            "--trim", action="store_true", help="Take empty margin off until the product fills the frame."
        )
        parser.add_argument("--keep-private", action="store_true", help="Keep places and serial numbers in the file.")

    def handle(self, *args: Any, **options: Any) -> None:
        source, target = options["source"], options["target"]
        if not source.is_file():
            raise CommandError(f"There is no file {source}.")
        if not target.parent.is_dir():
            raise CommandError(f"There is no folder {target.parent} to write {target.name} to.")
        if target.is_dir():
            raise CommandError(f"{target} is a folder. Please name the file to write.")
        ending = target.suffix.lower()
        if ending and ending not in ENDINGS:
            raise CommandError(f"{target.name} ends in no picture format: use .jpg, .png, .tif, .webp, or no ending.")
        try:
            channel = table.channel(options["channel"])
            with source.open("rb") as file:
                examined = intake.examine(
                    file, name=source.name, max_bytes=source.stat().st_size, max_pixels=settings.MAX_RESULT_PIXELS
                )
                size = examined.width, examined.height
                looks = options["crop"] and channel.ratio
                found = subject.find(file, size=size, named=f"“{source.name}”") if looks else None
            fitted = fit.fit(
                source,
                target,
                channel,
                asked=ENDINGS.get(ending),
                crop=options["crop"],
                trim=options["trim"],
                keep_private=options["keep_private"],
                subject=cropping.Found(**found) if found else None,
            )
        except PublicError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"{target} could not be written: {error.strerror or error}.") from error
        self.stdout.write(json.dumps(dataclasses.asdict(fitted), ensure_ascii=False))
