"""The history's cards and the batches' rows, drawn once for as long as they look the same: most of a page's work."""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from django import template
from django.db.models.fields.files import FieldFile
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from upscaler.models import FidelityCheck, Upscale

register = template.Library()

MOST = 3_000
"""Cards and rows that a process keeps, of some 5 kB each with what they were drawn of."""
FORM_KEY = secrets.token_hex(16)
"""What stands in a kept card where the form's key of the one who looks belongs."""


class _Cards:
    """What was drawn last of each upscale, with what it was drawn of."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[Any, ...], tuple[Any, SafeString]] = {}

    def find(self, key: tuple[Any, ...], facts: Any) -> SafeString | None:
        found = self._drawn.get(key)
        return found[1] if found is not None and found[0] == facts else None

    def add(self, key: tuple[Any, ...], facts: Any, card: SafeString) -> None:
        if len(self._drawn) >= MOST:
            self._drawn.clear()
        self._drawn[key] = (facts, card)


_cards = _Cards()


@register.simple_tag(takes_context=True)
def card(context: template.RequestContext, upscale: Upscale) -> SafeString:
    """The card of an upscale, as `history/_row.html` draws it."""
    person, batch = upscale.created_by, upscale.batch
    # Asked for once used: most cards have no channels.
    channels = batch.channels if batch is not None else []
    of_others = (
        (person.get_full_name(), person.get_username()) if person is not None else None,
        [context["channel_titles"].get(channel, channel) for channel in channels],
        _age(upscale.created_at),
    )
    return _kept(context, upscale, "history/_row.html", ("row_query", "oob"), of_others)


@register.simple_tag(takes_context=True)
def batch_row(context: template.RequestContext, upscale: Upscale) -> SafeString:
    """The row of an upscale on its batch's page, as `batches/_row.html` draws it."""
    return _kept(context, upscale, "batches/_row.html", ("page_number", "oob"), ())


def _kept(
    context: template.RequestContext, upscale: Upscale, name: str, around: tuple[str, ...], of_others: tuple[Any, ...]
) -> SafeString:
    """What the template draws; ``around`` is what it takes of the page, ``of_others`` what it shows of other rows."""
    key = (name, upscale.pk, *(context.get(one, "") for one in around))
    facts = (_facts(upscale), of_others)
    found = _cards.find(key, facts)
    if found is None:
        unread = upscale.get_deferred_fields()
        found = _draw(context, upscale, name)
        # What was read only now is not among the facts, and would change unseen.
        if upscale.get_deferred_fields() == unread:
            _cards.add(key, facts, found)
    if FORM_KEY not in found:
        return found
    # It has a form, which carries what only this browser may send: hexadecimal digits and letters.
    return mark_safe(found.replace(FORM_KEY, str(context.get("csrf_token", ""))))  # noqa: S308


def _draw(context: template.RequestContext, upscale: Upscale, name: str) -> SafeString:
    # As `include` does it.
    around = cast(template.Template, context.template)
    drawn = around.engine.get_template(name)
    with context.push(u=upscale, csrf_token=FORM_KEY):
        card: SafeString = drawn.render(context)
    return card


def _facts(upscale: Upscale) -> tuple[Any, ...]:
    """All that is shown of the upscale itself, which `to_show` has read, its source, its check and its retries."""
    # What was not read is not shown.
    own = [value.name if isinstance(value, FieldFile) else value for value in map(upscale.__dict__.get, _columns())]
    source, check = upscale.source_result, FidelityCheck.of(upscale)
    return (
        own,
        source.withdrawn_at if source is not None else None,
        check.words if check is not None else None,
        upscale.later_try,
    )


def _age(time: datetime) -> tuple[int, int]:
    """The same while "3 hours ago" stays the same: to put it into words takes longer than all else of a kept card."""
    seconds = (timezone.now() - time).total_seconds()
    unit = 1 if seconds < 60 else 60 if seconds < 3600 else 3600
    return unit, int(seconds // unit)


@lru_cache(maxsize=1)
def _columns() -> tuple[str, ...]:
    return tuple(field.attname for field in Upscale._meta.concrete_fields)
