"""Ordering anew what was ordered before: "Try again", the offers of the submit page, the admin's action.

One road for all of them, through `UpscaleForm`: what was allowed then may not be allowed now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from upscaler.errors import PublicError
from upscaler.models import WITHDRAWN, Upscale
from upscaler.ordering import results, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.submission import NewUpscale, RetriedBefore
from upscaler.processing import source_reference
from upscaler.storage import pictures


@dataclass(frozen=True)
class Retry:
    """What came of trying a failed upscale again."""

    upscale: Upscale
    is_new: bool
    """False where somebody had tried it again before: nothing was charged now."""


def reorder(
    upscale: Upscale, *, model_name: str = "", generation_settings: Mapping[str, Any] | None = None
) -> NewUpscale:
    """The same order once more, by today's rules, from the desk's own copy of the source where there is one; with
    another model and its ``generation_settings`` where these are given.

    Raises PublicError with the rule that it breaks now.
    """
    if not upscale.gives_source:
        raise results.closed(upscale.why_closed or WITHDRAWN)
    body = {
        "model_name": model_name or upscale.model_name,
        "generation_settings": upscale.settings if generation_settings is None else generation_settings,
        "result_format": upscale.requested_format,
    }
    kept = pictures.source_of(upscale) if upscale.source_file else None
    refusal = source_reference.why_no_uploads()
    if upscale.source_result_number and (kept is None or refusal):
        kept = None
        body["generation_result_id"] = upscale.source_result_number
    elif kept is None:
        body["image_url"] = upscale.source_url
    elif refusal and _needs_reach(upscale):
        raise PublicError(refusal, code="public_url_missing")
    form = UpscaleForm(body, team=upscale.team, kept=kept, before=upscale)
    if not form.is_valid() or form.order is None:
        errors = [error for of_field in form.errors.as_data().values() for error in of_field]
        raise PublicError(" ".join(errors[0].messages), code=errors[0].code or "invalid")
    order = replace(
        form.order,
        source_name=upscale.source_name,
        sku=upscale.sku,
        reference=upscale.reference,
        source_folder=upscale.source_folder,
    )
    # A number of the engine's own is not passed on: it may have dropped that result since, and would be asked for it.
    if kept is None or upscale.source_result_number:
        return order
    return replace(order, source=upscale.source, source_url=upscale.source_url, source_result=upscale.source_result)


def retry(failed: Upscale, *, user: Any, request: HttpRequest | None = None) -> Retry:
    """Order a failed upscale anew, once: of a second click, or one on a page from before, comes the same upscale.

    Raises PublicError where today's rules refuse it, or where it has not failed; credits.CreditsRefused; OSError.
    """
    if failed.status != Upscale.Status.ERROR:
        raise PublicError("Only what has failed can be tried again.", code="not_failed")
    if (earlier := submission.find_retry(failed)) is not None:
        return Retry(earlier, is_new=False)
    order = replace(reorder(failed), retry_of=failed)
    try:
        [upscale] = submission.submit([order], team=failed.team, user=user, request=request)
    except RetriedBefore as before:
        return Retry(before.upscale, is_new=False)
    return Retry(upscale, is_new=True)


def _needs_reach(upscale: Upscale) -> bool:
    """Whether a remote engine would have to fetch the desk's own copy."""
    if upscale.source == Upscale.Source.RESULT:
        source = upscale.source_result
        return source is None or source.engine != settings.ENGINE or not source.is_referable
    return upscale.source == Upscale.Source.UPLOAD
