"""System checks: what would go wrong later, said at the start with what to do about it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from upscaler.engines import get_engine
from upscaler.engines.base import EngineError


@checks.register(checks.Tags.compatibility)
def engine_is_there(**kwargs: Any) -> list[checks.CheckMessage]:
    """The chosen engine can be loaded."""
    try:
        get_engine(settings.ENGINE).check()
    except EngineError as error:
        return [checks.Error(error.message, hint="Run `make setup`.", id="upscaler.E001")]
    return []


@checks.register(checks.Tags.database, deploy=True)
def database_suits_workers_on_several_machines(**kwargs: Any) -> list[checks.CheckMessage]:
    """The cluster queue runs workers on several machines, which a SQLite file can't serve."""
    if settings.TASK_BACKEND == "cluster" and settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return [
            checks.Error(
                "TASK_BACKEND=cluster needs a database server, but the database is a SQLite file.",
                hint="Set DATABASE_URL to a PostgreSQL address, or use TASK_BACKEND=embedded.",
                id="upscaler.E002",
            )
        ]
    return []


@checks.register(checks.Tags.urls, deploy=True)
def public_url_is_known(**kwargs: Any) -> list[checks.CheckMessage]:
    """Links that leave the desk need its public address."""
    if not settings.PUBLIC_URL:
        return [
            checks.Warning(
                "PUBLIC_URL is not set, so links to pictures use whatever host name a request came with.",
                hint="Set PUBLIC_URL to the address that people type, like https://upscaler.example.com.",
                id="upscaler.W001",
            )
        ]
    return []
