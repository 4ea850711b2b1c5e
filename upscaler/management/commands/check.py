"""`manage.py check`: Django's own, and then whether a remote engine takes our key."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import check

from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, RemoteEngine


class Command(check.Command):
    def handle(self, *app_labels: Any, **options: Any) -> None:
        # Only here and not as a system check: those run before every command, also while the vendor is away.
        super().handle(*app_labels, **options)
        engine = get_engine(settings.ENGINE)
        if isinstance(engine, RemoteEngine) and not options["list_tags"]:
            try:
                engine.reach()
            except EngineError as error:
                raise CommandError(error.message) from None
            self.stdout.write(f"{engine.name} answers and takes the key.")
