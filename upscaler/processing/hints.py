"""Hints of a remote engine that something happened to a job: it is asked at once, and nothing else comes of one.

What a hint says is read by nobody. How the vendor signs its webhooks is not published, so an address that nobody can
guess says which upscale is meant, and the engine's own answer says how it stands.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.core import signing
from django.urls import reverse

from upscaler.accounts import rate_limit
from upscaler.models import Upscale, desk_identity
from upscaler.processing import lifecycle

logger = logging.getLogger(__name__)

PAUSE = 10
"""Seconds in which a second hint about the same upscale changes nothing."""


def address_for(upscale: Upscale) -> str:
    """Where the engine may send hints about the upscale; empty where this desk has no public address."""
    if not settings.PUBLIC_URL:
        return ""
    return settings.PUBLIC_URL + reverse("hint", args=[_signer().sign(str(upscale.pk))])


def take(signed: str) -> bool | None:
    """Have the upscale followed at once, if the engine has it and it waits to be asked.

    Whether it is; None where this desk never gave out that address.
    """
    try:
        upscale_id = int(_signer().unsign(signed))
    except (signing.BadSignature, ValueError):
        return None
    logger.info("upscale %s: a hint came", upscale_id)
    # Where the cache can't count, the polls go on as they are.
    if rate_limit.count(f"hint-{desk_identity()}-{upscale_id}", seconds=PAUSE) != 1:
        return False
    return lifecycle.follow_now(upscale_id)


def _signer() -> signing.Signer:
    # With the identity, because two desks may share a key (a copied .env).
    return signing.Signer(salt=f"upscaler.hints.{desk_identity()}", sep=".")
