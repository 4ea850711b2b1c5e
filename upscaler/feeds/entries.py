"""What a feed is read into: products with the addresses of their pictures, and rows that are none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from upscaler import file_names

MAX_SKU = 100
MAX_TITLE = 255
MAX_SHOWN = 120
"""Characters of a wrong row that are shown again."""
MAX_PICTURES = 50
"""Of one row; shops show ten to twenty."""
MAX_URL = 8000

_STARTS = re.compile(r"\s*https?://", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<![\s,;|])[\s,;|]++(?=https?://)", re.IGNORECASE)
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d{1,3}", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A product, or one row of it."""

    row: int
    """Its place in the feed, from 1: the line, or in XML the product's number."""
    sku: str
    title: str
    urls: tuple[str, ...]
    """As they are written, the main picture's first."""


@dataclass(frozen=True)
class WrongEntry:
    """A row that can't be read, and why, for people."""

    row: int
    code: str
    message: str
    text: str = ""
    """What stands there, at most `MAX_SHOWN` characters."""
    sku: str = ""


def entry(row: int, *, sku: str, title: str, urls: list[str]) -> Entry | WrongEntry:
    """An entry of what stands in a row, or what is wrong with it."""
    sku = file_names.without_spoofing(" ".join(sku.split()))
    title = file_names.without_spoofing(" ".join(title.split()))[:MAX_TITLE]
    if _ROUNDED.fullmatch(sku):
        return WrongEntry(
            row,
            "sku_rounded",
            f"A spreadsheet program has rounded the SKU to {sku}, so its last digits are lost. Export the feed again "
            "with the column as text.",
            title or sku,
        )
    if len(sku) > MAX_SKU:
        return WrongEntry(
            row, "sku_too_long", f"The SKU has {len(sku):,} characters; the limit is {MAX_SKU}.", shown(sku)
        )
    found = tuple(dict.fromkeys(url for cell in urls for url in addresses_in(cell)))
    if not found:
        return WrongEntry(row, "no_address", "There is no address of a picture in this row.", shown(title), sku)
    return Entry(row, sku, title, found[:MAX_PICTURES])


def addresses_in(cell: str) -> list[str]:
    """The addresses in a cell, parted by commas, blanks or the like; what is none comes as it is, to be refused."""
    return [part for piece in _BETWEEN.split(cell.strip()) if (part := piece.strip(" \t\r\n,;|"))]


def is_address(text: str) -> bool:
    """Whether the text begins as web addresses do."""
    return _STARTS.match(text) is not None


def shown(text: str) -> str:
    """The beginning of what stands in a row, in one line."""
    text = file_names.without_spoofing(" ".join(text[: 4 * MAX_SHOWN].split()))
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
