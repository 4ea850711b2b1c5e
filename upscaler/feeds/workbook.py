"""Product feeds as workbooks of Excel (XLSX), row by row."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO

import openpyxl

from upscaler.errors import PublicError
from upscaler.feeds.delimited import MAX_COLUMNS, Row
from upscaler.feeds.entries import WrongEntry

MAX_PARTS = 2_000
MAX_TEXTS = 150_000_000
"""Bytes of the part in which all sheets' texts stand; openpyxl holds them in memory."""
MAX_SHEET = 2_000_000_000
"""Bytes of a sheet unpacked. Excel's own limit of a million rows comes before."""
_TEXTS = "xl/sharedStrings.xml"


def rows(file: IO[bytes]) -> Iterator[Row | WrongEntry]:
    """The rows of the first sheet that has any. Raises PublicError with code ``feed_kind`` or ``feed_damaged``."""
    file.seek(0)
    _check(file)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            # Some programs write that a sheet ends at A1, whatever is in it.
            sheet.reset_dimensions()
            is_filled = False
            for number, values in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
                cells = [_text(value) for value in values]
                if any(cells):
                    is_filled = True
                    yield number, cells
            if is_filled:
                return
    except Exception:
        # What openpyxl and zipfile meet in a damaged workbook comes as errors of every kind.
        raise _damaged() from None


def _check(file: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            parts = {part.filename: part.file_size for part in archive.infolist()}
    except Exception:
        # As above.
        raise _damaged() from None
    if "[Content_Types].xml" not in parts or not any(name.startswith("xl/worksheets/") for name in parts):
        raise PublicError(
            "This is a ZIP, not a feed. Unpack it, and send the feed itself; one file may also be packed as .gz.",
            code="feed_kind",
        )
    if len(parts) > MAX_PARTS or parts.get(_TEXTS, 0) > MAX_TEXTS or max(parts.values()) > MAX_SHEET:
        raise PublicError(
            "The workbook unpacks to more than can be read. Save it as CSV, which may have any number of rows.",
            code="too_large",
        )


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _damaged() -> PublicError:
    return PublicError(
        "The workbook is damaged, or of a kind that can't be read. Save it again as .xlsx or .csv, and send that.",
        code="feed_damaged",
    )
