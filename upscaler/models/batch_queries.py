"""How batches stand: counted from their upscales and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, Sum

from upscaler.models.batches import Batch
from upscaler.models.ledger import CreditEntry
from upscaler.models.reviews import WITHHELD
from upscaler.models.upscale_queries import CANCELLED_CODE, UpscaleQuerySet
from upscaler.models.upscales import Upscale


@dataclass(frozen=True)
class Counts:
    """How many of a batch's pictures stand how. One that was tried again counts as its newest try."""

    created: int
    ongoing: int
    done: int
    failed: int
    cancelled: int

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


def pictures(batch: Batch) -> UpscaleQuerySet:
    """The batch's upscales, without failed and rejected ones that were ordered again: the newest stands for them. One
    that was approved after all is among them all the same."""
    return _pictures(Upscale.objects.filter(batch=batch))


def not_given(batch: Batch) -> tuple[int, int]:
    """How many of the batch's results are gone by the team's rule, and how many a review holds back."""
    held = Q(review__in=WITHHELD, withdrawn_at__isnull=True, deleted_at__isnull=True)
    found = (
        pictures(batch)
        .filter(status=Upscale.Status.DONE)
        .order_by()
        .aggregate(gone=Count("pk", filter=Q(deleted_by_rule=True)), held=Count("pk", filter=held))
    )
    return found["gone"], found["held"]


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
    tried_again = Upscale.objects.filter(retry_of=OuterRef("pk"))
    # One that a person deleted is told by the ledger alone.
    return rows.listed().filter(~Exists(tried_again) | Q(review=Upscale.Review.APPROVED))


def counts(batch: Batch) -> Counts:
    """How the batch's pictures stand now."""
    return counts_of([batch])[batch.pk]


def counts_of(batches: Sequence[Batch]) -> dict[int, Counts]:
    """How the pictures of each batch stand now, by its number."""
    groups = _pictures(Upscale.objects.filter(batch__in=batches)).order_by()
    found = {batch.pk: dict.fromkeys((*Upscale.Status.values, CANCELLED_CODE), 0) for batch in batches}
    for batch_id, status, code, number in groups.values_list("batch_id", "status", "error_code").annotate(Count("pk")):
        found[batch_id][CANCELLED_CODE if (status, code) == (Upscale.Status.ERROR, CANCELLED_CODE) else status] += (
            number
        )
    return {
        batch_id: Counts(
            created=numbers[Upscale.Status.CREATED],
            ongoing=numbers[Upscale.Status.ONGOING],
            done=numbers[Upscale.Status.DONE],
            failed=numbers[Upscale.Status.ERROR],
            cancelled=numbers[CANCELLED_CODE],
        )
        for batch_id, numbers in found.items()
    }


def money(batch: Batch) -> tuple[int, int]:
    """Credits that were charged for the batch, and those that came back."""
    return money_of([batch])[batch.pk]


def money_of(batches: Sequence[Batch]) -> dict[int, tuple[int, int]]:
    """For each batch, by its number, the credits that were charged and those that came back."""
    entries = CreditEntry.objects.filter(upscale__batch__in=batches).order_by()
    sums = {
        (batch_id, kind): total
        for batch_id, kind, total in entries.values_list("upscale__batch_id", "kind").annotate(Sum("amount"))
    }
    charge, refund = CreditEntry.Kind.CHARGE, CreditEntry.Kind.REFUND
    return {batch.pk: (-sums.get((batch.pk, charge), 0), sums.get((batch.pk, refund), 0)) for batch in batches}
