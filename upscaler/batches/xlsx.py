"""Workbooks of Excel (XLSX), row by row: what is seen in each cell, and where a link behind it leads.

openpyxl reads them. Its quick way leaves out links and joined cells, which are read beside it here.
"""

from __future__ import annotations

import datetime
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

import openpyxl
from defusedxml.ElementTree import fromstring, iterparse
from openpyxl.utils import range_boundaries

from upscaler.batches import zip_directory
from upscaler.batches.columns import Cell, Line
from upscaler.errors import PublicError

MAX_UNPACKED = 100_000_000
"""Bytes of all parts; a list of 5,000 rows has less than 10 MB."""
MAX_TAGS = 2_000_000
"""Opening and closing ones, of all parts. Those of one row are held in memory together."""
MAX_PARTS = 5_000
MAX_LINKS = 200_000

_CHUNK = 256 * 1024
_ZEROS = re.compile(r'(?:"([^"]*)")?(0{2,})(?:"([^"]*)")?')
_LINK = re.compile(r'(?:_xlfn\.)?(?:HYPERLINK|IMAGE)\(\s*"([^"]+)"', re.IGNORECASE)
# A part in UTF-16 has NULs, and is read anyway.
_MORE = (b"hyperlink", b"HYPERLINK", b"mergeCell", b"IMAGE(", b"\0")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_OTHER_KINDS = (
    ("xl/workbook.bin", "a binary workbook of Excel (.xlsb)"),
    ("content.xml", "an OpenDocument file (.ods)"),
    ("Index/Document.iwa", "a document of Apple Numbers (.numbers)"),
    ("Index.zip", "a document of Apple Numbers (.numbers)"),
    ("index.apxl", "a document of Apple Numbers (.numbers)"),
    ("word/document.xml", "a document of Word (.docx), not a spreadsheet"),
)


@dataclass
class _Beside:
    """What openpyxl's quick way leaves out of a sheet, by row and column from 1."""

    links: dict[tuple[int, int], str]
    joined: dict[tuple[int, int], int]
    """For cells that are joined with those above: the row of the first."""


class Sheet:
    """One sheet of a workbook."""

    def __init__(self, book: Book, sheet: Any) -> None:
        self.title: str = sheet.title
        self._book, self._sheet = book, sheet

    def lines(self, max_columns: int) -> Iterator[Line]:
        """Every row that has something in it, with its own number. Raises PublicError ``table_damaged``."""
        try:
            yield from self._lines(max_columns)
        except PublicError:
            raise
        except Exception:
            # What openpyxl meets in a damaged workbook comes as errors of every kind.
            raise _damaged() from None

    def _lines(self, max_columns: int) -> Iterator[Line]:
        beside = self._book.beside(self._sheet._worksheet_path)
        first: dict[tuple[int, int], Cell] = {}
        starts = {(row, column) for (_, column), row in beside.joined.items()}
        with_more = {row for row, _ in (*beside.links, *beside.joined)}
        before = None
        # Some programs write that a sheet ends at A1, whatever is in it.
        self._sheet.reset_dimensions()
        for number, found in enumerate(self._sheet.iter_rows(max_col=max_columns), 1):
            # A row far down is led up to by all those above it: openpyxl gives one empty row again and again.
            if found is before and number not in with_more:
                continue
            before = found
            cells: list[Cell] = []
            for column, cell in enumerate(found, 1):
                place = (number, column)
                read = Cell(_seen(cell), beside.links.get(place, "")) if cell.value is not None else None
                if read is None and place in beside.links:
                    read = Cell("", beside.links[place])
                if place in starts and read is not None:
                    first[place] = read
                if read is None and place in beside.joined:
                    read = first.get((beside.joined[place], column))
                if read is not None:
                    cells += [Cell("")] * (column - 1 - len(cells))
                    cells.append(read)
            if any(cell.text or cell.link for cell in cells):
                yield Line(number, cells)


class Book:
    """An opened workbook."""

    def __init__(self, archive: zipfile.ZipFile, book: Any, with_more: set[str]) -> None:
        self._archive, self._book, self._with_more = archive, book, with_more

    def __enter__(self) -> Book:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._book.close()
        self._archive.close()

    def sheets(self) -> Iterator[Sheet]:
        """The sheets in their order, hidden ones last."""
        for sheet in sorted(self._book.worksheets, key=lambda sheet: sheet.sheet_state != "visible"):
            yield Sheet(self, sheet)

    def beside(self, path: str) -> _Beside:
        """The links and the cells joined downwards of the sheet at ``path`` in the archive."""
        found = _Beside({}, {})
        if path not in self._with_more:
            return found
        targets = self._targets(path)
        with self._archive.open(path) as source:
            for _, element in iterparse(source):
                kind = element.tag.rpartition("}")[2]
                if kind == "c":
                    formula = next((child.text for child in element if child.tag.endswith("}f")), None)
                    if formula and (link := link_in(formula)):
                        _put(found.links, element.get("r", ""), link)
                elif kind == "hyperlink":
                    if target := targets.get(element.get(_RELATION, "")):
                        _put(found.links, element.get("ref", ""), target)
                elif kind == "mergeCell":
                    _join(found.joined, element.get("ref", ""))
                elif kind == "row":
                    element.clear()
        return found

    def _targets(self, path: str) -> dict[str, str]:
        folder, name = posixpath.split(path)
        try:
            relations = fromstring(self._archive.read(f"{folder}/_rels/{name}.rels"))
        except KeyError:
            return {}
        return {relation.get("Id", ""): relation.get("Target", "") for relation in relations}


def opened(file: IO[bytes]) -> Book:
    """The workbook in ``file``, whose parts are counted before anything reads them.

    Raises PublicError with code ``table_kind``, ``table_too_large``, ``table_damaged``, or one of
    `zip_directory.opened`.
    """
    archive = zip_directory.opened(file, max_entries=MAX_PARTS)
    names = set(archive.namelist())
    for part, kind in _OTHER_KINDS:
        if part in names:
            raise PublicError(
                f"This is {kind}, which is not read. Save it as .xlsx or .csv, and upload that.", code="table_kind"
            )
    if "[Content_Types].xml" not in names:
        raise PublicError(
            "This is a ZIP, not a workbook. Upload a ZIP of pictures as it is, without calling it a spreadsheet.",
            code="table_kind",
        )
    with_more = _looked_through(archive)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception:
        # As in Sheet.lines.
        raise _damaged() from None
    return Book(archive, book, with_more)


def link_in(formula: str) -> str:
    """Where ``HYPERLINK("...")`` leads or what ``IMAGE("...")`` shows; empty for other formulas."""
    match = _LINK.match(formula.strip())
    return match[1].strip() if match else ""


def _looked_through(archive: zipfile.ZipFile) -> set[str]:
    """Count what is in all parts. Returns those that hold links or joined cells: most sheets need no second reading."""
    size = tags = 0
    with_more = set()
    for part in archive.infolist():
        end = b""
        try:
            with archive.open(part) as source:
                while chunk := source.read(_CHUNK):
                    size += len(chunk)
                    # What closes itself is two, and attributes take memory as tags do.
                    tags += chunk.count(b"<") + chunk.count(b"/>") + chunk.count(b"=") // 2
                    if size > MAX_UNPACKED or tags > MAX_TAGS:
                        raise PublicError(
                            "The workbook unpacks to more than can be read. Leave only the columns of SKU and address "
                            "in it, or split it into several.",
                            code="table_too_large",
                        )
                    if any(sign in end + chunk for sign in _MORE):
                        with_more.add(part.filename)
                    end = chunk[-16:]
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError):
            raise _damaged() from None
    return with_more


def _seen(cell: Any) -> str:
    """A cell's value as a person sees it in the program."""
    value = cell.value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        zeros = _ZEROS.fullmatch((cell.number_format or "").partition(";")[0])
        if zeros and value >= 0:
            return f"{zeros[1] or ''}{str(value).zfill(len(zeros[2]))}{zeros[3] or ''}"
        return str(value)
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value).strip()


def _put(links: dict[tuple[int, int], str], reference: str, link: str) -> None:
    with suppress(ValueError, TypeError):
        left, top, right, bottom = range_boundaries(reference)
        for row in range(top, min(bottom, top + MAX_LINKS) + 1):
            for column in range(left, right + 1):
                if len(links) >= MAX_LINKS:
                    return
                links[row, column] = link


def _join(joined: dict[tuple[int, int], int], reference: str) -> None:
    with suppress(ValueError, TypeError):
        left, top, _, bottom = range_boundaries(reference)
        for row in range(top + 1, bottom + 1):
            if len(joined) >= MAX_LINKS:
                return
            joined[row, left] = top


def _damaged() -> PublicError:
    return PublicError(
        "The workbook is damaged, or of a kind that can't be read. Open it in your spreadsheet program, save it as "
        ".xlsx or .csv again, and upload that.",
        code="table_damaged",
    )
