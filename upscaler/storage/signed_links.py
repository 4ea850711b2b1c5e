"""Signed links to stored pictures: they work without a session, for one file of one team, until they expire."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.db.models import BigIntegerField, CharField, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from upscaler import file_names
from upscaler.models import DELETED, WITHDRAWN, DraftItem, UnorderedUpload, Upscale, desk_identity, media_storage
from upscaler.models.prepared import Place, Prepared
from upscaler.storage.pictures import StoredPicture

MAX_ASKED = 200
"""Files that the storage is asked for. Of more, far away in S3, a program would wait for the answers too long."""
OLD_SALT = "upscaler.links"
"""Of links that were made before desks had identities: the team's own people open those for good."""


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
    for_engine: bool = False
    """Whether it was made for a remote engine, as the source of an order."""

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
    for_engine: bool = False,
) -> str:
    """The address of a stored picture: this desk's own, and `path`.

    Without a request, as in a worker, PUBLIC_URL must be set.
    """
    own = path(picture, name=name, team_id=team_id, expires_at=expires_at, result_of=result_of, for_engine=for_engine)
    return absolute(request, own)


def path(
    picture: StoredPicture,
    *,
    name: str,
    team_id: int,
    expires_at: datetime | None = None,
    result_of: int | None = None,
    for_engine: bool = False,
) -> str:
    """The address of a stored picture on this desk, good until ``expires_at`` (a day from now unless told).

    ``result_of`` is the upscale whose result it is, so that its downloads can be noted. One that is ``for_engine``
    gives a result that waits for approval too: it is shown to nobody but the engine.
    """
    expires_at = expires_at or timezone.now() + timedelta(seconds=settings.UPLOAD_LINK_LIFETIME)
    facts = [picture.path, picture.thumbnail, picture.width, picture.height, picture.file_size, picture.digest]
    content = [facts, file_names.shortened(name), team_id, int(expires_at.timestamp()), result_of]
    if for_engine:
        content.append(True)
    signed = signing.dumps(content, salt=_own_salt(), compress=True)
    return reverse("signed-file", args=[signed, file_names.for_address(name)])


def absolute(request: HttpRequest | None, path: str) -> str:
    """``path`` with the desk's own address before it: PUBLIC_URL, or else the one that the request came to."""
    if settings.PUBLIC_URL or request is None:
        return settings.PUBLIC_URL + path
    return request.build_absolute_uri(path)


def site(request: HttpRequest | None) -> str:
    """The desk's own address, without a slash at its end."""
    return absolute(request, "/").removesuffix("/")


def _own_salt() -> str:
    # In the signature, because two desks may share a key (a copied .env).
    return f"upscaler.links.{desk_identity()}"


def read(signed: str) -> Link | None:
    """What a link's signed part stands for; None where this desk did not sign it.

    Whether it signed an old one is not known for sure: see `find_link`.
    """
    return _read(signed, _own_salt()) or _read(signed, OLD_SALT)


def _read(signed: str, salt: str) -> Link | None:
    try:
        # One that was made before this desk noted downloads has no fifth part; an engine's alone has a sixth.
        facts, name, team_id, expires, *more = signing.loads(signed, salt=salt)
    except signing.BadSignature:
        return None
    return Link(
        picture=StoredPicture(*facts),
        name=name,
        team_id=team_id,
        expires_at=datetime.fromtimestamp(expires, tz=timezone.get_default_timezone()),
        upscale_id=more[0] if more else None,
        for_engine=len(more) > 1,
    )


def find_link(url: str, *, host: str = "") -> Link | None:
    """The link that ``url`` is, where it is one of this desk's own; None for any other address.

    The signature proves it, whatever host name the caller knows this desk by. An old link's signature says only that
    a desk with this key made it, so its host must be this one's too: PUBLIC_URL's or ``host``, which the request named.
    """
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    # By hand: to resolve an address, Django goes through all that the desk has.
    begin = reverse("signed-file", args=["-", "-"]).removesuffix("-/-")
    signed, _, name = path.removeprefix(begin).partition("/")
    if not path.startswith(begin) or not name or "/" in name:
        return None
    return _read(signed, _own_salt()) or (_read(signed, OLD_SALT) if _is_at_home(url, host) else None)


def why_closed(link: Link) -> str:
    """Why nobody gets the link's picture any more, as `Upscale.why_closed`; empty where it is given out."""
    # Of most no such row names it, which one question tells.
    maybe = CLOSING.first(path=link.picture.path, upscale=link.upscale_id or 0)
    if maybe is not None and (why := closed([link]).get(link)):
        return why
    # No row names an upload that nobody has ordered yet, nor a file that went with the last row that needed it.
    return "" if media_storage().exists(link.picture.path) else DELETED


def _closing() -> Any:
    """Rows that may close a link: deleted or withdrawn, and named by it or naming its file."""
    path, upscale = Place("path", CharField()), Place("upscale", BigIntegerField())
    named = Q(source_file=path) | Q(result_file=path) | Q(pk=upscale)
    rows = Upscale.objects.filter(named, Q(deleted_at__isnull=False) | Q(withdrawn_at__isnull=False))
    return rows.order_by().values_list("pk")[:1]


CLOSING = Prepared(_closing)


def closed(links: Collection[Link]) -> dict[Link, str]:
    """Those of the links whose picture nobody gets any more, with the reason, as far as the rows tell it."""
    if not links:
        return {}
    paths = {link.picture.path for link in links}
    withdrawn = _named(Upscale.objects.filter(withdrawn_at__isnull=False), paths, ("result_file",))
    numbers = {link.upscale_id for link in links if link.upscale_id is not None}
    deleted = {row.pk: row.why_deleted for row in Upscale.objects.filter(pk__in=numbers, deleted_at__isnull=False)}
    gone = _named(Upscale.objects.filter(deleted_at__isnull=False), paths)
    gone -= _named(Upscale.objects.present(), gone)
    gone -= set(DraftItem.objects.filter(file__in=gone).values_list("file", flat=True)) if gone else set()
    found = {}
    for link in links:
        if link.picture.path in withdrawn:
            found[link] = WITHDRAWN
        elif link.upscale_id in deleted or link.picture.path in gone:
            # The file of a deleted result may be there still, where it is the source of another order.
            found[link] = deleted.get(link.upscale_id or 0, DELETED)
    return found


def lost(links: Collection[Link]) -> dict[Link, str]:
    """Those of the links whose file went with the last row that needed it, so that no row tells it: `DELETED`.

    The storage is asked for the first `MAX_ASKED` that no row names.
    """
    paths = {link.picture.path for link in links}
    waiting = UnorderedUpload.objects.filter(path__in=paths).values_list("path", flat=True) if paths else ()
    unnamed = paths.difference(waiting)
    unnamed -= _named(Upscale.objects.present(), unnamed)
    gone = {path for path in sorted(unnamed)[:MAX_ASKED] if not media_storage().exists(path)}
    return {link: DELETED for link in links if link.picture.path in gone}


def _named(
    rows: QuerySet[Upscale], paths: Collection[str], fields: Sequence[str] = ("source_file", "result_file")
) -> set[str]:
    found: set[str] = set()
    for field in fields if paths else ():
        named = rows.filter(**{f"{field}__in": list(paths)}).order_by()
        found |= set(named.values_list(field, flat=True))
    return found


def _is_at_home(url: str, host: str) -> bool:
    try:
        place = _place(url)
        own = [_place(settings.PUBLIC_URL), _place(f"{urlsplit(url).scheme}://{host}")]
    except ValueError:
        return False
    return place is not None and place in own


def _place(address: str) -> tuple[str, int | None] | None:
    """Host and port of an address; None where it names no host."""
    parts = urlsplit(address)
    return (parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)) if parts.hostname else None
