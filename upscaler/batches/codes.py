"""Tables of codes, as teams keep them: SKU → ASIN, EAN and GTIN, in CSV or XLSX. What is wrong is named by its row."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO

from upscaler import column_titles as titles
from upscaler.batches import columns, rows, spreadsheets
from upscaler.batches.columns import Line
from upscaler.channels import names
from upscaler.channels.names import CODES, Codes
from upscaler.errors import PublicError
from upscaler.ordering.forms import MAX_SKU_LENGTH

MAX_ROWS = 200_000
MAX_WRONG = 200
"""Wrong rows that are shown; more are counted."""
TITLES = {"asin": {"asin"}, "ean": {"ean", "eancode", "eannummer", "barcode", "strichcode"}, "gtin": {"gtin", "upc"}}
"""By code the titles of its column, as `titles.plain` makes them."""


@dataclass
class CodesTable:
    """What was read."""

    codes: dict[str, Codes] = field(default_factory=dict)
    """By SKU."""
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """The first wrong rows: their number in the file, from 1, and what is wrong and what to do."""
    wrong_count: int = 0

    def refuse(self, line: int, reason: str) -> None:
        """Note a wrong row."""
        self.wrong_count += 1
        if len(self.wrong) < MAX_WRONG:
            self.wrong.append((line, reason))


def read(file: IO[bytes], name: str) -> CodesTable:
    """The codes in a spreadsheet, whatever its ``name`` ends in.

    Raises PublicError with code ``no_codes`` where no column of SKUs and none of codes is found, ``too_many_rows``, and
    as `spreadsheets.first_sheet`.
    """
    lines = iter(spreadsheets.first_sheet(file, name))
    first = list(itertools.islice(lines, columns.HEADER_LINES))
    header, sku, found = _header(first)
    table = CodesTable()
    seen: dict[str, int] = {}
    owners: dict[tuple[str, str], tuple[str, int]] = {}
    body = (line for line in itertools.chain(first, lines) if line.number > header.number)
    for count, line in enumerate(body, start=1):
        if count > MAX_ROWS:
            raise PublicError(
                f"The table has more than {MAX_ROWS:,} rows. Split it into several, and upload one after the other.",
                code="too_many_rows",
            )
        _add(table, line, sku, found, seen, owners)
    if not table.codes and not table.wrong_count:
        raise PublicError("There are titles in the table and no rows below them. Fill it in.", code="no_codes")
    return table


def _header(first: Iterable[Line]) -> tuple[Line, int, dict[str, int]]:
    for line in first:
        plain = [titles.plain(cell.text) for cell in line.cells]
        found = {
            code: next(column for column, title in enumerate(plain) if title in known)
            for code, known in TITLES.items()
            if known.intersection(plain)
        }
        ranked = [
            (titles.SKUS[title], column)
            for column, title in enumerate(plain)
            if title in titles.SKUS and column not in found.values()
        ]
        if found and ranked:
            return line, min(ranked)[1], found
    raise PublicError(
        "The table needs a row of titles with one column “SKU” and one or more of “ASIN”, “EAN” and “GTIN”. Add the "
        "titles, and upload it again.",
        code="no_codes",
    )


def _add(
    table: CodesTable,
    line: Line,
    sku_column: int,
    found: dict[str, int],
    seen: dict[str, int],
    owners: dict[tuple[str, str], tuple[str, int]],
) -> None:
    sku = rows.cleaned_sku(_text(line, sku_column))
    given = {code: _text(line, column).strip().replace(" ", "") for code, column in found.items()}
    given = {code: text.upper() if code == "asin" else text for code, text in given.items() if text}
    if not sku and not given:
        return
    problem = _problem(line, sku, given, seen, owners)
    if problem:
        table.refuse(line.number, problem)
        return
    seen[sku] = line.number
    for code, text in given.items():
        owners[code, text] = (sku, line.number)
    table.codes[sku] = Codes(**given)


def _problem(
    line: Line, sku: str, given: dict[str, str], seen: dict[str, int], owners: dict[tuple[str, str], tuple[str, int]]
) -> str:
    if not sku:
        return "The SKU is missing. Add it, or leave the row out."
    if len(sku) > MAX_SKU_LENGTH:
        return f"The SKU has {len(sku):,} characters; the limit is {MAX_SKU_LENGTH}. Shorten it."
    if rows.is_rounded(sku):
        return f"The spreadsheet has rounded the SKU to {sku}. Format the column as text, and put the SKUs in again."
    if not given:
        return f"“{sku}” has no code. Fill one in, or leave the row out."
    if sku in seen:
        return f"“{sku}” stands in row {seen[sku]:,} already. Leave one of the two out."
    for code, text in given.items():
        if problem := names.code_problem(code, text):
            return problem
        if (code, text) in owners:
            other, number = owners[code, text]
            return f"The {CODES[code]} {text} is that of “{other}” in row {number:,} already. One of them is wrong."
    return ""


def _text(line: Line, column: int) -> str:
    return line.cells[column].text if column < len(line.cells) else ""
