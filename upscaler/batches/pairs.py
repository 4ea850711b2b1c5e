"""A batch's results beside their sources, for the page that shows all of them."""

from __future__ import annotations

from django.db.models import Case, Value, When

from upscaler.models import Batch, FidelityCheck, Upscale, batch_queries
from upscaler.models.upscale_queries import UpscaleQuerySet

SORT_KEY = (
    Case(When(fidelity__verdict=FidelityCheck.Verdict.LOOK, then=Value(0)), default=Value(1)),
    "pk",
)
"""In which order the page has them: what the check doubts first, then as they were ordered."""


def pairs(batch: Batch) -> UpscaleQuerySet:
    """The batch's upscales whose results people may see, in the page's order."""
    done = batch_queries.pictures(batch).present().filter(status=Upscale.Status.DONE, withdrawn_at__isnull=True)
    return done.select_related("source_result", "fidelity").defer("fidelity__report").order_by(*SORT_KEY)
