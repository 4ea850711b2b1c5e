"""Rows of SKU and address, as spreadsheets and pasted lists are read into them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from upscaler import fetching, file_names
from upscaler.errors import PublicError
from upscaler.ordering.forms import MAX_SKU_LENGTH

MAX_SHOWN = 80
"""Characters of a wrong row that are shown again."""

# Possessive and from its beginning only: else each of ten thousand blanks is tried as the first one.
_BETWEEN = re.compile(r"(?<![\s,;|])[\s,;|]++(?=https?://)", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*https?://", re.IGNORECASE)
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d{1,3}", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A picture on the web."""

    line: int
    """Where it stands in the file or text, from 1."""
    url: str
    sku: str = ""
    name: str = ""


@dataclass(frozen=True)
class WrongRow:
    """A row that no picture can be fetched from."""

    line: int
    code: str
    reason: str
    """What is wrong and what to do, for people."""
    text: str = ""
    """What stands there, at most `MAX_SHOWN` characters."""


@dataclass(frozen=True)
class Columns:
    """Which columns were read as what: their titles, or letters where they have none."""

    sku: str = ""
    addresses: tuple[str, ...] = ()
    name: str = ""


@dataclass
class Table:
    """What was read. Every row with something in it is either in `rows` or in `wrong`."""

    rows: list[Row] = field(default_factory=list)
    wrong: list[WrongRow] = field(default_factory=list)
    columns: Columns = Columns()
    header_line: int | None = None
    """Where the titles stand; None where there are none."""
    sheet: str = ""
    """The name of the sheet in a workbook."""


class TooManyRowsError(PublicError):
    """More rows than may be ordered at once."""

    def __init__(self, max_rows: int) -> None:
        super().__init__(
            f"There are more than {max_rows:,} addresses; at most {max_rows:,} can be ordered at once. "
            "Split the list into several, and send one after the other.",
            code="too_many_rows",
        )


def is_address(text: str) -> bool:
    """Whether the text begins as web addresses do."""
    return _ADDRESS.match(text) is not None


def addresses_in(cell: str) -> list[str]:
    """The addresses that stand in one cell, parted by blanks, commas, semicolons or lines. Commas inside one stay."""
    parts = (part.strip(" \t\r\n,;|") for part in _BETWEEN.split(cell.strip()))
    return [part for part in parts if part]


def cleaned_sku(text: str) -> str:
    """An SKU as it is kept: in one line, without signs that nobody sees and that spoof what is seen."""
    return file_names.without_spoofing(" ".join(text.split()))


def is_rounded(text: str) -> bool:
    """Whether a spreadsheet program has written a long number in short, such as 4.81E+12."""
    return _ROUNDED.fullmatch(text) is not None


def add(
    table: Table, *, line: int, urls: Iterable[str], max_rows: int, sku: str = "", name: str = "", shown: str = ""
) -> None:
    """Put a row for each address into ``table``, the wrong ones with their reason. Raises TooManyRowsError."""
    sku = cleaned_sku(sku)
    urls = list(urls)
    shown = shown or " ".join(filter(None, (sku, *urls)))
    problem = _sku_problem(sku)
    if problem is None and not urls:
        problem = ("no_address", "There is no address of a picture in this row. Add one, or leave the row out.")
    if problem is not None:
        _add_wrong(table, line, *problem, shown, max_rows)
        return
    for url in urls:
        try:
            fetching.check_url(url)
        except PublicError as error:
            _add_wrong(table, line, error.code, error.message, url if len(urls) > 1 else shown, max_rows)
            continue
        if len(table.rows) >= max_rows:
            raise TooManyRowsError(max_rows)
        table.rows.append(Row(line, url, sku, file_names.cleaned(name, fallback="") if name else ""))


def _sku_problem(sku: str) -> tuple[str, str] | None:
    if len(sku) > MAX_SKU_LENGTH:
        return "sku_too_long", f"The SKU has {len(sku):,} characters; the limit is {MAX_SKU_LENGTH}. Shorten it."
    if is_rounded(sku):
        return "sku_rounded", (
            f"The spreadsheet has rounded the SKU to {sku}, so its last digits are lost. Format the column as text or "
            "as a number without decimals, and save the file again."
        )
    return None


def _add_wrong(table: Table, line: int, code: str, reason: str, shown: str, max_rows: int) -> None:
    if len(table.wrong) >= max_rows:
        raise TooManyRowsError(max_rows)
    shown = file_names.without_spoofing(" ".join(shown[: 4 * MAX_SHOWN].split()))
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 1]}…"
    table.wrong.append(WrongRow(line, code, file_names.without_spoofing(reason), shown))
