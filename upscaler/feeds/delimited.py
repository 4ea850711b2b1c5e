"""Product feeds in rows: Google's TSV, Shopify's export, any CSV with titles, and plain lists of addresses."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from upscaler import column_titles, tables
from upscaler.errors import PublicError
from upscaler.feeds import text
from upscaler.feeds.entries import Entry, WrongEntry, entry, is_address, shown

MAX_LINE = 1_000_000
"""Characters of one line."""
MAX_LINES = 500
"""Lines of one row: descriptions have line ends inside."""
MAX_ROW = 400_000
"""Characters of one row."""
MAX_COLUMNS = 1_000
HEADER_LINES = 10
"""The titles stand in one of the first so many rows."""
GOOGLE, SHOPIFY, TITLED, LIST = "Google Merchant, in rows", "Shopify export", "table", "list of addresses"

TOO_LONG = "\0\n"
"""What comes in the place of a line of more than `MAX_LINE` characters. No other line has a NUL."""

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR = re.compile(r'"?sep=([,;\t|:^~#])"?\s*', re.IGNORECASE)
_FORMULA = re.compile(r'=\s*"([^"]*)"')
_SHOPIFY = ("handle", "imagesrc")
# Also a field that is never closed stays within a row's limit.
csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))

Row = tuple[int, list[str]]
"""The line that it begins in, from 1, and its cells."""


@dataclass
class Layout:
    """What the columns hold, by their numbers from 0."""

    kind: str
    urls: list[int] = field(default_factory=list)
    sku: int | None = None
    title: int | None = None
    handle: int | None = None
    variant_picture: int | None = None


def read(source: IO[str], found: list[str]) -> Iterator[Entry | WrongEntry]:
    """Every row, good or bad; the kind of feed is put into ``found``.

    Raises PublicError with the code ``no_addresses`` where no column holds any, and `text.CutOff` behind a last row
    that ends in the middle.
    """
    lines = _Lines(source)
    first = lines.peek(HEADER_LINES)
    separator = _SEPARATOR.fullmatch(first[0]) if first else None
    if separator:
        next(lines)
    rows = _Rows(lines, separator[1] if separator else _delimiter(first))
    yield from of_rows(iter(rows), found)
    if rows.is_cut_off and LIST not in found:
        raise text.cut_off(max(0, rows.last - 1))


def of_rows(rows: Iterator[Row | WrongEntry], found: list[str]) -> Iterator[Entry | WrongEntry]:
    """As `read`, of rows that are taken apart already."""
    before: list[Row | WrongEntry] = []
    layout: Layout | None = None
    for row in rows:
        if not isinstance(row, WrongEntry):
            layout = layout_of(row[1])
            if layout is not None:
                break
        before.append(row)
        if len(before) >= HEADER_LINES:
            break
    if layout is None:
        layout = Layout(LIST)
        if not any(is_address(cell) for row in before if not isinstance(row, WrongEntry) for cell in row[1]):
            raise _no_addresses()
        for row in before:
            yield row if isinstance(row, WrongEntry) else _of_list(*row)
    found.append(layout.kind)
    previous = ("", "", "")
    for row in rows:
        if isinstance(row, WrongEntry):
            yield row
        elif layout.kind == LIST:
            yield _of_list(*row)
        elif layout.kind == SHOPIFY:
            product, previous = _of_shopify(layout, *row, previous)
            yield from product
        else:
            yield _of_table(layout, *row)


def layout_of(cells: Sequence[str]) -> Layout | None:
    """How a feed is laid out whose titles these are; None where they are none."""
    if any(is_address(cell) for cell in cells):
        return None
    names = [column_titles.plain(cell) for cell in cells]
    pictures = [column for column, name in enumerate(names) if column_titles.is_picture(name)]
    pictures = [column for column in pictures if names[column] not in ("lifestyleimagelink", "imagealttext")]
    if not pictures:
        pictures = [column for column, name in enumerate(names) if name in column_titles.ADDRESSES][:1]
    if not pictures:
        return None
    by_name = {name: column for column, name in reversed(list(enumerate(names)))}
    # The main picture first, whatever the order of the columns.
    pictures.sort(key=lambda column: names[column].startswith(("additional", "extra", "other")))
    title = _ranked(names, column_titles.NAMES, pictures)
    if all(name in by_name for name in _SHOPIFY):
        return Layout(
            SHOPIFY,
            [by_name["imagesrc"]],
            by_name.get("variantsku"),
            by_name.get("title"),
            by_name["handle"],
            by_name.get("variantimage"),
        )
    if "imagelink" in by_name and "id" in by_name:
        return Layout(GOOGLE, pictures, by_name["id"], title)
    return Layout(TITLED, pictures, _ranked(names, column_titles.SKUS, pictures), title)


def _ranked(names: list[str], ranks: dict[str, int], taken: list[int]) -> int | None:
    known = [(ranks[name], column) for column, name in enumerate(names) if name in ranks and column not in taken]
    return min(known)[1] if known else None


def _of_table(layout: Layout, row: int, cells: list[str]) -> Entry | WrongEntry:
    urls = [_at(cells, column) for column in layout.urls]
    return entry(row, sku=_at(cells, layout.sku), title=_at(cells, layout.title), urls=urls)


def _of_list(row: int, cells: list[str]) -> Entry | WrongEntry:
    urls = [cell for cell in cells if is_address(cell)]
    first = next((cell for cell in cells if cell and not is_address(cell)), "")
    if not urls:
        return WrongEntry(
            row, "no_address", "There is no address in this line; each begins with https://.", shown(first)
        )
    return entry(row, sku=first, title="", urls=urls)


def _of_shopify(
    layout: Layout, row: int, cells: list[str], previous: tuple[str, str, str]
) -> tuple[list[Entry | WrongEntry], tuple[str, str, str]]:
    """A product has a row for each variant and each picture; what they share stands in its first one alone."""
    handle, own = _at(cells, layout.handle), _at(cells, layout.sku)
    if handle != previous[0]:
        previous = (handle, own or handle, _at(cells, layout.title))
    pictures = [_at(cells, column) for column in layout.urls]
    variant = _at(cells, layout.variant_picture)
    found: list[Entry | WrongEntry] = []
    if any(pictures):
        found.append(entry(row, sku=previous[1], title=previous[2], urls=pictures))
    if variant and variant not in pictures:
        if own and own != previous[1] and not found:
            found.append(entry(row, sku=own, title=previous[2], urls=[variant]))
        elif not found:
            found.append(entry(row, sku=previous[1], title=previous[2], urls=[variant]))
        else:
            found[0] = entry(row, sku=previous[1], title=previous[2], urls=[*pictures, variant])
    # The first row of a product that shows nothing at all is worth a word; a variant's without a picture is not.
    if not found and _at(cells, layout.title):
        found.append(entry(row, sku=previous[1], title=previous[2], urls=[]))
    return found, previous


def _at(cells: list[str], column: int | None) -> str:
    return cells[column] if column is not None and column < len(cells) else ""


class _Lines:
    """The lines of a text, of which some can be put back; too long ones come as `TOO_LONG`."""

    def __init__(self, source: IO[str]) -> None:
        self._source = source
        self._back: list[str] = []
        self.number = 0
        """Of the line that was given out last."""

    def peek(self, number: int) -> list[str]:
        """The next lines, which stay."""
        found: list[str] = []
        for line in self:
            found.append(line)
            if len(found) == number:
                break
        self.put_back(found)
        return found

    def put_back(self, lines: list[str]) -> None:
        """Give the lines out again."""
        self._back[:0] = lines
        self.number -= len(lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._back:
            self.number += 1
            return self._back.pop(0)
        line = self._source.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= MAX_LINE and not line.endswith("\n"):
            while (rest := self._source.readline(MAX_LINE)) and not rest.endswith("\n"):
                pass
            return TOO_LONG
        return line.replace("\0", "")


class _Rows:
    """The rows that the lines are."""

    def __init__(self, lines: _Lines, delimiter: str) -> None:
        self._lines = lines
        self._options: dict[str, Any] = {"delimiter": delimiter, "skipinitialspace": delimiter != "\t"}
        self._first_width = self._width = 0
        self._has_end = True
        self.last = 0
        """The line in which the last row begins."""

    @property
    def is_cut_off(self) -> bool:
        """Whether the last row lacks both its line's end and cells that the first row has."""
        return not self._has_end and self._width < self._first_width

    def __iter__(self) -> Iterator[Row | WrongEntry]:
        while True:
            noted = _Noted(self._lines)
            begin = self._lines.number + 1
            try:
                cells = next(csv.reader(noted, **self._options))
            except StopIteration:
                return
            except _LineTooLong:
                message = f"This line has more than {MAX_LINE:,} characters, which no row has. It was left out."
                yield WrongEntry(begin, "row_too_long", message)
                continue
            except (csv.Error, _RowTooLong):
                # A quotation mark that is never closed would swallow all that follows.
                self._lines.put_back(noted.lines[1:])
                yield _unclosed(begin, noted.lines[0] if noted.lines else "")
                continue
            self.last, self._width = begin, len(cells)
            self._first_width = self._first_width or len(cells)
            self._has_end = noted.lines[-1].endswith("\n")
            if any(cell.strip() for cell in cells):
                yield begin, [_cell(cell) for cell in cells[:MAX_COLUMNS]]


def _unclosed(row: int, line: str) -> WrongEntry:
    return WrongEntry(
        row,
        "row_damaged",
        "A quotation mark opens a cell in this row and is not closed, so the row can't be read. Close it or take it "
        "out, and export the feed again.",
        shown(line),
    )


class _RowTooLong(Exception):
    pass


class _LineTooLong(Exception):
    pass


class _Noted:
    """The lines of one row, as they are read."""

    def __init__(self, source: Iterable[str]) -> None:
        self._source = iter(source)
        self.lines: list[str] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._source)
        except StopIteration:
            if self.lines:
                # The file is over, and the quotation mark still open.
                raise _RowTooLong from None
            raise
        if line == TOO_LONG:
            raise _LineTooLong
        self.lines.append(line)
        self._size += len(line)
        if len(self.lines) > MAX_LINES or (len(self.lines) > 1 and self._size > MAX_ROW):
            raise _RowTooLong
        return line


def _cell(text: str) -> str:
    text = text.strip().replace("\ufeff", "")
    if text.startswith("=") and (match := _FORMULA.fullmatch(text)):
        return match[1].strip()
    return tables.without_guard(text)


def _delimiter(lines: list[str]) -> str:
    def score(delimiter: str) -> tuple[int, int]:
        return max((_known(line, delimiter) for line in lines), default=(0, 0))

    return max(_DELIMITERS, key=score)


def _known(line: str, delimiter: str) -> tuple[int, int]:
    """How many cells of a line are titles or addresses, and how many it has."""
    try:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return 0, 0
    names = [column_titles.plain(cell) for cell in cells]
    known = sum(
        column_titles.is_picture(name)
        or name in column_titles.ADDRESSES
        or name in column_titles.SKUS
        or name in column_titles.NAMES
        for name in names
    )
    # An address may have any of them in it.
    return known + sum(is_address(cell.strip()) for cell in cells), len(cells)


def _no_addresses() -> PublicError:
    return PublicError(
        "No address of a picture was found in this feed. It needs titles in its first row and a column of addresses, "
        "titled like “image_link” or “Image URL”; the addresses begin with https://.",
        code="no_addresses",
    )
