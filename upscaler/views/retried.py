"""What a page says of failed pictures that can't be tried again."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest

from upscaler.models import Upscale

MAX_NAMED = 5


def tell_refused(request: HttpRequest, refused: Sequence[tuple[Upscale, str]]) -> None:
    """Name the first ones with the reason of each, and count the rest."""
    for upscale, why in refused[:MAX_NAMED]:
        messages.error(request, f"{upscale.source_name or 'Picture from the web'}: {why}")
    if len(refused) > MAX_NAMED:
        messages.error(request, f"{len(refused) - MAX_NAMED:,} more can’t be tried again as they were.")
