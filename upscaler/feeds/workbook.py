"""Product feeds as workbooks of Excel (XLSX), row by row."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO

import openpyxl
from defusedxml.ElementTree import fromstring

from upscaler.errors import PublicError
from upscaler.feeds.delimited import MAX_COLUMNS, Row
from upscaler.feeds.entries import WrongEntry

MAX_PARTS = 2_000
MAX_TEXTS = 150_000_000
"""Bytes of the part in which all sheets' texts stand; openpyxl holds them in memory."""
MAX_TEXTS_TAGS = 20_000_000
"""Tags in it: each takes memory, however short it is."""
MAX_SHEET = 2_000_000_000
"""Bytes of a sheet unpacked."""
MAX_OTHER = 30_000_000
"""Bytes of any other part, some of which openpyxl reads all at once."""
MAX_ROWS = 1_048_576
"""Excel's own limit. Rows that a sheet leaves out are made up, so that one far down would cost hours."""
MAX_ROW_BYTES = 5_000_000
"""Of one row as it stands in the file: openpyxl holds it as a tree."""
MAX_OUTSIDE = 30_000_000
"""Bytes of a sheet outside its rows, which openpyxl holds to the end."""
CHUNK = 1 << 20
_TYPES, _TEXTS, _SHEETS = "[Content_Types].xml", "xl/sharedStrings.xml", "xl/worksheets/"
_ROW = re.compile(rb"<(/?)(?:[\w.-]+:)?row(?:\s[^<>]*?)?(/?)>")


def rows(file: IO[bytes]) -> Iterator[Row | WrongEntry]:
    """The rows of the first sheet that has any. Raises PublicError with code ``feed_kind`` or ``feed_damaged``."""
    file.seek(0)
    sheets = _check(file)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            if sheet._worksheet_path not in sheets:
                # It was not looked at: a relation may name any part as a sheet.
                raise _damaged()
            # Some programs write that a sheet ends at A1, whatever is in it.
            sheet.reset_dimensions()
            is_filled = False
            for number, values in enumerate(
                sheet.iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True), 1
            ):
                # Quickly past empty rows: a stray format can put a million of them into a sheet.
                if values.count(None) == len(values):
                    continue
                cells = [_text(value) for value in values]
                if any(cells):
                    is_filled = True
                    yield number, cells
            if is_filled:
                return
    except PublicError:
        raise
    except Exception:
        # What openpyxl and zipfile meet in a damaged workbook comes as errors of every kind.
        raise _damaged() from None


def _check(file: IO[bytes]) -> set[str]:
    """The sheets' parts. Refuses what would not fit into memory, before openpyxl reads it."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = {part.filename: part.file_size for part in archive.infolist()}
            if _TYPES not in parts or not any(name.startswith(_SHEETS) for name in parts):
                raise PublicError(
                    "This is a ZIP, not a feed. Unpack it, and send the feed itself; one file may also be packed as "
                    ".gz.",
                    code="feed_kind",
                )
            _check_parts(archive, parts)
            return _sheets(parts)
    except PublicError:
        raise
    except Exception:
        # As above.
        raise _damaged() from None


def _sheets(names: Iterable[str]) -> set[str]:
    return {name for name in names if name.startswith(_SHEETS) and name.endswith(".xml")}


def _check_parts(archive: zipfile.ZipFile, parts: dict[str, int]) -> None:
    sheets = _sheets(parts)
    others = [size for name, size in parts.items() if name not in sheets and name != _TEXTS]
    if (
        len(parts) > MAX_PARTS
        or parts.get(_TEXTS, 0) > MAX_TEXTS
        or max((parts[name] for name in sheets), default=0) > MAX_SHEET
        or max(others, default=0) > MAX_OTHER
    ):
        raise _too_large()
    # Each part's size is judged by its name, so no name may be used for another kind.
    for entry in fromstring(archive.read(_TYPES)):
        name, kind = entry.get("PartName", "").lstrip("/"), entry.get("ContentType", "")
        if name and (
            (name in sheets) != kind.endswith(".worksheet+xml")
            or ("sharedStrings" in kind and name != _TEXTS)
            or ("main+xml" in kind and not name.endswith(".xml"))
        ):
            raise _damaged()
    if _TEXTS in parts:
        with archive.open(_TEXTS) as source:
            tags = sum(chunk.count(b"<") for chunk in iter(lambda: source.read(CHUNK), b""))
        if tags > MAX_TEXTS_TAGS:
            raise _too_large()
    for name in sheets:
        with archive.open(name) as source:
            _check_sheet(source)


def _check_sheet(source: IO[bytes]) -> None:
    """Refuse a sheet with more rows, or more in one row or beside them, than is held in memory."""
    left, base, last, rows, outside = b"", 0, 0, 0, 0
    is_open = False
    while chunk := source.read(CHUNK):
        text = left + chunk
        # What hides tags from a reader that does not parse; spreadsheet programs write neither.
        if b"<!" in text or b"<?" in (text[10:] if not base else text):
            raise _damaged()
        whole = max(0, text.rfind(b"<"))
        for found in _ROW.finditer(text, 0, whole):
            closes, is_empty = bool(found[1]), bool(found[2])
            if closes != is_open:
                raise _damaged()
            if not closes:
                outside, last = outside + base + found.start() - last, base + found.start()
            if closes or is_empty:
                rows += 1
                if base + found.end() - last > MAX_ROW_BYTES:
                    raise _too_large()
                last = base + found.end()
            is_open = not closes and not is_empty
        base, left = base + whole, text[whole:]
        held = base + len(left) - last
        if rows > MAX_ROWS or (held > MAX_ROW_BYTES if is_open else outside + held > MAX_OUTSIDE):
            raise _too_large()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _too_large() -> PublicError:
    return PublicError(
        "The workbook unpacks to more than can be read. Save it as CSV, which may have any number of rows.",
        code="too_large",
    )


def _damaged() -> PublicError:
    return PublicError(
        "The workbook is damaged, or of a kind that can't be read. Save it again as .xlsx or .csv, and send that.",
        code="feed_damaged",
    )
