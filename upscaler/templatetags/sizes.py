"""Amounts of bytes on pages, as messages and the API's refusals have them."""

from __future__ import annotations

from django import template

from upscaler.text import format_bytes

register = template.Library()

register.filter("bytes", format_bytes)
