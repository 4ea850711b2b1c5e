"""A checked order becomes a row, a charge and a message to the workers."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from upscaler import credits, upscaling_models
from upscaler.accounts import audit_log
from upscaler.engines import get_engine
from upscaler.imaging.intake import Picture
from upscaler.mail import outbox
from upscaler.models import ApiToken, AuditEvent, Team, Upscale, media_storage
from upscaler.ordering import deduplication
from upscaler.queue import tasks

logger = logging.getLogger(__name__)

SWEEP_GRACE = timedelta(seconds=20)
"""How long a fresh message has before the sweep takes it for lost."""


@dataclass(frozen=True)
class NewUpscale:
    """An order that keeps every rule: what `UpscaleForm` makes and `submit` takes."""

    source: str
    model_name: str
    settings: dict[str, Any]
    """Complete, defaults filled in."""
    source_name: str
    requested_format: str = ""
    """One of `catalog.RESULT_FORMATS`; empty for the source's own."""
    source_url: str = ""
    source_result: Upscale | None = None
    source_result_number: int | None = None
    """The engine's id of a result that was not made on this desk."""
    stored_path: str = ""
    """The source's name in the picture storage, where it is there already."""
    upload: IO[bytes] | None = None
    """The source's bytes, where it is not stored yet."""
    picture: Picture | None = None
    """What was found in ``upload``."""
    width: int | None = None
    height: int | None = None
    file_size: int | None = None
    source_digest: str = ""
    """SHA-256 of the source's bytes; empty where it is not known yet."""
    thumbnail_path: str = ""
    retry_of: Upscale | None = None
    seen: int = 0
    """The number of the newest upscale of the same order that the person knows of, and wants it anew all the same."""

    @property
    def credits(self) -> int:
        """The price."""
        return upscaling_models.MODELS[self.model_name].credits


@dataclass(frozen=True)
class Idempotency:
    """A caller's own name for a request, with a digest of what was asked."""

    key: str
    digest: str

    @classmethod
    def of(cls, key: str, body: Any) -> Idempotency:
        """From the header and the body as it was sent."""
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return cls(key=key, digest=hashlib.sha256(canonical.encode()).hexdigest())


@dataclass(frozen=True)
class Known:
    """An order that the team has had done already, or that is under way."""

    upscale: Upscale
    name: str
    """What the person calls the picture now."""
    credits: int
    """What it costs anew."""


class OrderedBefore(Exception):
    """Some of the orders need not be paid for: ``known``. The ``others`` are new. Nothing was stored or charged."""

    def __init__(self, known: list[Known], others: list[NewUpscale]) -> None:
        super().__init__(known, others)
        self.known = known
        self.others = others


class IdempotencyConflict(Exception):
    """The key was used before for another request."""


def find_repeat(*, team: Team, idempotency: Idempotency) -> Upscale | None:
    """The upscale that this very request made before, if any.

    Raises IdempotencyConflict where the key was used for another request.
    """
    earlier = Upscale.objects.filter(team=team, idempotency_key=idempotency.key).first()
    if earlier is not None and earlier.request_digest != idempotency.digest:
        raise IdempotencyConflict
    return earlier


def submit(
    orders: Sequence[NewUpscale],
    *,
    team: Team,
    user: Any,
    token: ApiToken | None = None,
    idempotency: Idempotency | None = None,
    once: bool = False,
    request: HttpRequest | None = None,
) -> list[Upscale]:
    """Store, charge and queue all of ``orders``, or none of them.

    Files are written before the transaction and removed again where it fails. With ``once`` no order is taken that the
    team has had done, or that is under way; give `deduplication.split_duplicates` ones then.
    Raises credits.CreditsRefused, IdempotencyConflict and, with ``once``, OrderedBefore; OSError where the storage
    can't take a file.
    """
    gone: frozenset[int] = frozenset()
    if once:
        # Outside the lock: a picture storage far away may take its time.
        found, gone = deduplication.find_known_stored(_seen(orders), team=team)
        _refuse_known(orders, found)
    # Before any file is written: most refusals end here. The charge below decides for good.
    price = sum(order.credits for order in orders)
    try:
        credits.ensure_affordable(team_id=team.pk, user=user, price=price)
    except credits.CreditsRefused:
        # Its twin may just have taken the last credit: then this is a repeat, not a refusal.
        if idempotency is not None and (earlier := find_repeat(team=team, idempotency=idempotency)):
            return [earlier]
        raise

    written: list[str] = []
    try:
        rows = [_row(order, team=team, user=user, token=token, written=written) for order in orders]
        if idempotency is not None:
            for row in rows:
                row.idempotency_key = idempotency.key
                row.request_digest = idempotency.digest
        with transaction.atomic():
            if once:
                # The team's lock: of two clicks at once the second waits here, and then sees the first one's rows.
                Team.objects.select_for_update(no_key=True).get(pk=team.pk)
                _refuse_known(orders, deduplication.find_known(_seen(orders), team=team, without=gone))
            for row in rows:
                row.save(force_insert=True)
                credits.charge(upscale=row)
                if row.retry_of is not None:
                    about, action = f"{row.source_name} (was {row.retry_of.pk})", AuditEvent.Action.RETRIED
                    audit_log.record(
                        action, team=team, user=user, about=about, upscale=row, token=token, request=request
                    )
            # Robust: a queue that is away must not fail a submit that is stored and charged. The sweep sends it later.
            transaction.on_commit(lambda: _enqueue_all(rows), robust=True)
            transaction.on_commit(lambda: outbox.enqueue_due(team=team), robust=True)
    except IntegrityError:
        remove(written)
        # Two requests with one key at the same moment: the other one got there first, and this is its repeat.
        if idempotency is not None and (earlier := find_repeat(team=team, idempotency=idempotency)):
            return [earlier]
        raise
    except credits.CreditsRefused:
        remove(written)
        # Others were quicker since the check. What is said is about the whole order, not about its last straw.
        credits.ensure_affordable(team_id=team.pk, user=user, price=price)
        raise
    except BaseException:
        remove(written)
        raise
    for row in rows:
        logger.info("upscale %s: submitted by %s for team %s, %s", row.pk, user, team.slug, row.model_name)
    return rows


def _seen(orders: Sequence[NewUpscale]) -> dict[str, int]:
    return {key: order.seen for order in orders if (key := deduplication.key(order))}


def _refuse_known(orders: Sequence[NewUpscale], found: Mapping[str, Upscale]) -> None:
    if found:
        of_each = [(order, found.get(deduplication.key(order))) for order in orders]
        known = [Known(before, order.source_name, order.credits) for order, before in of_each if before is not None]
        raise OrderedBefore(known, [order for order, before in of_each if before is None])


def retry(failed: Upscale, *, user: Any, request: HttpRequest | None = None) -> Upscale:
    """Order a failed upscale anew; where that was done already and is still open, the upscale that came of it.

    Raises credits.CreditsRefused.
    """
    open_retries = Upscale.objects.open().filter(retry_of=failed)
    if (earlier := open_retries.first()) is not None:
        return earlier
    try:
        return submit([_again(failed)], team=failed.team, user=user, request=request)[0]
    except IntegrityError:
        # A constraint allows one open retry: a second click, or a colleague's, got there first.
        return open_retries.get()


def _again(failed: Upscale) -> NewUpscale:
    return NewUpscale(
        source=failed.source,
        model_name=failed.model_name,
        settings=failed.settings,
        requested_format=failed.requested_format,
        source_name=failed.source_name,
        source_url=failed.source_url,
        source_result=failed.source_result,
        source_result_number=failed.source_result_number,
        stored_path=failed.source_file.name or "",
        width=failed.source_width,
        height=failed.source_height,
        file_size=failed.source_bytes,
        source_digest=failed.source_digest,
        thumbnail_path=failed.source_thumbnail.name or "",
        retry_of=failed,
    )


def enqueue(upscale: Upscale, *, delay: float = 0) -> None:
    """Send the upscale's id to the queue that its next step belongs on, to be taken up after ``delay`` seconds."""
    needs_fetch = not upscale.source_file
    queue = "io" if needs_fetch else get_engine(upscale.engine).queue
    run_after = timezone.now() + timedelta(seconds=delay) if delay else None
    tasks.advance.using(queue_name=queue, run_after=run_after).enqueue(upscale.pk)


def _enqueue_all(rows: Sequence[Upscale]) -> None:
    # Where the first can't be sent, the others would only wait for the same time-out.
    for row in rows:
        enqueue(row)


def store_upload(upload: IO[bytes], picture: Picture) -> tuple[str, str]:
    """Write an examined picture and its thumbnail to the storage. Returns both names there."""
    folder = f"{timezone.now():%Y/%m}/{uuid.uuid4().hex}"
    storage = media_storage()
    upload.seek(0)
    path = storage.save(f"sources/{folder}{picture.extension}", File(upload))
    try:
        return path, storage.save(f"thumbnails/{folder}.webp", ContentFile(picture.thumbnail))
    except BaseException:
        storage.delete(path)
        raise


def _row(order: NewUpscale, *, team: Team, user: Any, token: ApiToken | None, written: list[str]) -> Upscale:
    path, thumbnail = order.stored_path, order.thumbnail_path
    if order.upload is not None and order.picture is not None:
        path, thumbnail = store_upload(order.upload, order.picture)
        written += [path, thumbnail]
    return Upscale(
        team=team,
        created_by=user,
        token=token,
        source=order.source,
        source_name=order.source_name[:255],
        source_url=order.source_url,
        source_result=order.source_result,
        source_result_number=order.source_result_number,
        source_file=path,
        source_width=order.width,
        source_height=order.height,
        source_bytes=order.file_size,
        source_digest=order.source_digest,
        source_thumbnail=thumbnail,
        model_name=order.model_name,
        settings=order.settings,
        requested_format=order.requested_format,
        order_digest=deduplication.digest_of(order, order.source_digest, engine=settings.ENGINE),
        credits=order.credits,
        retry_of=order.retry_of,
        engine=settings.ENGINE,
        due_at=timezone.now() + SWEEP_GRACE,
    )


def remove(paths: Sequence[str]) -> None:
    """Delete files that no row names."""
    for path in paths:
        media_storage().delete(path)
