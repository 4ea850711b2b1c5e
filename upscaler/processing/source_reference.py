"""Where a remote engine finds a source: a link to the desk's own copy, or a result of the engine's.

Only where no copy can be given it gets the address that a person gave.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from upscaler import fetching
from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, RemoteEngine
from upscaler.models import Upscale, media_storage
from upscaler.storage import pictures, signed_links

FRESH = timedelta(minutes=10)
MAX_LINK_LIFETIME = timedelta(weeks=1)
"""No presigned link of S3 lives longer."""
NO_PUBLIC_URL = (
    "Uploads can’t be enlarged by {engine} here, because {engine} could not fetch them: this desk has no public "
    "address. An admin has to set PUBLIC_URL to it, like https://upscaler.example.com. Until then, give the address of "
    "a picture on the web."
)
ADDRESS_UNCHECKED = (
    "{engine} fetches it from this address itself, because this desk has no public address: it may get another picture "
    "than the one that the desk checks."
)


def why_no_uploads() -> str:
    """Why files of the desk's own can't be enlarged, for people; empty where they can."""
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine) or _can_be_fetched():
        return ""
    return NO_PUBLIC_URL.format(engine=engine.title)


def address_caveat() -> str:
    """What people should know who give the address of a picture; empty where the engine gets the desk's own copy."""
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine) or _can_be_fetched():
        return ""
    return ADDRESS_UNCHECKED.format(engine=engine.title)


def reference_for(upscale: Upscale, engine: RemoteEngine) -> dict[str, Any]:
    """Where the engine finds the source. Raises EngineError where there is no way."""
    if upscale.source == Upscale.Source.RESULT:
        number = _living_result(upscale)
        if number is not None:
            return {"generation_result_id": number}
    elif upscale.source == Upscale.Source.URL and not _can_be_fetched():
        # What that host gives the engine need not be what it gave the desk; `ADDRESS_UNCHECKED` says so.
        return {"image_url": fetching.normal_form(upscale.source_url)}
    # The desk's own copy, which it has examined: of an upload, of a picture on the web, or of a result that ran out
    # while its order waited.
    if not _can_be_fetched():
        raise EngineError(NO_PUBLIC_URL.format(engine=engine.title), code="public_url_missing", permanent=True)
    picture = pictures.source_of(upscale)
    # A day to fetch it, and the longest outage that may put that off: a lost order is sent again with the same link.
    lifetime = min(timedelta(seconds=settings.UPLOAD_LINK_LIFETIME) + engine.limits.outage_time, MAX_LINK_LIFETIME)
    if (presigned := _presigned()) is not None:
        return {"image_url": presigned(picture.path, int(lifetime.total_seconds()))}
    expires_at = timezone.now() + lifetime
    link = signed_links.make(
        None,
        picture,
        name=upscale.source_name,
        team_id=upscale.team_id,
        expires_at=expires_at,
        for_engine=True,
    )
    return {"image_url": link}


def _can_be_fetched() -> bool:
    """Whether an engine elsewhere can get at a stored picture: from S3, or from the desk's public address."""
    return bool(settings.PUBLIC_URL) or _presigned() is not None


def _presigned() -> Callable[[str, int], str] | None:
    """What makes an address of a stored picture that works without the desk; None where the storage has no such."""
    # Not told by its class: importing that takes a quarter of a second, also where nobody uses it.
    return getattr(media_storage(), "presigned", None)


def _living_result(upscale: Upscale) -> int | None:
    """The engine's id of the source result, while the engine keeps it."""
    source = upscale.source_result
    if source is not None:
        return source.result_id if source.engine == upscale.engine and source.is_referable else None
    # Not made here: it was alive when it was ordered, and only a fresh order can rely on that.
    is_fresh = upscale.retry_of_id is None and timezone.now() - upscale.created_at < FRESH
    return upscale.source_result_number if is_fresh or not _can_be_fetched() else None
