"""Addresses of the pictures that are compared: the team's own, or those of the share link that shows them."""

from __future__ import annotations

from django import template
from django.template import Context
from django.urls import reverse

from upscaler.models import Upscale

register = template.Library()

OWN = {
    "before": ("before",),
    "after": ("after",),
    "before_tiles": ("tiles", "before"),
    "after_tiles": ("tiles", "after"),
    "one_picture": ("comparison-picture",),
    "heat_map": ("heat-map",),
}
"""The team's page for each, and what follows the upscale's number in its address."""


@register.simple_tag(takes_context=True)
def picture_url(context: Context, upscale: Upscale, what: str) -> str:
    """One of the addresses in ``OWN``. A page of a share link has its own in ``shared_urls``, some of them empty."""
    if "shared_urls" in context:
        return str(context["shared_urls"][what])
    page, *rest = OWN[what]
    return reverse(page, args=[upscale.pk, *rest])
