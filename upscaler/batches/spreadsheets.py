"""Spreadsheets of SKU and address: CSV as programs and people write it, and workbooks of Excel (XLSX)."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, Any

from upscaler import tables
from upscaler.batches import columns, rows, xlsx
from upscaler.batches.columns import Cell, Layout, Line
from upscaler.batches.rows import Table
from upscaler.errors import PublicError

MAX_BYTES = 20_000_000
MAX_COLUMNS = 256
ENDINGS = (".csv", ".tsv", ".tab", ".xlsx", ".xlsm")
"""Of the files that are read, for a form's field."""
COLUMNS_IN_WORDS = "one column of addresses, titled like “Image URL”, and one of SKUs, titled “SKU”"

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|:^~#])"?(?:\r?\n|\r)', re.IGNORECASE)
_SAMPLE_CHARACTERS = 200_000
_FORMULA = re.compile(r'=\s*"([^"]*)"')
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SAVE_AS = "Open it in your spreadsheet program, save it as .xlsx or .csv, and upload that."


def read(file: IO[bytes], name: str, *, max_rows: int) -> Table:
    """The rows of a spreadsheet, at most ``max_rows`` of them, whatever its ``name`` ends in.

    Several addresses in a row are a row each. Raises PublicError with code ``table_too_large``, ``table_empty``,
    ``table_kind``, ``table_locked``, ``table_damaged``, ``no_addresses`` or ``too_many_rows``.
    """
    if _is_workbook(file):
        with xlsx.opened(file) as book:
            return _of_sheets(((sheet.title, sheet.lines(MAX_COLUMNS)) for sheet in book.sheets()), max_rows)
    return _of_sheets([("", _csv_lines(_decoded(file.read(), name)))], max_rows)


def first_sheet(file: IO[bytes], name: str) -> Iterator[Line]:
    """The lines of a spreadsheet's first sheet that has any, whatever they hold. Raises PublicError as `read`."""
    if not _is_workbook(file):
        yield from _csv_lines(_decoded(file.read(), name))
        return
    with xlsx.opened(file) as book:
        for sheet in book.sheets():
            lines = iter(sheet.lines(MAX_COLUMNS))
            first = next(lines, None)
            if first is not None:
                yield first
                yield from lines
                return


def _is_workbook(file: IO[bytes]) -> bool:
    """Whether it is an Excel workbook, else CSV. The file is left at its start. Raises PublicError."""
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.seek(0)
    if size > MAX_BYTES:
        raise PublicError(
            f"The spreadsheet has {size / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB. Leave only the columns "
            "that are needed in it, or split it into several.",
            code="table_too_large",
        )
    head = file.read(8)
    file.seek(0)
    if not head:
        raise PublicError("The spreadsheet is empty: it has 0 bytes. Choose it again.", code="table_empty")
    if head.startswith(_OLE):
        raise _ole(file.read())
    return head.startswith(b"PK")


def read_text(text: str, *, max_rows: int) -> Table:
    """As `read`, of cells that were copied from a spreadsheet: parted by tabs. Raises PublicError as it does."""
    return _of_sheets([("", _csv_lines(text))], max_rows)


def is_spreadsheet(name: str) -> bool:
    """Whether a file is to be read as one by its name, those of kinds that are refused among them."""
    return name.lower().endswith((*ENDINGS, ".xls", ".xlsb", ".ods", ".numbers", ".txt"))


def _of_sheets(sheets: Iterable[tuple[str, Iterator[Line]]], max_rows: int) -> Table:
    for title, lines in sheets:
        first = list(itertools.islice(lines, columns.HEADER_LINES + columns.SAMPLE_LINES))
        layout = columns.layout_of(first)
        if layout is not None:
            return _table(title, layout, itertools.chain(first, lines), max_rows)
    raise PublicError(
        f"No address of a picture was found. The spreadsheet needs {COLUMNS_IN_WORDS}; the addresses begin with "
        "https://. Add them, and upload it again.",
        code="no_addresses",
    )


def _table(title: str, layout: Layout, lines: Iterable[Line], max_rows: int) -> Table:
    header_line = layout.header.number if layout.header else None
    table = Table(columns=layout.in_words(), header_line=header_line, sheet=title)
    for line in lines:
        if line.number == header_line:
            continue
        urls = _urls(layout, line)
        if header_line is not None and line.number < header_line and not any(map(rows.is_address, urls)):
            continue
        shown = " ".join(cell.text for cell in line.cells[:20] if cell.text)
        sku, name = _text(line, layout.sku), _text(line, layout.name)
        rows.add(table, line=line.number, urls=urls, max_rows=max_rows, sku=sku, name=name, shown=shown)
    if not table.rows and not table.wrong:
        raise PublicError(
            "There are titles in the spreadsheet and no rows below them. Fill it in, and upload it again.",
            code="table_empty",
        )
    return table


def _urls(layout: Layout, line: Line) -> list[str]:
    urls: list[str] = []
    for column in layout.addresses:
        # What is no address is kept too, and refused by name.
        urls += columns.addresses_at(line, column) or rows.addresses_in(_text(line, column))
    width = len(layout.header.cells) if layout.header else len(line.cells)
    for column in range(width, len(line.cells)):
        urls += columns.addresses_at(line, column)
    return list(dict.fromkeys(urls))


def _text(line: Line, column: int | None) -> str:
    return line.cells[column].text if column is not None and column < len(line.cells) else ""


def _decoded(content: bytes, name: str) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    odd, even = content[1:2000:2].count(0), content[0:2000:2].count(0)
    if max(odd, even) > 4 * min(odd, even) + len(content[:2000]) // 8:
        return content.decode("utf-16-le" if odd > even else "utf-16-be", "replace")
    if b"\0" in content[:4096]:
        raise _no_table(name)
    start = content[:500].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<table", b"<?xml")):
        raise PublicError(f"This is a web page or XML inside, whatever its name says. {_SAVE_AS}", code="table_kind")
    if start.startswith((b"%pdf", b"{\\rtf")):
        raise _no_table(name)
    try:
        return content.decode()
    except UnicodeDecodeError:
        # What Excel writes as “CSV” in the west; the five bytes that mean nothing in it are no loss.
        return content.decode("cp1252", "replace")


def _csv_lines(text: str) -> Iterator[Line]:
    skipped = 0
    separator = _SEPARATOR_LINE.match(text)
    if separator:
        delimiter: str | None = separator[1]
        text, skipped = text[separator.end() :], 1
    else:
        delimiter = _delimiter(text[:_SAMPLE_CHARACTERS])
    for line in _parsed(text, delimiter):
        if any(cell.text for cell in line.cells):
            yield Line(line.number + skipped, line.cells)


def _parsed(text: str, delimiter: str | None) -> Iterator[Line]:
    # Without one each line is one cell, in which quotes still count.
    options: dict[str, Any] = {"delimiter": delimiter or "\x1f", "skipinitialspace": True}
    read: list[str] = []
    reader = csv.reader(_noted(io.StringIO(text, newline=""), read), **options)
    while True:
        number = reader.line_num + 1
        read.clear()
        try:
            cells = next(reader)
            if reader.line_num > number:
                # A quotation mark that is never closed would swallow the rows behind it without a word.
                list(csv.reader(read, strict=True, **options))
        except StopIteration:
            return
        except csv.Error:
            raise _unclosed(number, reader.line_num - number + 1) from None
        yield Line(number, [_cell(cell) for cell in cells[:MAX_COLUMNS]])


def _noted(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    for line in lines:
        read.append(line)
        yield line


def _cell(text: str) -> Cell:
    text = text.strip().replace("\ufeff", "")
    if text.startswith("="):
        if match := _FORMULA.fullmatch(text):
            return Cell(match[1].strip())
        return Cell(text, xlsx.link_in(text[1:]))
    return Cell(tables.without_guard(text))


def _delimiter(sample: str) -> str | None:
    scores = [(_score(sample, delimiter), delimiter) for delimiter in (*_DELIMITERS, None)]
    return max(scores, key=lambda score: score[0])[1]


def _score(sample: str, delimiter: str | None) -> tuple[int, int, int]:
    lines: list[Line] = []
    # The sample may end in the midst of a cell.
    with suppress(PublicError):
        lines.extend(itertools.islice(_parsed(sample, delimiter), 50))
    titles = max((columns.titles_known(line) for line in lines[: columns.HEADER_LINES]), default=0)
    addresses = 0
    for line in lines:
        before = False
        for cell in line.cells:
            is_address = rows.is_address(cell.text)
            # The rest of an address that has the delimiter in it.
            addresses += is_address - (before and not is_address and "/" in cell.text)
            before = is_address
    widths = [len(line.cells) for line in lines if len(line.cells) > 1]
    return titles, addresses, max(map(widths.count, set(widths)), default=0)


def _unclosed(line: int, count: int) -> PublicError:
    return PublicError(
        f"In line {line:,} a quotation mark opens a cell and is not closed as it should, over {count:,} "
        "lines, so the rows can't be told apart. Close it or take it out, and upload the file again.",
        code="table_damaged",
    )


def _no_table(name: str) -> PublicError:
    return PublicError(
        f"“{name[-rows.MAX_SHOWN :]}” is no spreadsheet that can be read. Upload a .xlsx or .csv file with "
        f"{COLUMNS_IN_WORDS}.",
        code="table_kind",
    )


def _ole(content: bytes) -> PublicError:
    if "EncryptedPackage".encode("utf-16-le") in content:
        return PublicError(
            "The workbook is locked with a password. Save it without one, and upload that.", code="table_locked"
        )
    return PublicError(
        f"This is a workbook of Excel's old kind (.xls), which is not read. {_SAVE_AS}", code="table_kind"
    )
