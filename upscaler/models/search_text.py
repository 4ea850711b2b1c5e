"""What searches look in."""

from __future__ import annotations

from typing import Any

from django.db import models

from upscaler.text import folded


def search_text(sku: str, source_name: str) -> str:
    """What `upscaler.search` looks in: the SKU, which it finds by its beginning too, and then the name."""
    return f"{folded(sku)}\n{folded(source_name)}"


class SearchTextField(models.TextField):
    """`search_text` of the row itself, also where rows are added in bulk. An ``update()`` must name it."""

    def deconstruct(self) -> Any:
        """For migrations it is a text like any other."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs

    def pre_save(self, model_instance: Any, add: bool) -> str:
        """Make it anew from what the row says now."""
        text = search_text(model_instance.sku, model_instance.source_name)
        setattr(model_instance, self.attname, text)
        return text
