"""Secrets and signatures of webhooks, by the specification of Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Of a secret's random part, as the specification has it."""


def new_secret() -> str:
    """A secret of 32 random bytes, as ``whsec_`` and Base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(text: str) -> bool:
    """Whether the text is a secret by the specification: ``whsec_`` and Base64 of 24 to 64 bytes."""
    if not text.startswith(PREFIX):
        return False
    try:
        content = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return LEAST_BYTES <= len(content) <= MOST_BYTES


def headers(message_id: str, sent_at: datetime, body: str, *, given: Sequence[str]) -> dict[str, str]:
    """The three headers of a message, signed with each of the ``given`` secrets; with none there is no signature."""
    found = {"webhook-id": message_id, "webhook-timestamp": str(int(sent_at.timestamp()))}
    if given:
        # The library takes any moment for one of UTC.
        moment = sent_at.astimezone(UTC)
        found["webhook-signature"] = " ".join(Webhook(_key(one)).sign(message_id, moment, body) for one in given)
    return found


def _key(secret: str) -> str | bytes:
    # Programs that were written for the vendor may bring a word of their own.
    return secret if secret.startswith(PREFIX) else secret.encode()
