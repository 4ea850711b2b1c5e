"""Links of the owner's, made as the page makes them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image

from tests.conftest import Person
from upscaler.models import Batch, FidelityCheck, Upscale, media_storage
from upscaler.processing import worker_step

ADDRESS = re.compile(r'value="http://testserver(/s/[\w-]{43}/)"')


def shared(person: Person, shows: Upscale | Batch, **sent: Any) -> str:
    """The path of a new link, from the page's form. ``sent``: its fields; with ``days=7`` unless told."""
    answer = person.client.post(f"{shows.get_absolute_url()}share/", {"label": "For the client", "days": 7, **sent})
    found = ADDRESS.search(answer.content.decode())
    assert answer.status_code == 200 and found, answer.content.decode()
    return found[1]


def doubted(upscale: Upscale) -> Upscale:
    """The result with what the check leaves of one that it doubts, without the time that it takes."""
    picture = io.BytesIO()
    Image.new("RGBA", (24, 20), (255, 0, 0, 90)).save(picture, "PNG")
    stored = media_storage().save("heat-maps/2026/11/doubted.png", ContentFile(picture.getvalue()))
    said = {
        "verdict": "look",
        "reasons": ["colour"],
        "report": {"regions": [{"reason": "colour", "value": 9.0, "box": [2, 2, 8, 8]}]},
        "heat_map": stored,
        "checked_at": timezone.now(),
    }
    FidelityCheck.objects.update_or_create(upscale=upscale, defaults=said)
    return upscale


@pytest.fixture
def done_batch(order_batch: Callable[..., Batch]) -> Callable[..., Batch]:
    """A batch of the owner's, all of whose pictures are ready."""

    def make(*names: str) -> Batch:
        batch = order_batch(*names)
        for upscale in batch.upscales.order_by("pk"):
            worker_step.step(upscale.pk)
        return batch

    return make
