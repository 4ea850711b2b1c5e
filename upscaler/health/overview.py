"""All that whoever runs the desk wants to see at a glance: what the page System shows."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

import django
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min, Q
from django.utils import timezone

from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.health import readiness
from upscaler.mail import outbox
from upscaler.models import Email, EngineState, Team, Upscale, WebhookDelivery, WorkerProcess, media_storage
from upscaler.processing import ranks
from upscaler.queue import workers
from upscaler.storage import team_room

LATE_AFTER = timedelta(minutes=10)
"""Mail that is due for so long is named."""
LARGEST = 10
"""Teams that are named with what they keep."""


@dataclass(frozen=True)
class LaneState:
    """What waits and runs in one lane of the queue."""

    name: str
    queue: str
    waiting: int
    running: int
    oldest: datetime | None
    """When the oldest that waits was ordered."""


@dataclass(frozen=True)
class Storage:
    """Where pictures are kept."""

    place: str
    state: str
    """``ok``, or what is wrong."""
    used_bytes: int | None = None
    """Of the whole file system; None where nobody can tell, as of a bucket."""
    total_bytes: int | None = None

    @property
    def used_percent(self) -> int | None:
        """How full the file system is."""
        return (
            None if not self.total_bytes or self.used_bytes is None else round(100 * self.used_bytes / self.total_bytes)
        )


@dataclass(frozen=True)
class Mail:
    """Whether e-mails leave the desk, and how those stand that are to."""

    is_configured: bool
    host: str
    waiting: int
    late: int


@dataclass(frozen=True)
class Engine:
    """What enlarges."""

    title: str
    state: str
    outages: list[EngineState]
    """Its rows in the circuit breaker; empty where every call was answered."""


@dataclass(frozen=True)
class Database:
    """Where the rows are."""

    kind: str
    state: str
    missing_migrations: list[str]


@dataclass(frozen=True)
class Overview:
    """The whole desk."""

    ready: bool
    release: str
    versions: list[tuple[str, str]]
    workers: list[WorkerProcess]
    """Those that are alive."""
    gone: list[WorkerProcess]
    """Those of the last day that were killed or froze; not those that were told to stop."""
    workers_state: str
    lanes: list[LaneState]
    queue_state: str
    engine: Engine
    storage: Storage
    mail: Mail
    database: Database
    waiting_webhooks: int
    largest_teams: list[tuple[Team, team_room.Room]]
    """Who keeps most, at most `LARGEST` of them."""
    full_teams: int
    """How many keep as much as they may, or more."""
    kept_bytes: int
    """Of all teams' files."""


def overview() -> Overview:
    """How everything is now; what `/readyz` says, a few seconds old at most."""
    parts = readiness.recent_report()
    alive = list(workers.alive())
    releases = {worker.release for worker in alive} - {settings.RELEASE}
    return Overview(
        ready=all(state.startswith(readiness.OK) for state in parts.values()),
        release=settings.RELEASE + (f" here, and workers with {', '.join(sorted(releases))}" if releases else ""),
        versions=[("Python", sys.version.split()[0]), ("Django", django.get_version())],
        workers=alive,
        gone=list(WorkerProcess.objects.filter(stopped_at=None).exclude(pk__in=[worker.pk for worker in alive])),
        workers_state=parts["workers"],
        lanes=lanes(),
        queue_state=parts["queue"],
        engine=_engine(parts["engine"]),
        storage=storage(parts["media"]),
        mail=_mail(),
        database=_database(parts["database"]),
        waiting_webhooks=WebhookDelivery.objects.filter(due_at__isnull=False).count(),
        largest_teams=[(team, team_room.of_team(team)) for team in team_room.by_size()[:LARGEST]],
        full_teams=team_room.full_teams(),
        kept_bytes=sum(team_room.of_desk().values()),
    )


def lanes() -> list[LaneState]:
    """What waits and runs, lane by lane, from one query."""
    held = Q(lease_until__gt=timezone.now())
    rows = Upscale.objects.open().order_by("lane").values("lane")
    counted = rows.annotate(waits=Count("pk", filter=~held), runs=Count("pk", filter=held))
    return [
        LaneState(row["lane"] or "none", _queue_of(row["lane"]), row["waits"], row["runs"], row["since"])
        for row in counted.annotate(since=Min("created_at", filter=~held))
    ]


def _queue_of(lane: str) -> str:
    try:
        return ranks.queue_of(lane)
    except Exception:
        # Of an engine that this desk has no more.
        return ""


def _engine(state: str) -> Engine:
    engine = get_engine(settings.ENGINE)
    title = engine.title if isinstance(engine, RemoteEngine) else f"Networks on this desk’s own {settings.LOCAL_DEVICE}"
    in_trouble = Q(failures__gt=0) | Q(busy_until__gt=timezone.now())
    return Engine(title, state, list(EngineState.objects.filter(in_trouble).order_by("engine")))


def storage(state: str) -> Storage:
    """Where pictures are kept, and how full that is; ``state`` as `/readyz` found it."""
    kept_in = media_storage()
    if not isinstance(kept_in, FileSystemStorage):
        options = settings.STORAGES["default"].get("OPTIONS", {})
        return Storage(f"Bucket {options.get('bucket_name', '')} at {options.get('endpoint_url', '')}", state)
    try:
        disk = shutil.disk_usage(kept_in.location)
    except OSError:
        return Storage(f"Folder {kept_in.location}", state)
    return Storage(f"Folder {kept_in.location}", state, disk.total - disk.free, disk.total)


def _mail() -> Mail:
    now = timezone.now()
    waiting = Email.objects.filter(sent_at=None, expires_at__gt=now)
    host = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    return Mail(
        outbox.leaves_the_desk(), host, waiting.count(), waiting.filter(created_at__lt=now - LATE_AFTER).count()
    )


def _database(state: str) -> Database:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    kind = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(connection.vendor, connection.vendor)
    version = ".".join(map(str, connection.get_database_version()))
    return Database(f"{kind} {version}", state, [f"{migration.app_label}.{migration.name}" for migration, _ in plan])
