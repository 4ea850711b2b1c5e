"""Which columns of a spreadsheet hold SKU, address and name: by their titles, or else by what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from upscaler import column_titles as titles
from upscaler import file_names
from upscaler.batches import rows
from upscaler.ordering.forms import MAX_SKU_LENGTH

HEADER_LINES = 20
"""The titles stand in one of the first so many lines."""
SAMPLE_LINES = 200
"""So many lines are looked at where titles don't tell."""


class Cell(NamedTuple):
    """What is seen in a cell, and where a link behind it leads."""

    text: str
    link: str = ""


class Line(NamedTuple):
    """A row of a file, with its number from 1."""

    number: int
    cells: list[Cell]


@dataclass(frozen=True)
class Layout:
    """Numbers of columns, from 0."""

    addresses: tuple[int, ...]
    sku: int | None
    name: int | None
    header: Line | None
    """None where no line holds titles."""

    def in_words(self) -> rows.Columns:
        """The titles of the columns, or letters where they have none."""
        return rows.Columns(
            sku="" if self.sku is None else self._title(self.sku),
            addresses=tuple(self._title(column) for column in self.addresses),
            name="" if self.name is None else self._title(self.name),
        )

    def _title(self, column: int) -> str:
        title = " ".join(_text(self.header, column).split()) if self.header else ""
        return title[: rows.MAX_SHOWN] or f"Column {_letters(column)}"


def layout_of(lines: list[Line]) -> Layout | None:
    """How a sheet that begins with ``lines`` is laid out; None where it holds no address."""
    header = header_of(lines)
    body = [line for line in lines if line is not header][:SAMPLE_LINES]
    counts = Counter(column for line in body for column in range(len(line.cells)) if addresses_at(line, column))
    if header is None:
        if not counts:
            return None
        addresses = _of_pictures(body, _mostly_addresses(body, counts))
        return Layout(addresses, _guessed_sku(body, addresses), None, None)
    found = _titles(header)
    addresses = _titled_addresses(body, found, counts)
    if not addresses:
        return None
    taken = set(addresses)
    sku = _ranked(found, titles.SKUS, taken)
    return Layout(addresses, sku, _ranked(found, titles.NAMES, taken | {sku}), header)


def header_of(lines: list[Line]) -> Line | None:
    """The line that holds the titles: that of the first ones in which most are known, and no address is."""
    best, most = None, 0
    for line in lines[:HEADER_LINES]:
        known = titles_known(line)
        if known > most:
            best, most = line, known
    return best


def titles_known(line: Line) -> int:
    """How many of what is looked for the line has a title of; 0 where an address stands in it."""
    if any(rows.is_address(cell.text) for cell in line.cells):
        return 0
    found = [title for title in _titles(line) if title]
    has_address = any(titles.is_picture(title) or title in titles.ADDRESSES for title in found)
    has_sku = any(title in titles.SKUS for title in found)
    has_name = any(title in titles.NAMES for title in found)
    return 2 * (has_address + has_sku) + has_name if has_address or has_sku else 0


def addresses_at(line: Line, column: int) -> list[str]:
    """The addresses that are seen in a cell, or else the one that it links to."""
    if column >= len(line.cells):
        return []
    cell = line.cells[column]
    if rows.is_address(cell.text):
        return rows.addresses_in(cell.text)
    if rows.is_address(cell.link):
        return [cell.link.strip()]
    return []


def _titles(line: Line) -> list[str]:
    return [titles.plain(cell.text) for cell in line.cells]


def _titled_addresses(body: list[Line], found_titles: list[str], counts: Counter[int]) -> tuple[int, ...]:
    pictures = tuple(column for column, title in enumerate(found_titles) if titles.is_picture(title))
    others = tuple(column for column, title in enumerate(found_titles) if title in titles.ADDRESSES)
    if found := tuple(column for column in pictures if counts[column]):
        return found
    if found := tuple(column for column in others if counts[column]):
        return _of_pictures(body, found, at_most_one=True)
    if counts:
        return _of_pictures(body, _mostly_addresses(body, counts))
    # All rows are wrong then, and each is said.
    return pictures or others[:1]


def _mostly_addresses(body: list[Line], counts: Counter[int]) -> tuple[int, ...]:
    filled = Counter(column for line in body for column, cell in enumerate(line.cells) if cell.text or cell.link)
    mostly = tuple(sorted(column for column, count in counts.items() if 2 * count >= filled[column]))
    return mostly or (counts.most_common(1)[0][0],)


def _of_pictures(body: list[Line], columns: tuple[int, ...], *, at_most_one: bool = False) -> tuple[int, ...]:
    """Those of the columns whose addresses end as pictures do: beside them, others lead to a product's page."""
    if len(columns) > 1:
        found = tuple(column for column in columns if _leads_to_pictures(body, column))
        if found:
            return found
    return columns[:1] if at_most_one else columns


def _leads_to_pictures(body: list[Line], column: int) -> bool:
    urls = [url for line in body for url in addresses_at(line, column)]
    pictures = sum(file_names.is_picture(_path(url)) for url in urls)
    return 2 * pictures >= len(urls) > 0


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _ranked(found_titles: list[str], ranks: dict[str, int], taken: Collection[int | None]) -> int | None:
    known = [(ranks[title], column) for column, title in enumerate(found_titles) if title in ranks]
    found = [(rank, column) for rank, column in known if column not in taken]
    return min(found)[1] if found else None


def _guessed_sku(body: list[Line], addresses: tuple[int, ...]) -> int | None:
    """The column with the most different short values, and of equal ones that nearest to the address."""
    values: dict[int, set[str]] = {}
    for line in body:
        for column, cell in enumerate(line.cells):
            is_short = 0 < len(cell.text) <= MAX_SKU_LENGTH
            if is_short and column not in addresses and not rows.is_address(cell.text):
                values.setdefault(column, set()).add(cell.text)
    if not values:
        return None
    return min(values, key=lambda column: (-len(values[column]), abs(column - addresses[0]), column))


def _text(line: Line, column: int) -> str:
    return line.cells[column].text if column < len(line.cells) else ""


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
