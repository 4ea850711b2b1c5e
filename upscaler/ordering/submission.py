"""A checked order becomes a row, a charge and a message to the workers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from django.conf import settings
from django.db import IntegrityError, InterfaceError, InternalError, OperationalError, connection, transaction
from django.db.models import BigIntegerField
from django.http import HttpRequest
from django.utils import timezone

from upscaler import credits, file_names, upscaling_models
from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.imaging.intake import ExaminedPicture
from upscaler.models import ApiToken, AuditEvent, Team, Upscale, WebhookEndpoint
from upscaler.models.prepared import Place, Prepared, PreparedInsert
from upscaler.ordering import deduplication, idempotency_keys, new_batches
from upscaler.ordering.idempotency_keys import Idempotency
from upscaler.ordering.new_batches import NewBatch
from upscaler.processing import batch_end, ranks
from upscaler.queue import dispatch
from upscaler.storage import cleanup, quota, team_room
from upscaler.storage.pictures import NewFiles, StoredPicture
from upscaler.webhooks import endpoints

logger = logging.getLogger(__name__)

BATCH_SIZE = 200
"""Rows that one statement adds: SQLite takes 32,766 values in one."""
MAYBE_TAKEN = "maybe_taken"
"""The code of the error that says that nobody knows."""


@dataclass(frozen=True)
class Upload:
    """A file that somebody sent, and what was found in it."""

    file: IO[bytes]
    examined: ExaminedPicture


@dataclass(frozen=True)
class NewUpscale:
    """An order that keeps every rule: what `UpscaleForm` makes and `submit` takes."""

    source: str
    model_name: str
    settings: dict[str, Any]
    """Complete, defaults filled in."""
    source_name: str
    requested_format: str = ""
    """One of `picture_formats.RESULT_FORMATS`; empty for the source's own."""
    source_url: str = ""
    source_result: Upscale | None = None
    source_result_number: int | None = None
    """The engine's id of a result that was not made on this desk."""
    stored: StoredPicture | None = None
    """The source, where it is in the picture storage already."""
    upload: Upload | None = None
    """The source, where it is not stored yet; None too for one that a worker will fetch."""
    retry_of: Upscale | None = None
    sku: str = ""
    reference: str = ""
    """What the program calls it that orders it."""
    source_folder: str = ""
    """Where the file lay when it was chosen, as in ``a/b``."""
    webhook: WebhookEndpoint | None = None
    """Who is told of its end, beside the team's own."""
    seen: int = 0
    """The number of the newest upscale of the same order that the person knows of, and wants it anew all the same."""
    channels: tuple[str, ...] = ()
    """Ids of the channels that files of its result are made for."""
    is_only_fitted: bool = False
    """It is large enough for its channels: nothing enlarges it, and it costs nothing."""
    is_factor_open: bool = False
    """The worker who has its picture tells how much its channels need."""
    found: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What `looks` found in its source."""

    @property
    def credits(self) -> int:
        """The price."""
        return 0 if self.is_only_fitted else upscaling_models.MODELS[self.model_name].credits

    @property
    def factor(self) -> int:
        """How many times width and height grow."""
        return 1 if self.is_only_fitted else upscaling_models.factor(self.model_name, self.settings)

    @property
    def open_for(self) -> Sequence[str]:
        """Ids of the channels that will tell the factor; empty where it is known."""
        return self.channels if self.is_factor_open else ()

    @property
    def source_digest(self) -> str:
        """SHA-256 of the source's bytes; empty where it is not known yet."""
        if self.stored is not None:
            return self.stored.digest
        return self.upload.examined.digest if self.upload is not None else ""

    @property
    def source_size(self) -> tuple[int, int] | None:
        """Width and height in pixels, as displayed; None for a source that a worker will fetch."""
        known = self.stored or (self.upload.examined if self.upload is not None else None)
        return (known.width, known.height) if known is not None else None

    @property
    def source_facts(self) -> Mapping[str, Any]:
        """What is known of the source, see ``source_facts`` in `engines.base.Finished`."""
        if self.found:
            return self.found
        if self.stored is not None:
            return self.stored.facts
        return {"jpeg_quality": self.upload.examined.jpeg_quality} if self.upload is not None else {}

    @property
    def product_share(self) -> float | None:
        """The longer side of what is not margin in the picture's, 0 to 1; None where nobody has measured it."""
        known = self.stored or (self.upload.examined if self.upload is not None else None)
        return known.product_share if known is not None else None


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


class RetriedBefore(Exception):
    """The failed upscale was tried again before; ``upscale`` is the one that came of it. Nothing was charged."""

    def __init__(self, upscale: Upscale) -> None:
        super().__init__(upscale.pk)
        self.upscale = upscale


def find_retry(failed: Upscale) -> Upscale | None:
    """The newest upscale that came of trying ``failed`` again, or that in turn, and did not fail too; None without."""
    tries: Any = Upscale.objects.filter(retry_of=failed)
    while (newest := tries.order_by("-pk").first()) is not None:
        living: Upscale | None = tries.exclude(status=Upscale.Status.ERROR).order_by("-pk").first()
        if living is not None:
            return living
        tries = Upscale.objects.filter(retry_of=newest)
    return None


def submit(
    orders: Sequence[NewUpscale],
    *,
    team: Team,
    user: Any,
    token: ApiToken | None = None,
    idempotency: Idempotency | None = None,
    once: bool = False,
    request: HttpRequest | None = None,
    batch: NewBatch | None = None,
) -> list[Upscale]:
    """Store, charge and queue all of ``orders``, or none of them; with ``batch`` as one batch.

    Files are written before the transaction. An ``idempotency`` is the batch's where there is one of several; else
    there must be one order alone. With ``once`` no order is taken that the team has had done, or that is under way;
    give `deduplication.split_duplicates` ones then.
    Raises credits.CreditsRefused; PublicError with the code `team_room.FULL` where the team keeps as much as it may;
    IdempotencyConflict, RetriedBefore, DraftOrderedBefore, DraftChanged and, with
    ``once``, OrderedBefore; OSError where the storage can't take a file; PublicError with the code `MAYBE_TAKEN` where
    the database did not say whether it took the orders, and with ``deleted`` where a source was deleted meanwhile.
    After any error but `MAYBE_TAKEN` they were not taken.
    """
    gone: frozenset[int] = frozenset()
    if once:
        # Outside the lock: a picture storage far away may take its time.
        found, gone = deduplication.find_known_stored(_seen(orders), team=team)
        _refuse_known(orders, found)
    # Before any file is written: most refusals end here. The charge below decides for good.
    price = sum(order.credits for order in orders)
    adding = sum(order.upload.examined.file_size for order in orders if order.upload is not None)
    try:
        team_room.ensure_room(team.pk, adding)
        credits.ensure_affordable(team_id=team.pk, user=user, price=price)
    except PublicError:
        # Its twin may just have taken the last credit, or the last room: then this is a repeat, not a refusal.
        if idempotency is not None and (earlier := _repeated(team, idempotency, batch)):
            return earlier
        raise

    is_sent = False
    try:
        with NewFiles(team.pk) as files:
            # One moment for all, so that they are one month's.
            now = timezone.now()
            rows = [_row(order, team=team, user=user, token=token, files=files, now=now) for order in orders]
            if idempotency is not None and (batch is None or batch.is_single_order):
                [row] = rows
                row.idempotency_key, row.request_digest = idempotency.key, idempotency.digest
            ranks.open_lanes(team.pk, {ranks.lane_of(row) for row in rows})
            with transaction.atomic():
                # The team's lock: of two clicks at once the second waits here, and then sees the first one's rows.
                _lock(team)
                if once:
                    _refuse_known(orders, deduplication.find_known(_seen(orders), team=team, without=gone))
                if batch is not None:
                    made = new_batches.create(
                        batch, team=team, user=user, token=token, idempotency=idempotency, rows=rows
                    )
                    for row in rows:
                        row.batch = made
                cleanup.ensure_kept({order.stored.path for order in orders if order.stored is not None})
                for row in rows:
                    _refuse_second_retry(row)
                for batch_id in {row.batch_id for row in rows if row.retry_of is not None}:
                    batch_end.reopen(batch_id)
                ranks.line_up(rows)
                _insert(rows)
                # After the rows: a key that was used before is a repeat, whatever room its first has left.
                team_room.ensure_room(team.pk, adding)
                notices = credits.charge(rows)
                for row in rows:
                    if row.retry_of is not None:
                        about, action = f"{row.source_name} (was {row.retry_of.pk})", AuditEvent.Action.RETRIED
                        audit_log.record(
                            action, team=team, user=user, about=about, upscale=row, token=token, request=request
                        )
                quota.forget(order.stored.path for order in orders if order.stored is not None)
                # Robust: a queue that is away must not fail a submit that is stored and charged. The sweep sends it
                # later.
                transaction.on_commit(lambda: dispatch.upscales(rows), robust=True)
                if notices:
                    transaction.on_commit(lambda: dispatch.emails(team=team), robust=True)
                files.keep()
                is_sent = True
    except (OperationalError, InterfaceError, InternalError) as error:
        if not is_sent:
            raise
        logger.exception("the database did not say whether it took %s orders of team %s", len(orders), team.slug)
        raise PublicError(
            "The desk’s database did not answer, so we can’t tell whether the order was taken. It may have been taken "
            "all the same, and is charged once then. Look in the history before you send it again.",
            code=MAYBE_TAKEN,
            permanent=False,
        ) from error
    except IntegrityError:
        # Two requests with one key at the same moment: the other one got there first, and this is its repeat.
        if idempotency is not None and (earlier := _repeated(team, idempotency, batch)):
            return earlier
        raise
    except credits.CreditsRefused:
        # Others were quicker since the check. What is said is about the whole order, not about its last straw.
        credits.ensure_affordable(team_id=team.pk, user=user, price=price)
        raise
    # The order stands. Where the line was cut while the workers were told, whatever comes next needs another one.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    if batch is not None:
        logger.info("batch %s: %s upscales submitted by %s for team %s", rows[0].batch_id, len(rows), user, team.slug)
    else:
        for row in rows:
            logger.info("upscale %s: submitted by %s for team %s, %s", row.pk, user, team.slug, row.model_name)
    return rows


def _lock(team: Team) -> None:
    if TEAM_LOCK.first(team=team.pk) is None:
        raise Team.DoesNotExist


TEAM_LOCK = Prepared(
    lambda: (
        Team.objects.select_for_update(no_key=True)
        .filter(pk=Place("team", BigIntegerField()))
        .order_by()
        .values_list("pk")
    )
)


def _repeated(team: Team, idempotency: Idempotency, batch: NewBatch | None) -> list[Upscale] | None:
    if batch is None or batch.is_single_order:
        earlier = idempotency_keys.find_repeat(team=team, idempotency=idempotency)
        return [earlier] if earlier is not None else None
    before = idempotency_keys.find_repeated_batch(team=team, idempotency=idempotency)
    return list(before.upscales.order_by("pk")) if before is not None else None


def _insert(rows: Sequence[Upscale]) -> None:
    if len(rows) == 1:
        INSERT.run(rows[0])
    else:
        Upscale.objects.bulk_create(rows, batch_size=BATCH_SIZE)


INSERT = PreparedInsert(Upscale)


def _seen(orders: Sequence[NewUpscale]) -> dict[str, int]:
    return {key: order.seen for order in orders if (key := deduplication.key(order))}


def _refuse_known(orders: Sequence[NewUpscale], found: Mapping[str, Upscale]) -> None:
    if found:
        of_each = [(order, found.get(deduplication.key(order))) for order in orders]
        known = [Known(before, order.source_name, order.credits) for order, before in of_each if before is not None]
        raise OrderedBefore(known, [order for order, before in of_each if before is None])


def _refuse_second_retry(row: Upscale) -> None:
    """Under the team's lock: two clicks on "Try again", or a page from before a colleague's, are charged once."""
    if row.retry_of is not None and (earlier := find_retry(row.retry_of)) is not None:
        raise RetriedBefore(earlier)


def _row(
    order: NewUpscale, *, team: Team, user: Any, token: ApiToken | None, files: NewFiles, now: datetime
) -> Upscale:
    stored = order.stored
    if order.upload is not None:
        stored = files.store_source(order.upload.file, order.upload.examined)
    named = order.webhook.pk if order.webhook is not None else None
    if order.retry_of is not None and named is None:
        named = endpoints.named_again(order.retry_of.webhook_id)
    row = Upscale(
        team=team,
        created_by=user,
        token=token,
        created_at=now,
        sku=order.sku,
        reference=order.reference,
        source=order.source,
        source_folder=order.source_folder,
        source_name=file_names.shortened(order.source_name),
        source_url=order.source_url,
        source_result=order.source_result,
        source_result_number=order.source_result_number,
        model_name=order.model_name,
        settings=order.settings,
        requested_format=order.requested_format,
        credits=order.credits,
        webhook_id=named,
        retry_of=order.retry_of,
        batch=order.retry_of.batch if order.retry_of is not None else None,
        is_factor_open=order.is_factor_open,
        engine=Upscale.Engine.FIT if order.is_only_fitted else settings.ENGINE,
        **(stored.source_columns() if stored is not None else {}),
    )
    row.source_facts = dict(order.source_facts) or None
    row.order_digest = row.order_digest_with(row.source_digest)
    return row
