"""The SKUs of a draft's items: typed ones as they are, the others by the draft's pattern."""

from __future__ import annotations

from dataclasses import dataclass

from upscaler.batches import drafts, sku
from upscaler.batches.sku import SkuPattern
from upscaler.models import Batch, DraftItem

FOLDER = "folder"
"""The pattern that takes the folder's name."""
NONE = "-"
"""What a draft notes whose person wants no SKUs from names; with nothing noted the pattern is guessed."""
SAMPLE = 500


@dataclass(frozen=True)
class Skus:
    """How a draft takes SKUs from names."""

    text: str
    """As a person would write it: a pattern, `FOLDER`, or nothing."""
    pattern: SkuPattern | None
    names: list[str]
    """The first of the draft's, for an example."""

    def of(self, item: DraftItem) -> str:
        """The item's SKU; may be empty."""
        if item.is_sku_typed:
            return item.sku
        if self.text == FOLDER:
            return sku.from_folder(item.folder)
        return self.pattern.sku_of(item.name) if self.pattern is not None else ""

    @property
    def words(self) -> str:
        """What the pattern takes; empty without one."""
        if self.text == FOLDER:
            return "the name of the folder"
        return self.pattern.meaning if self.pattern is not None else ""

    @property
    def example(self) -> str:
        """``48220 from 48220_red_front.jpg``, of the first name that the pattern fits."""
        if self.pattern is None:
            return ""
        for name in self.names:
            if found := self.pattern.sku_of(name):
                return f"{found} from {name}"
        return f"none in {self.names[0]}" if self.names else ""


def skus_of(draft: Batch) -> Skus:
    """The pattern that the person chose, or else one that fits the names."""
    good = draft.items.filter(problem="").exclude(name="").order_by("pk")
    names = list(good.values_list("name", flat=True)[:SAMPLE])
    text = draft.sku_pattern or sku.guess_pattern(names) or ""
    text = "" if text == NONE else text
    return Skus(text, sku.compile(text) if text not in ("", FOLDER) else None, names)


def choose(draft: Batch, text: str) -> None:
    """Take SKUs from names by ``text``: a pattern, `FOLDER`, or nothing at all.

    Raises PublicError where it is no pattern, and as `drafts.changing` does.
    """
    text = text.strip()
    if text not in ("", FOLDER):
        sku.compile(text)
    with drafts.changing(draft):
        draft.sku_pattern = text or NONE
        Batch.objects.filter(pk=draft.pk).update(sku_pattern=draft.sku_pattern)
