"""The cards of the history, drawn once for as long as they look the same: a page of them is most of a page's work."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db.models.fields.files import FieldFile
from django.utils.safestring import SafeString

from upscaler.models import FidelityCheck, Upscale

register = template.Library()

MOST = 2_000
"""Cards that a process keeps, of some 5 kB each with what they were drawn of."""
NAMES = ("row_query", "oob")
"""What a card takes of the page around it, beside the channels' titles."""


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
    around = {name: context.get(name, "") for name in NAMES}
    if upscale.status == Upscale.Status.ERROR and upscale.later_try is None:
        # It has a form, which carries what only this browser may send.
        return _draw(context, upscale)
    key, facts = (upscale.pk, *around.values()), _facts(upscale, context.get("channel_titles"))
    found = _cards.find(key, facts)
    if found is None:
        found = _draw(context, upscale)
        _cards.add(key, facts, found)
    return found


def _draw(context: template.RequestContext, upscale: Upscale) -> SafeString:
    # As `include` does it.
    around = cast(template.Template, context.template)
    drawn = around.engine.get_template("history/_row.html")
    with context.push(u=upscale):
        card: SafeString = drawn.render(context)
    return card


def _facts(upscale: Upscale, titles: Any) -> tuple[Any, ...]:
    """All that a card shows: two with the same look the same."""
    own = [_plain(upscale.__dict__.get(name)) for name in _columns()]
    person, batch, source = upscale.created_by, upscale.batch, upscale.source_result
    check = FidelityCheck.of(upscale)
    later = upscale.later_try
    return (
        own,
        (person.get_full_name(), person.get_username()) if person is not None else None,
        [(titles or {}).get(channel, channel) for channel in batch.channels] if batch is not None else None,
        source.withdrawn_at if source is not None else None,
        check.words if check is not None else None,
        later.pk if later is not None else None,
        naturaltime(upscale.created_at),
    )


@lru_cache(maxsize=1)
def _columns() -> tuple[str, ...]:
    return tuple(field.attname for field in Upscale._meta.concrete_fields)


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, FieldFile) else value
