"""Taking in feeds: the file goes into the storage first, then the rows that name it."""

from __future__ import annotations

from typing import IO, Any
from urllib.parse import urlsplit

from django.core.files.base import ContentFile
from django.db import transaction

from upscaler.errors import PublicError
from upscaler.feeds import records
from upscaler.models import Feed, FeedCheck, Team
from upscaler.storage import stored_files

PASTED = "Pasted list"


def begin(*, team: Team, user: Any, values: dict[str, Any]) -> FeedCheck:
    """A new feed and its first check, of a valid `forms.NewFeedForm`. Raises PublicError; OSError."""
    file, file_name, size = _stored(values)
    try:
        with transaction.atomic():
            name = values["name"] or file_name or urlsplit(values["address"]).hostname or ""
            feed = records.create_feed(
                team=team, user=user, name=name, channels=values["channels"], address=values["address"]
            )
            return records.begin_check(feed, user=user, file=file, file_name=file_name, file_size=size)
    except PublicError:
        # After another error the row may be there all the same, and name the file.
        _drop(file)
        raise


def begin_again(feed: Feed, *, user: Any, values: dict[str, Any]) -> FeedCheck:
    """Check a feed once more: what is given with a valid `forms.SourceForm`, or else what it was before.

    An address is fetched anew. Raises PublicError; OSError.
    """
    file, file_name, size = _stored(values)
    is_new = bool(file)
    if not is_new and not feed.address:
        last = feed.checks.exclude(file="").order_by("-pk").first()
        if last is not None:
            file, file_name, size = last.file, last.file_name, last.file_size
    try:
        return records.begin_check(
            feed, user=user, file=file, file_name=file_name, file_size=size, channels=values["channels"]
        )
    except PublicError:
        if is_new:
            _drop(file)
        raise


def _stored(values: dict[str, Any]) -> tuple[str, str, int]:
    upload: IO[bytes] | None = values.get("file")
    if upload is not None:
        name, size = str(upload.name), int(getattr(upload, "size", 0))
        return records.store_file(upload), name, size
    if text := values.get("text", "").strip():
        content = text.encode("utf-8", "replace")
        return records.store_file(ContentFile(content)), PASTED, len(content)
    return "", "", 0


def _drop(file: str) -> None:
    # One that stays is found by `cleanup`.
    if file:
        stored_files.remove([file])
