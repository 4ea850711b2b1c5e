"""How batches stand: counted from their upscales and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce

from upscaler.models.batches import Batch
from upscaler.models.ledger import CreditEntry
from upscaler.models.reviews import WITHHELD
from upscaler.models.upscale_queries import CANCELLED_CODE, UpscaleQuerySet
from upscaler.models.upscales import Upscale

STATE = Case(
    When(status=Upscale.Status.ERROR, error_code=CANCELLED_CODE, then=Value(CANCELLED_CODE)), default=F("status")
)
"""An upscale's status, with what was cancelled apart from what failed."""


@dataclass(frozen=True)
class Counts:
    """How many of a batch's pictures stand how. One that was tried again counts as its newest try."""

    created: int
    ongoing: int
    done: int
    failed: int
    cancelled: int
    gone: int
    """Done, and deleted by the team's rule since."""
    results: int
    """Done, and there to be seen."""
    held: int
    """Of these, those that a review holds back."""
    to_retry: int
    """Failed, and there to be tried again."""
    paid_to_retry: int
    """Of these, those that cost credits again."""
    first_end: datetime | None
    """When the first one was done or failed."""
    last_end: datetime | None
    """When the last one was."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.open + self.ended

    @property
    def open(self) -> int:
        """Not ended yet."""
        return self.created + self.ongoing

    @property
    def ended(self) -> int:
        """Done, failed or cancelled."""
        return self.done + self.failed + self.cancelled

    @property
    def percent(self) -> int:
        """Of all that has ended, in whole percent."""
        return self.ended * 100 // self.total if self.total else 0

    def by_status(self) -> dict[str, int]:
        """For each status of the contract its number."""
        return {
            Upscale.Status.CREATED: self.created,
            Upscale.Status.ONGOING: self.ongoing,
            Upscale.Status.DONE: self.done,
            Upscale.Status.ERROR: self.failed + self.cancelled,
        }

    def by_state(self) -> dict[str, int]:
        """For each state of ORDER its number: like `by_status`, with what was cancelled apart from what failed."""
        return {**self.by_status(), Upscale.Status.ERROR: self.failed, CANCELLED_CODE: self.cancelled}


def pictures(batch: Batch | OuterRef) -> UpscaleQuerySet:
    """The batch's upscales, without failed and rejected ones that were ordered again: the newest stands for them. One
    that was approved after all is among them all the same."""
    return _pictures(Upscale.objects.filter(batch=batch))


def places(batch: Batch) -> dict[int, int]:
    """The number of each of the batch's upscales in it, from 1 on, by the upscale's own. One that was tried again keeps
    its number, and so do the others when one is deleted."""
    found: dict[int, int] = {}
    numbered = 0
    for pk, retry_of in Upscale.objects.filter(batch=batch).order_by("pk").values_list("pk", "retry_of"):
        if retry_of is None:
            numbered += 1
        found[pk] = numbered if retry_of is None else found.get(retry_of, numbered)
    return found


def _pictures(rows: UpscaleQuerySet) -> UpscaleQuerySet:
    # Whatever its batch, which is the same: asked for it too, SQLite reads the whole batch anew for each of its rows.
    # That there is one, PostgreSQL is told too, which else reads the whole table to have all of them at hand.
    tried_again = Upscale.objects.filter(retry_of=OuterRef("pk"), retry_of__isnull=False)
    # One that a person deleted is told by the ledger alone.
    return rows.listed().filter(~Exists(tried_again) | Q(review=Upscale.Review.APPROVED))


def counts(batch: Batch) -> Counts:
    """How the batch's pictures stand now."""
    return counts_of([batch])[batch.pk]


def counts_of(batches: Sequence[Batch]) -> dict[int, Counts]:
    """How the pictures of each batch stand now, by its number."""
    there = Q(deleted_at__isnull=True)
    result = there & Q(withdrawn_at__isnull=True)
    groups = (
        _pictures(Upscale.objects.filter(batch__in=batches))
        .order_by()
        .annotate(state=STATE)
        .values("batch_id", "state")
        .annotate(
            number=Count("pk"),
            gone=Count("pk", filter=Q(deleted_by_rule=True)),
            results=Count("pk", filter=result),
            held=Count("pk", filter=result & Q(review__in=WITHHELD)),
            present=Count("pk", filter=there),
            paid=Count("pk", filter=there & ~Q(engine=Upscale.Engine.FIT)),
            first_end=Min("completed_at"),
            last_end=Max("completed_at"),
        )
    )
    states: dict[int, dict[str, Mapping[str, Any]]] = {batch.pk: {} for batch in batches}
    for group in groups:
        states[group["batch_id"]][group["state"]] = group
    return {batch_id: _counts(by_state) for batch_id, by_state in states.items()}


def _counts(by_state: Mapping[str, Mapping[str, Any]]) -> Counts:
    def number(state: str, name: str = "number") -> int:
        return by_state[state][name] if state in by_state else 0

    status = Upscale.Status
    ended = [by_state[state] for state in (status.DONE, status.ERROR) if state in by_state]
    return Counts(
        created=number(status.CREATED),
        ongoing=number(status.ONGOING),
        done=number(status.DONE),
        failed=number(status.ERROR),
        cancelled=number(CANCELLED_CODE),
        gone=number(status.DONE, "gone"),
        results=number(status.DONE, "results"),
        held=number(status.DONE, "held"),
        to_retry=number(status.ERROR, "present"),
        paid_to_retry=number(status.ERROR, "paid"),
        first_end=min(filter(None, (group["first_end"] for group in ended)), default=None),
        last_end=max(filter(None, (group["last_end"] for group in ended)), default=None),
    )


def with_money(batches: QuerySet[Batch]) -> QuerySet[Any]:
    """Each with the credits that were ``charged`` for it, and those that were ``refunded``.

    For one batch; `money_of` is quicker for many.
    """

    def total(kind: CreditEntry.Kind, amount: F | CombinedExpression) -> Coalesce:
        entries = CreditEntry.objects.filter(upscale__batch=OuterRef("pk"), kind=kind).order_by()
        sums = entries.values("upscale__batch").annotate(total=Sum(amount)).values("total")
        return Coalesce(Subquery(sums), 0)

    kinds, amount = CreditEntry.Kind, F("amount")
    return batches.annotate(charged=total(kinds.CHARGE, -amount), refunded=total(kinds.REFUND, amount))


def money_of(batches: Sequence[Batch]) -> dict[int, tuple[int, int]]:
    """For each batch, by its number, the credits that were charged and those that came back."""
    entries = CreditEntry.objects.filter(upscale__batch__in=batches).order_by()
    sums = {
        (batch_id, kind): total
        for batch_id, kind, total in entries.values_list("upscale__batch_id", "kind").annotate(Sum("amount"))
    }
    charge, refund = CreditEntry.Kind.CHARGE, CreditEntry.Kind.REFUND
    return {batch.pk: (-sums.get((batch.pk, charge), 0), sums.get((batch.pk, refund), 0)) for batch in batches}
