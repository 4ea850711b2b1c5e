"""A team's channels: the table's, less those that it has switched off, and its own. And its products' codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from upscaler import file_names
from upscaler.channels import names, table
from upscaler.channels.names import Codes
from upscaler.channels.table import CHANNELS, Channel
from upscaler.errors import PublicError
from upscaler.models import ProductCode, Team, TeamChannel

MAX_OWN = 50
"""Channels that a team may have of its own."""
MAX_CODES = 500_000
"""Products of a team that codes are kept of."""
BATCH_SIZE = 2_000
PAGES = ("check", "codes")
"""What a channel's page would be in the way of."""


class Listed(NamedTuple):
    """A channel as a team sees it."""

    channel: Channel
    is_own: bool
    is_off: bool
    is_stale: bool


def listed(team: Team) -> list[Listed]:
    """All channels: the table's in its order, then the team's own by title."""
    today = timezone.localdate()
    rows = {row.channel_id: row for row in TeamChannel.objects.filter(team=team)}
    off = {id_ for id_, row in rows.items() if row.is_off}
    kept = [table.from_kept(row.row) for row in rows.values() if row.row]
    own = sorted((one for one in kept if one is not None), key=lambda one: one.title.lower())
    both = [(known, False) for known in CHANNELS.values()] + [(known, True) for known in own]
    return [Listed(known, is_own, known.id in off, table.is_stale(known, today)) for known, is_own in both]


def channels(team: Team) -> dict[str, Channel]:
    """The channels that the team uses, by id."""
    return used(listed(team))


def used(channels: Iterable[Listed]) -> dict[str, Channel]:
    """Those of them that are not switched off, by id."""
    return {one.channel.id: one.channel for one in channels if not one.is_off}


def titles(channels: Iterable[Listed]) -> dict[str, str]:
    """What people call each of them, those that are switched off among them, by id."""
    return {one.channel.id: one.channel.title for one in channels}


def find(team: Team, id_: str) -> Channel:
    """One that the team uses. Raises PublicError that names the ids."""
    return table.channel(id_, channels(team))


def switch(team: Team, id_: str, *, is_off: bool) -> Channel:
    """Switch a channel off for the team, or on again. Raises PublicError for one that is not there."""
    known = table.channel(id_, {one.channel.id: one.channel for one in listed(team)})
    TeamChannel.objects.update_or_create(team=team, channel_id=id_, defaults={"is_off": is_off})
    return known


def copy(team: Team, id_: str, title: str) -> Channel:
    """Make a channel of the team's own from a row. Raises PublicError with code ``too_many_channels`` as well."""
    known = {one.channel.id: one.channel for one in listed(team)}
    source = table.channel(id_, known)
    if len(known) - len(CHANNELS) >= MAX_OWN:
        raise PublicError(
            f"A team has at most {MAX_OWN} channels of its own. Delete one first.", code="too_many_channels"
        )
    title = file_names.without_spoofing(" ".join(title.split()))[:60].strip() or f"{source.title}, our own"
    stem = slugify(title)[:32] or "channel"
    taken = {*known, *PAGES}
    free = (f"{stem}-{number}" if number > 1 else stem for number in range(1, len(taken) + 2))
    made = dataclasses.replace(source, id=next(one for one in free if one not in taken), title=title)
    save(team, made)
    return made


def save(team: Team, channel: Channel) -> None:
    """Keep a channel of the team's own as it is now. Raises PublicError with code ``name_rule`` or ``not_own``."""
    if channel.id in CHANNELS:
        raise PublicError("The table's own rows stay as they are. Copy the row, and change the copy.", code="not_own")
    names.check_rule(channel.name_rule)
    TeamChannel.objects.update_or_create(team=team, channel_id=channel.id, defaults={"row": table.to_row(channel)})


def delete(team: Team, id_: str) -> None:
    """Forget a channel of the team's own. Nothing happens where there is none."""
    TeamChannel.objects.filter(team=team, channel_id=id_, row__isnull=False).delete()


def keep_codes(team: Team, codes: Mapping[str, Codes]) -> tuple[int, int]:
    """Keep codes by SKU: how many products are new, and how many were known and are as the table says now.

    A code that the table has not stays as it was. All of it is kept or nothing. Raises PublicError with code
    ``too_many_codes``.
    """
    with transaction.atomic():
        # Two tables at once would each count without the other.
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        known = _known(team, codes)
        total = ProductCode.objects.filter(team=team).count()
        if total + len(codes) - len(known) > MAX_CODES:
            raise PublicError(
                f"The desk keeps codes of {MAX_CODES:,} products for a team; with these there would be more. Leave out "
                "what is not sold any more.",
                code="too_many_codes",
            )
        rows = [
            ProductCode(team=team, sku=sku, **dataclasses.asdict(_merged(known.get(sku), given)))
            for sku, given in codes.items()
        ]
        ProductCode.objects.bulk_create(
            rows,
            batch_size=BATCH_SIZE,
            update_conflicts=True,
            unique_fields=["team", "sku"],
            update_fields=["asin", "ean", "gtin", "updated_at"],
        )
    return len(codes) - len(known), len(known)


def codes_of(team: Team, skus: Iterable[str]) -> dict[str, Codes]:
    """The codes that are known of these products, by SKU."""
    return _known(team, skus)


def _known(team: Team, skus: Iterable[str]) -> dict[str, Codes]:
    listed_skus = list(dict.fromkeys(skus))
    found: dict[str, Codes] = {}
    for start in range(0, len(listed_skus), BATCH_SIZE):
        part = ProductCode.objects.filter(team=team, sku__in=listed_skus[start : start + BATCH_SIZE])
        found |= {row.sku: Codes(row.asin, row.ean, row.gtin) for row in part}
    return found


def _merged(known: Codes | None, given: Codes) -> Codes:
    if known is None:
        return given
    return Codes(given.asin or known.asin, given.ean or known.ean, given.gtin or known.gtin)
