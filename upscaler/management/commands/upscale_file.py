"""`manage.py upscale_file`: one file through the local engine, without a database."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings as django_settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from upscaler import picture_formats, upscaling_models
from upscaler.engines.base import Finished, Order
from upscaler.engines.local.engine import LocalEngine, from_settings
from upscaler.errors import PublicError
from upscaler.imaging import intake

FORMATS = {ending: name for name in picture_formats.RESULT_FORMATS for ending in picture_formats.FORMATS[name].endings}
"""By a file's ending."""


class Command(BaseCommand):
    help = "Enlarge one picture file with the local engine. Needs no database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path, metavar="IN", help="The picture.")
        parser.add_argument(
            "target", type=Path, metavar="OUT", help="The result: .jpg, .png, .webp, or no ending: as IN."
        )
        parser.add_argument("--model", required=True, help=" or ".join(LocalEngine.model_names))
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="A setting; repeatable.")

    def handle(self, *args: Any, **options: Any) -> None:
        source, target = options["source"], options["target"]
        settings = _settings(options["model"], options["set"])
        if not source.is_file():
            raise CommandError(f"There is no file {source}.")
        if not target.parent.is_dir():
            raise CommandError(f"There is no folder {target.parent} to write {target.name} to.")
        if target.suffix and target.suffix.lower() not in FORMATS:
            raise CommandError(f"Results are written as {', '.join(FORMATS)}, not as {target.suffix}.")
        if target.is_dir():
            raise CommandError(f"{target} is a folder. Please name the file to write.")
        try:
            if django_settings.LOCAL_DEVICE != "CPU":
                from_settings().check()
            _examine(source, upscaling_models.factor(options["model"], settings))
            made = self._enlarge(source, target, options["model"], settings)
        except PublicError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"{target} could not be written: {error.strerror}.") from error
        factor = upscaling_models.factor(options["model"], settings)
        self.stdout.write(
            f"{target}: {made.format}, {made.width // factor}x{made.height // factor} -> {made.width}x{made.height}, "
            f"{', '.join(made.provenance['networks'])}, {made.provenance['precision']}, {made.provenance['seconds']} s"
        )
        for note in made.provenance.get("notes", []):
            self.stdout.write(note)

    def _enlarge(self, source: Path, target: Path, model_name: str, settings: dict[str, Any]) -> Finished:
        asked = FORMATS.get(target.suffix.lower())
        # Nobody else is served by this process, so all cores are its own.
        engine = LocalEngine(
            threads=django_settings.LOCAL_THREADS,
            precision=django_settings.LOCAL_PRECISION,
            device=django_settings.LOCAL_DEVICE,
            cache_dir=django_settings.LOCAL_CACHE_DIR,
            time_limit=django_settings.LOCAL_TIME_LIMIT,
        )
        # Beside the target, so that the finished file moves into place whole or not at all.
        with TemporaryDirectory(dir=target.parent, prefix=".upscale-") as work:
            order = Order(0, model_name, settings, source.resolve(), Path(work).resolve(), result_format=asked)
            try:
                made = engine.advance(order, self._report)
            finally:
                engine.close()
            if asked and made.format != asked:
                size = f"{made.width}x{made.height}"
                raise CommandError(f"{target.name} cannot hold {size} pixels. Please name it {target.stem}.png.")
            made.path.replace(target)
        return made

    def _report(self, fraction: float, text: str) -> None:
        self.stderr.write(f"{fraction:4.0%}  {text}", self.style.NOTICE)


def _examine(source: Path, factor: int) -> None:
    """The desk's own look at a picture, less its limit on a file's size. Raises PublicError."""
    with source.open("rb") as file:
        found = intake.examine(
            file,
            name=source.name,
            max_bytes=source.stat().st_size,
            max_pixels=django_settings.MAX_SOURCE_PIXELS,
        )
    most, models = (
        django_settings.MAX_RESULT_PIXELS,
        [upscaling_models.MODELS[name] for name in LocalEngine.model_names],
    )
    intake.check_result_size(found.width, found.height, factor, max_pixels=most, models=models)


def _settings(model_name: str, pairs: list[str]) -> dict[str, Any]:
    """The model's settings in full. Raises CommandError that names what is allowed."""
    if model_name not in LocalEngine.model_names:
        raise CommandError(f"There is no model {model_name!r}. Models: {', '.join(LocalEngine.model_names)}.")
    model = upscaling_models.MODELS[model_name]
    settings = model.defaults
    for pair in pairs:
        key, _, text = pair.partition("=")
        try:
            settings[key] = model.clean(key, text)
        except PublicError as error:
            raise CommandError(error.message) from None
    return settings
