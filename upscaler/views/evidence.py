"""What was done to which picture, as a download: of a batch, of a product, or of what somebody has selected."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from upscaler import file_names, result_names
from upscaler.evidence import records
from upscaler.models import Batch, Upscale, batch_queries
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.views.access import TeamRequest, team_required

KINDS = {"csv": (records.as_csv, "text/csv; charset=utf-8"), "json": (records.as_json, "application/json")}


@require_safe
@team_required
def of_batch(request: TeamRequest, pk: int, kind: str) -> HttpResponseBase:
    """All pictures of a batch; with ``sku`` those of one product."""
    batch = get_object_or_404(Batch, team=request.team, pk=pk, ordered_at__isnull=False)
    return answer(narrowed(batch_queries.pictures(batch), request.GET.get("sku", "")), kind, name=str(batch))


@require_safe
@team_required
def of_sku(request: TeamRequest, kind: str) -> HttpResponseBase:
    """Everything that the team had made for one product: ``sku``, in full."""
    if not (sku := request.GET.get("sku", "").replace("\0", "").strip()):
        raise Http404("Say which product: ?sku=, in full.")
    return answer(narrowed(Upscale.objects.filter(team=request.team), sku), kind, name=sku)


def of_upscales(request: TeamRequest, numbers: Sequence[int], kind: str) -> HttpResponseBase:
    """The team's upscales of these numbers."""
    mine = Upscale.objects.filter(team=request.team, pk__in=numbers)
    return answer(mine, kind, name=f"{request.team.name} {len(numbers)} pictures")


def narrowed(upscales: UpscaleQuerySet, sku: str) -> UpscaleQuerySet:
    """Those of a product; all where none is named. What was deleted is told by the ledger alone."""
    found, sku = upscales.listed(), sku.replace("\0", "").strip()
    return found.filter(sku=sku) if sku else found


def answer(upscales: UpscaleQuerySet, kind: str, *, name: str) -> StreamingHttpResponse:
    """The download, made while it is sent. ``kind``: one of KINDS. Raises Http404 where there is no picture."""
    upscales = upscales.listed()
    if kind not in KINDS or not upscales.exists():
        raise Http404("There is no such picture (any more).")
    make, content_type = KINDS[kind]
    file = f"{result_names.safe_part(name)} evidence.{kind}"
    return StreamingHttpResponse(
        make(upscales),
        content_type=content_type,
        headers={
            "Content-Disposition": file_names.content_disposition(file, as_attachment=True),
            "Cache-Control": "private, no-store",
        },
    )
