"""Times on pages: with their zone, and marked so that ``times.js`` can show them in the reader's own."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from upscaler.text import format_datetime

register = template.Library()

STYLES = {"long": "j F Y, H:i e", "short": "j M Y, H:i e", "clock": "H:i e", "day": "j M Y"}
"""Of what is shown; the zone is the desk's. ``ago`` is one more: "3 hours ago", with the time itself as its title."""


@register.filter
def local_time(time: datetime, style: str = "long") -> SafeString:
    """A ``<time>`` element in one of the ``STYLES``, or ``ago``. Raises KeyError for another one."""
    local = timezone.localtime(time)
    return format_html(
        '<time datetime="{}" data-time="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        style,
        format_datetime(time),
        naturaltime(time) if style == "ago" else date_format(local, STYLES[style]),
    )
