"""Signed links to stored pictures: they work without a session, for one file of one team, until they expire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from upscaler.storage.pictures import StoredPicture

SALT = "upscaler.links"


@dataclass(frozen=True)
class Link:
    """What a signed link stands for."""

    picture: StoredPicture
    name: str
    """The name that people know the picture by."""
    team_id: int
    expires_at: datetime
    upscale_id: int | None
    """The upscale whose result the picture is; None for a source."""

    @property
    def is_alive(self) -> bool:
        """Whether it has not expired yet."""
        return timezone.now() < self.expires_at


def make(
    request: HttpRequest | None,
    picture: StoredPicture,
    *,
    name: str,
    team_id: int,
    expires_at: datetime | None = None,
    result_of: int | None = None,
) -> str:
    """The address of a stored picture, good until ``expires_at`` (a day from now unless told).

    ``result_of`` is the upscale whose result it is, so that its downloads can be noted.
    Without a request, as in a worker, PUBLIC_URL must be set.
    """
    expires_at = expires_at or timezone.now() + timedelta(seconds=settings.UPLOAD_LINK_LIFETIME)
    facts = [picture.path, picture.thumbnail, picture.width, picture.height, picture.file_size, picture.digest]
    content = [facts, name[-100:], team_id, int(expires_at.timestamp()), result_of]
    signed = signing.dumps(content, salt=SALT, compress=True)
    return absolute(request, reverse("signed-file", args=[signed, f"picture.{picture.path.rpartition('.')[2]}"]))


def absolute(request: HttpRequest | None, path: str) -> str:
    """``path`` with the desk's own address before it: PUBLIC_URL, or else the one that the request came to."""
    if settings.PUBLIC_URL or request is None:
        return settings.PUBLIC_URL + path
    return request.build_absolute_uri(path)


def site(request: HttpRequest | None) -> str:
    """The desk's own address, without a slash at its end."""
    return absolute(request, "/").removesuffix("/")


def read(signed: str) -> Link | None:
    """What a link's signed part stands for; None where this desk did not sign it."""
    try:
        # One that was made before this desk noted downloads has no fifth part.
        facts, name, team_id, expires, *result_of = signing.loads(signed, salt=SALT)
    except signing.BadSignature:
        return None
    return Link(
        picture=StoredPicture(*facts),
        name=name,
        team_id=team_id,
        expires_at=datetime.fromtimestamp(expires, tz=timezone.get_default_timezone()),
        upscale_id=result_of[0] if result_of else None,
    )


def find_link(url: str) -> Link | None:
    """The link that ``url`` is, where it is one of this desk's own; None for any other address.

    The signature proves it, whatever host name the caller knows this desk by.
    """
    try:
        match: Any = resolve(urlsplit(url).path)
    except (Resolver404, ValueError):
        return None
    return read(match.kwargs["signed"]) if match.url_name == "signed-file" else None
