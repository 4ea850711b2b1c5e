"""Channels in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django import template

register = template.Library()


@register.filter
def titled(ids: Iterable[str], titles: Mapping[str, str]) -> str:
    """The channels of these ids by the names that people know, with commas between them."""
    return ", ".join(titles.get(id_, id_) for id_ in ids)
