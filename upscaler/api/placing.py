"""One order of a program's, whichever of the two interfaces it came in by: the same rules, charge and idempotency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from ninja.errors import ValidationError as RequestInvalid

from upscaler.api import errors
from upscaler.api.auth import token_of
from upscaler.batches import items
from upscaler.models import Upscale
from upscaler.ordering import idempotency_keys, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.webhooks import WebhookForm


def place(
    request: HttpRequest,
    body: Mapping[str, Any],
    *,
    key: str | None,
    sent: Mapping[str, Any],
    file: UploadedFile | None = None,
) -> Upscale:
    """Order what the ``body`` says, in the fields of the forms, or give what the same request ordered before.

    ``file``: the picture itself, where it came with the order. ``key``: the request's Idempotency-Key; ``sent``: the
    body as the program wrote it, which that key stands for.
    Raises ninja's ValidationError and whatever `submission.submit` raises.
    """
    token = token_of(request)
    idempotency = idempotency_keys.Idempotency.of(key, sent) if key else None
    if idempotency and (earlier := idempotency_keys.find_repeat(team=token.team, idempotency=idempotency)):
        return earlier
    form, webhook = UpscaleForm(body, {"image": file}, team=token.team, host=request.get_host()), WebhookForm(body)
    if not all([form.is_valid(), webhook.is_valid()]) or form.order is None:
        errors.check_engine(form)
        raise RequestInvalid(errors.problems_of(form) + errors.problems_of(webhook))
    order = replace(form.order, webhook=webhook.endpoint(team=token.team, user=token.user, request=request))
    # Its channels are a batch's, so it is one of one.
    batch = items.batch(dict(body), [order], is_single_order=True) if order.channels else None
    [upscale] = submission.submit(
        [order], team=token.team, user=token.user, token=token, idempotency=idempotency, batch=batch
    )
    return upscale


def created(upscale: Upscale) -> dict[str, Any]:
    """What a submit answers."""
    return {"generation_id": upscale.pk, "created_at": upscale.created_at, "updated_at": upscale.updated_at}
