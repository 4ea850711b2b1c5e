"""The questions that are asked of many upscales."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

if TYPE_CHECKING:
    from upscaler.models.upscales import Upscale  # noqa: F401 (named in a type)

MAX_ID = models.BigIntegerField.MAX_BIGINT
CLOCKS_APART = timedelta(days=1)
"""More than a remote engine's clock can go before ours."""


CANCELLED_CODE = "cancelled"
"""The ``error_code`` of what somebody ended before the work on it had begun."""


SHOWN = (
    *("team", "created_by", "created_at", "batch", "sku", "retry_of"),
    *("source_name", "source_folder", "source_result", "source_thumbnail", "source_width", "source_height"),
    *("model_name", "settings", "credits", "is_factor_open", "engine"),
    *("status", "progress", "progress_text", "error_code", "error_message", "review"),
    *("result_width", "result_height", "result_thumbnail", "withdrawn_at", "deleted_at", "deleted_by_rule"),
)
"""What a card of the history and a row of a batch show of an upscale itself."""
SHOWN_OF_OTHERS = (*("source_result__withdrawn_at", "fidelity__upscale", "fidelity__verdict", "fidelity__reasons"),)
"""And of its source and its check."""


def result_hours() -> str:
    """For how many hours after its completion a ``generation_result_id`` may name a result, as text."""
    return f"{settings.RESULT_LIFETIME / 3600:g}"


class UpscaleQuerySet(models.QuerySet["Upscale"]):
    """The questions that pages, API and sweep ask."""

    def present(self) -> UpscaleQuerySet:
        """Not deleted, so that their files are there."""
        return self.filter(deleted_at__isnull=True)

    def listed(self) -> UpscaleQuerySet:
        """What the history shows: all but what a person deleted."""
        return self.filter(Q(deleted_at__isnull=True) | Q(deleted_by_rule=True))

    def to_show(self, *of_others: str) -> UpscaleQuerySet:
        """With what cards and rows show, and no more: each column that is read takes its time.

        ``of_others``: columns beside `SHOWN_OF_OTHERS` of rows that are selected along.
        """
        return self.only("pk", *SHOWN, *SHOWN_OF_OTHERS, *of_others).with_later_try()

    def with_later_try(self) -> UpscaleQuerySet:
        """Each with its ``later_try``: the number of its newest retry that did not fail too, or None."""
        tries = self.model.objects.filter(retry_of=OuterRef("pk")).exclude(status=self.model.Status.ERROR)
        return self.annotate(later_try=Subquery(tries.order_by("-pk").values("pk")[:1]))

    def open(self) -> UpscaleQuerySet:
        """Not ended yet."""
        return self.filter(status__in=self.model.OPEN)

    def waiting(self, now: datetime) -> UpscaleQuerySet:
        """Those that a worker may take up: nobody holds them, and their pause is over."""
        due = Q(not_before__isnull=True) | Q(not_before__lte=now)
        # Only what has not ended has a rank. By that and not by the status, for the index's sake.
        return self.filter(due, lease_until__isnull=True, rank__gte=0)

    def referable(self, now: datetime | None = None) -> UpscaleQuerySet:
        """Results still inside the contract's 4 hours, so that a ``generation_result_id`` may name them."""
        now = now or timezone.now()
        by_our_clock = Q(
            referable_until__isnull=True, completed_at__gt=now - timedelta(seconds=settings.RESULT_LIFETIME)
        )
        # The second bound follows from the first ones, and keeps the database from reading a whole history.
        oldest = now - timedelta(seconds=settings.RESULT_LIFETIME) - CLOCKS_APART
        still_good = by_our_clock | Q(referable_until__gt=now)
        return self.with_result().filter(still_good, completed_at__gt=oldest)

    def with_result(self) -> UpscaleQuerySet:
        """Done, with a result that is given out."""
        return self.filter(status=self.model.Status.DONE, withdrawn_at__isnull=True, deleted_at__isnull=True)

    def to_review(self) -> UpscaleQuerySet:
        """Results that wait for approval."""
        # By the moment alone, which only results of those that are Done have: with the status named too, SQLite goes
        # through all results of the team.
        return self.present().filter(withdrawn_at__isnull=True, pending_since__isnull=False)
