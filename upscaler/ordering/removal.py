"""What people do with upscales that have ended: put them into the archive, take them out, delete them for good."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Batch, FidelityCheck, Handover, Membership, Team, Upscale, WebhookDelivery
from upscaler.queue import dispatch

logger = logging.getLogger(__name__)

BATCH = 500
"""Upscales of one transaction, so that nobody waits long behind it."""
UNDER_WAY = "still under way."
NAMELESS = dict.fromkeys(
    ("source_url", "source_name", "source_folder", "search_text", "sku", "reference", "progress_text"), ""
)
"""What is left of the columns that name a picture. An address may hold a secret of its own."""
NOT_YOURS = "only whoever ordered it and the team’s admins may delete it."


@dataclass
class Outcome:
    """What came of it: how many were done, and how many were not, by the reason."""

    done: int
    refused: dict[str, int]


def archive(upscales: Iterable[int], *, membership: Membership, request: HttpRequest | None = None) -> Outcome:
    """Keep the upscales of these numbers out of the history, until somebody asks for the archive."""
    return _mark(upscales, membership, AuditEvent.Action.ARCHIVED, request)


def take_out(upscales: Iterable[int], *, membership: Membership, request: HttpRequest | None = None) -> Outcome:
    """Show the upscales of these numbers in the history again."""
    return _mark(upscales, membership, AuditEvent.Action.UNARCHIVED, request)


def delete(upscales: Iterable[int], *, membership: Membership, request: HttpRequest | None = None) -> Outcome:
    """Delete the upscales of these numbers for good: from now on nobody gets their pictures.

    The rows stay for the ledger and the counts, without what names the pictures: file names, folders, addresses, SKU
    and reference. `storage.cleanup.remove_deleted` removes the files.
    """
    numbers = list(upscales)
    outcome = _mark(numbers, membership, AuditEvent.Action.DELETED, request)
    if outcome.done:
        _forget_emptied_batches(numbers, membership, request)
        # Robust: the files go at the next turn of the clean-up too.
        transaction.on_commit(dispatch.removal, robust=True)
    return outcome


def delete_batch(batch: Batch, *, membership: Membership, request: HttpRequest | None = None) -> Outcome:
    """Delete all upscales of a batch that this person may delete.

    Raises PublicError with the code ``under_way`` where one of them has not ended.
    """
    everything = Upscale.objects.filter(batch=batch)
    if everything.open().exists():
        raise PublicError(
            f"{batch} is still under way, so nothing was deleted. Wait for its end, or cancel what has not begun.",
            code="under_way",
        )
    return delete(everything.listed().values_list("pk", flat=True), membership=membership, request=request)


def _forget_emptied_batches(numbers: Sequence[int], membership: Membership, request: HttpRequest | None) -> None:
    """What a batch is called goes with the last of its pictures."""
    emptied = set[int]()
    for start in range(0, len(numbers), BATCH):
        of_batches = Upscale.objects.filter(
            team=membership.team_id, pk__in=numbers[start : start + BATCH], batch__ended_at__isnull=False
        )
        emptied |= set(of_batches.values_list("batch", flat=True).distinct())
    for batch in Batch.objects.filter(pk__in=emptied).order_by("pk"):
        with transaction.atomic():
            Team.objects.select_for_update(no_key=True).get(pk=membership.team_id)
            if Upscale.objects.listed().filter(batch=batch).exists():
                continue
            WebhookDelivery.objects.filter(batch=batch).update(request="", answer="")
            if batch.name:
                audit_log.forget_batch(batch)
            Batch.objects.filter(pk=batch.pk).update(name="", reference="", sku_pattern="")
            audit_log.record(
                AuditEvent.Action.DELETED,
                team=membership.team,
                user=membership.user,
                about=f"batch {batch.pk}",
                request=request,
            )


def why_not_delete(upscale: Upscale, membership: Membership) -> str:
    """Why this person can't delete it; empty where they can."""
    if not upscale.is_final:
        return UNDER_WAY
    return "" if membership.is_admin or upscale.created_by_id == membership.user_id else NOT_YOURS


def _mark(numbers: Iterable[int], membership: Membership, action: str, request: HttpRequest | None) -> Outcome:
    outcome = Outcome(0, {})
    ordered = sorted(set(numbers))
    for start in range(0, len(ordered), BATCH):
        with transaction.atomic():
            # The team's lock, which an order takes too: it sees what was deleted, or this sees the order.
            team = Team.objects.select_for_update(no_key=True).get(pk=membership.team_id)
            rows = Upscale.objects.listed().filter(team=team, pk__in=ordered[start : start + BATCH])
            _mark_rows(rows, team, membership, action, request, outcome)
    if outcome.done:
        logger.info("%s upscales: %s by %s in team %s", outcome.done, action, membership.user, membership.team.slug)
    return outcome


def _mark_rows(
    rows: QuerySet[Upscale],
    team: Team,
    membership: Membership,
    action: str,
    request: HttpRequest | None,
    outcome: Outcome,
) -> None:
    now = timezone.now()
    values: dict[str, Any] = {"updated_at": now}
    match action:
        case AuditEvent.Action.ARCHIVED:
            rows = rows.filter(archived_at__isnull=True)
            values["archived_at"] = now
        case AuditEvent.Action.UNARCHIVED:
            rows = rows.filter(archived_at__isnull=False)
            values["archived_at"] = None
        case _:
            values |= {"deleted_at": now, "deleted_by_rule": False, **NAMELESS}
    chosen = []
    for row in rows.order_by("pk"):
        if action == AuditEvent.Action.DELETED:
            refusal = why_not_delete(row, membership)
        else:
            refusal = "" if row.is_final else UNDER_WAY
        if refusal:
            outcome.refused[refusal] = outcome.refused.get(refusal, 0) + 1
        else:
            chosen.append(row)
    Upscale.objects.filter(pk__in=[row.pk for row in chosen]).update(**values)
    is_deleted = action == AuditEvent.Action.DELETED
    if is_deleted:
        _forget_names(chosen)
    audit_log.record_each(action, chosen, team=team, user=membership.user, request=request, is_named=not is_deleted)
    outcome.done += len(chosen)


def _forget_names(chosen: list[Upscale]) -> None:
    """What else names these upscales. The report of a check holds what was read in the picture."""
    Upscale.objects.filter(pk__in=[row.pk for row in chosen], status=Upscale.Status.ERROR).update(
        error_message="This picture failed, and was deleted since."
    )
    gone_before = [row.pk for row in chosen if row.deleted_by_rule]
    FidelityCheck.objects.filter(upscale__in=gone_before).delete()
    Handover.objects.filter(upscale__in=chosen).update(reference={})
    # What was sent holds the picture's name and links to it. What is still to be sent is made as it is sent.
    WebhookDelivery.objects.filter(upscale__in=chosen).update(request="", answer="")
    audit_log.forget_names_of(chosen)
