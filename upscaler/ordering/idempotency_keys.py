"""A caller's own name for a request: the same request sent twice is done once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import QuerySet

from upscaler.models import Batch, Team, Upscale

Made = TypeVar("Made", Upscale, Batch)


@dataclass(frozen=True)
class Idempotency:
    """A caller's own name for a request, with a digest of what was asked."""

    key: str
    digest: str

    @classmethod
    def of(cls, key: str, body: Any) -> Idempotency:
        """From the header and the body as it was sent."""
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return cls(key=key, digest=hashlib.sha256(canonical.encode()).hexdigest())


class IdempotencyConflict(Exception):
    """The key was used before for another request."""


def find_repeat(*, team: Team, idempotency: Idempotency) -> Upscale | None:
    """The upscale that this very request made before, if any.

    Raises IdempotencyConflict where the key was used for another request.
    """
    return _of_this_request(Upscale.objects.filter(team=team), idempotency)


def find_repeated_batch(*, team: Team, idempotency: Idempotency) -> Batch | None:
    """The batch that this very request made before, if any.

    Raises IdempotencyConflict where the key was used for another request.
    """
    return _of_this_request(Batch.objects.filter(team=team), idempotency)


def _of_this_request(rows: QuerySet[Made], idempotency: Idempotency) -> Made | None:
    earlier = rows.filter(idempotency_key=idempotency.key).first()
    if earlier is not None and earlier.request_digest != idempotency.digest:
        raise IdempotencyConflict
    return earlier
