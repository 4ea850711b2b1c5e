"""Watched folders made, changed, switched, removed: the only writer of what people say of them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Team, WatchedFolder
from upscaler.watching import places, roots

MAX_FOLDERS = 20
"""Of a team."""


def of_team(team: Team) -> QuerySet[WatchedFolder]:
    """The team's watched folders, the newest first."""
    return WatchedFolder.objects.filter(team=team, removed_at=None)


@transaction.atomic
def add(folder: WatchedFolder, *, user: Any, request: HttpRequest) -> WatchedFolder:
    """Begin to watch a folder that is not stored yet, in the name of ``user``. Raises PublicError."""
    Team.objects.select_for_update(no_key=True).get(pk=folder.team_id)
    if of_team(folder.team).count() >= MAX_FOLDERS:
        raise PublicError(
            f"Your team has {MAX_FOLDERS} watched folders, which is as many as are kept. Remove one that you need no "
            "more.",
            code="too_many_folders",
        )
    ensure_apart(folder)
    folder.created_by = user
    folder.save(force_insert=True)
    _record(AuditEvent.Action.WATCH_ADDED, folder, user, "", request)
    return folder


@transaction.atomic
def change(folder: WatchedFolder, *, user: Any, request: HttpRequest) -> None:
    """Store what a form has changed of a folder. Raises PublicError."""
    Team.objects.select_for_update(no_key=True).get(pk=folder.team_id)
    ensure_apart(folder)
    # Not what workers write.
    folder.save(
        update_fields=[
            *("name", "region", "access_key_id", "secret_key", "model_name", "settings", "result_format", "channels"),
            *("sku_pattern", "put_to", "template", "daily_credits"),
        ]
    )
    WatchedFolder.objects.filter(pk=folder.pk).update(due_at=timezone.now())
    _record(AuditEvent.Action.WATCH_CHANGED, folder, user, "", request)


@transaction.atomic
def switch(folder: WatchedFolder, *, on: bool, user: Any, request: HttpRequest) -> None:
    """Switch a folder on, in the name of ``user`` from now on, or off: what was ordered is put back all the same."""
    values: dict[str, Any] = {"off_since": None if on else timezone.now(), "problem": "", "failures": 0}
    if on:
        values |= {"created_by": user, "due_at": timezone.now()}
    WatchedFolder.objects.filter(pk=folder.pk).update(**values)
    _record(AuditEvent.Action.WATCH_CHANGED, folder, user, f": switched {'on' if on else 'off'}", request)


@transaction.atomic
def remove(folder: WatchedFolder, *, user: Any, request: HttpRequest) -> None:
    """Forget a folder: nothing is taken from it or put back to it any more. Its batches stay."""
    mine = WatchedFolder.objects.filter(pk=folder.pk, removed_at=None)
    if mine.update(removed_at=timezone.now(), secret_key="", access_key_id=""):
        _record(AuditEvent.Action.WATCH_REMOVED, folder, user, "", request)


def look_now(folder: WatchedFolder) -> None:
    """Have the next look come at once."""
    WatchedFolder.objects.filter(pk=folder.pk).update(due_at=timezone.now(), failures=0)


def ensure_apart(folder: WatchedFolder) -> None:
    """Refuse a folder whose results would come to a watched folder again, its own or another. Raises PublicError.

    Two that watch the same files are refused too: these would be ordered twice.
    """
    source, target = _source(folder), _target(folder)
    if source.is_relative_to(target):
        raise PublicError(
            "Results would come into the watched folder itself, and be enlarged again and again. Give a folder for "
            "them, like done.",
            code="watched_loop",
        )
    others = WatchedFolder.objects.filter(removed_at=None, kind=folder.kind).exclude(pk=folder.pk)
    if folder.kind == "s3":
        # Whoever names a bucket has not shown that it is theirs: what other teams watch is not told.
        others = others.filter(team=folder.team_id)
    for other in others.select_related("team"):
        try:
            theirs, their_target = _source(other), _target(other)
        except PublicError:
            continue  # Its root is gone, so it can't be looked at.
        called = f"“{other.name}”" if other.team_id == folder.team_id else "another team"
        if source.is_relative_to(theirs) or theirs.is_relative_to(source):
            raise PublicError(
                f"This folder, or a part of it, is watched already by {called}. Choose another.", code="watched_twice"
            )
        if target.is_relative_to(theirs):
            raise PublicError(
                f"Results would come into a folder that {called} watches. Choose another folder for them.",
                code="watched_loop",
            )
        if their_target.is_relative_to(source):
            raise PublicError(f"Results of {called} come into this folder. Choose another.", code="watched_loop")


def _source(folder: WatchedFolder) -> PurePosixPath:
    return _base(folder).joinpath(*places.parts_of(folder.path))


def _target(folder: WatchedFolder) -> PurePosixPath:
    return _base(folder).joinpath(*places.put_parts(folder))


def _base(folder: WatchedFolder) -> PurePosixPath:
    if folder.kind == WatchedFolder.Kind.S3:
        server = folder.endpoint or places.amazon(folder.region)
        return PurePosixPath("/", server.rstrip("/").lower().replace("//", ""), folder.bucket)
    return PurePosixPath(roots.path_of(folder.root, folder.team).resolve())


def _record(action: str, folder: WatchedFolder, user: Any, what: str, request: HttpRequest) -> None:
    about = f"{folder.name} ({folder.place}){what}"
    audit_log.record(action, team=folder.team, user=user, about=about, request=request)
