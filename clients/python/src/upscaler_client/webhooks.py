"""Messages of the desk, taken only where their signature holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from standardwebhooks.webhooks import Webhook as _Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from upscaler_client import shapes
from upscaler_client.errors import WebhookInvalid

_PREFIX = "whsec_"


@dataclass(frozen=True)
class Event:
    """What the desk tells. The same event may come twice, with the same ``id``."""

    id: str
    type: str
    """``generation.completed``, ``generation.failed``, ``generation.reviewed`` or ``batch.completed``."""
    timestamp: datetime | None
    data: Mapping[str, Any]

    @property
    def generation(self) -> shapes.Generation | None:
        """The upscale that ended or was decided about, with its results; None where it is about a batch."""
        return shapes.generation(self.data) if "generation_id" in self.data else None

    @property
    def batch(self) -> shapes.Batch | None:
        """The batch that ended; None where it is about an upscale."""
        return shapes.batch(self.data) if "counts" in self.data else None


class Webhook:
    """Verifies messages by a secret, or by several while a program changes over from one to the next."""

    def __init__(self, *secrets: str) -> None:
        """``secrets``: as the desk showed them, or as the orders named them. Raises ValueError without any."""
        if not secrets or not all(secrets):
            raise ValueError("A webhook is verified by its secret: give at least one.")
        # Without its prefix a secret is text whose bytes are the key.
        self._verifiers = [_Webhook(one if one.startswith(_PREFIX) else one.encode()) for one in secrets]

    def verify(self, body: bytes | str, headers: Mapping[str, str]) -> Event:
        """The event of a message as it came: ``body`` is the raw bytes, not JSON that was read and written again.

        Raises WebhookInvalid where no secret fits, or the message is more than five minutes old.
        """
        given = {name.lower(): value for name, value in headers.items()}
        problem: Exception = WebhookVerificationError("No matching signature found")
        for verifier in self._verifiers:
            try:
                message = verifier.verify(body, given)
                return Event(given["webhook-id"], str(message["type"]), _moment(message), message["data"])
            except (WebhookVerificationError, ValueError, KeyError, TypeError) as error:
                # The library also lets out what it stumbles over in a header that is none.
                problem = error
        raise WebhookInvalid(f"This message is not to be trusted: {problem}") from None


def _moment(message: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(message["timestamp"]))
    except (KeyError, ValueError):
        return None
