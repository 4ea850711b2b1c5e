"""How upscales and batches are shown to programs: the fields that the API answers and webhooks tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from upscaler import fetching, file_names
from upscaler.models import Batch, FidelityCheck, Upscale
from upscaler.models.batch_queries import Counts, counts_of, money_of
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.storage import pictures, signed_links

OWN = [field.name for field in Upscale._meta.concrete_fields]
OF_OTHERS = (
    *("team__result_template", "batch__channels", "source_result__source_name", "source_result__result_id"),
    *("fidelity__upscale", "fidelity__verdict", "fidelity__reasons", "fidelity__checked_at"),
)
"""All that is read here of other rows, and no more: an answer that was kept is as good as these are the same."""


def upscales() -> UpscaleQuerySet:
    """Every team's upscales, with all that their shapes read."""
    rows = Upscale.objects.listed().select_related("team", "source_result", "batch", "fidelity")
    return rows.only(*OWN, *OF_OTHERS)


def generation(upscale: Upscale) -> dict[str, Any]:
    """An upscale without its result."""
    payload = {
        "generation_result_id": _source_number(upscale),
        # An outside result's address is where the desk fetches its copy, not what was submitted.
        "image_url": "" if upscale.source_result_number else upscale.source_url,
        "model_name": upscale.model_name,
        "generation_settings": upscale.settings,
    }
    if upscale.requested_format:
        payload["result_format"] = upscale.requested_format
    channels = upscale.batch.channels if upscale.batch is not None else []
    if channels:
        payload["channels"] = channels
    return {
        "generation_id": upscale.pk,
        "status": upscale.status,
        "progress": upscale.progress,
        "error": upscale.error_message or upscale.why_closed or None,
        "credits": upscale.price,
        "feature_name": "upscale",
        "num_images": 1,
        "payload": json.dumps(payload),
        "created_at": upscale.created_at,
        "updated_at": upscale.updated_at,
        "avatar_id": None,
        "clothing_item_ids": [],
        "outfit_id": None,
        "review": upscale.review,
        "fidelity": _fidelity(upscale),
        **_labels(upscale),
        **({"channels": channels, "only_fitted": upscale.is_only_fitted} if channels else {}),
    }


def _labels(upscale: Upscale) -> dict[str, Any]:
    """What this desk's own fields of an order said; nothing where it gave none of them."""
    is_named = upscale.batch_id is not None or upscale.sku or upscale.reference
    if not is_named and upscale.source_name == _name_of_source(upscale):
        return {}
    return {
        "name": upscale.source_name,
        "sku": upscale.sku,
        "reference": upscale.reference,
        "batch_id": upscale.batch_id,
    }


def _name_of_source(upscale: Upscale) -> str:
    """What an upscale is called whose order gave no name."""
    if upscale.source_result is not None:
        return upscale.source_result.source_name
    if not upscale.source_url:
        return upscale.source_name
    link = signed_links.find_link(upscale.source_url)
    return file_names.shortened(link.name if link is not None else fetching.file_name(upscale.source_url))


def _source_number(upscale: Upscale) -> int:
    if upscale.source_result is not None:
        return upscale.source_result.result_id or 0
    return upscale.source_result_number or 0


def generation_detail(site: str, upscale: Upscale) -> dict[str, Any]:
    """An upscale with its result, if it gives one; ``site``: the desk's own address, for links."""
    found = [generation_result(site, upscale)] if upscale.gives_result else []
    return {**generation(upscale), "generation_results": found}


def generation_result(site: str, upscale: Upscale) -> dict[str, Any]:
    """The result of an upscale that is Done; ``site``: the desk's own address.

    One that waits for approval or was rejected has no address.
    """
    return {
        "generation_result_id": upscale.result_id,
        "generation_id": upscale.pk,
        "image_url": site + _result_path(upscale) if upscale.gives_file else "",
        "status": upscale.status,
        "available": upscale.is_referable and upscale.gives_file,
        "expires_at": upscale.expires_at,
        "width": upscale.result_width,
        "height": upscale.result_height,
        "created_at": upscale.completed_at,
        "updated_at": upscale.updated_at,
        "review": upscale.review,
        "fidelity": _fidelity(upscale),
        **_labels(upscale),
    }


def _result_path(upscale: Upscale) -> str:
    return signed_links.path(
        pictures.result_of(upscale),
        name=upscale.result_name,
        team_id=upscale.team_id,
        expires_at=upscale.expires_at,
        result_of=upscale.pk,
    )


def _fidelity(upscale: Upscale) -> dict[str, Any] | None:
    """What the check says of the result; None while it has said nothing."""
    check = FidelityCheck.of(upscale) if upscale.gives_result else None
    if check is None:
        return None
    return {"verdict": check.verdict, "reasons": check.reasons, "checked_at": check.checked_at}


def batch(one: Batch) -> dict[str, Any]:
    """How a batch stands, and what it has cost."""
    return batches([one])[0]


def batches(those: Sequence[Batch]) -> list[dict[str, Any]]:
    """How each of the batches stands."""
    counts, money = counts_of(those), money_of(those)
    return [_batch(one, counts[one.pk], *money[one.pk]) for one in those]


def _batch(batch: Batch, counts: Counts, charged: int, refunded: int) -> dict[str, Any]:
    return {
        "batch_id": batch.pk,
        "name": batch.name,
        "status": "Open" if counts.open else "Done",
        "counts": counts.by_status(),
        "total": batch.total,
        "credits_charged": charged,
        "credits_refunded": refunded,
        "model_name": batch.model_name,
        "generation_settings": batch.settings,
        "result_format": batch.requested_format,
        "created_at": batch.ordered_at,
        "ended_at": batch.ended_at,
        "cancelled_at": batch.cancelled_at,
        **({"reference": batch.reference} if batch.reference else {}),
        **({"channels": batch.channels} if batch.channels else {}),
    }
