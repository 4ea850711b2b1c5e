"""A pasted text of addresses: one in a line or several, plain, in Markdown or HTML, or rows of a spreadsheet."""

from __future__ import annotations

import html
import re

from upscaler import fetching, file_names
from upscaler.batches import columns, rows, spreadsheets
from upscaler.batches.columns import Cell, Line
from upscaler.batches.rows import Table
from upscaler.errors import PublicError

MAX_CHARACTERS = 5_000_000

_STARTS = re.compile(r"https?://", re.IGNORECASE)
_BARE = re.compile(r"(?:(?![,;|]{1,5}https?://)[^\s<>\"“”«»`])+", re.IGNORECASE)
_QUOTED = re.compile(r"[^\s<>\"“”«»`]+(?: [^\s<>\"“”«»`]+)*?(?=[\"”»`])")
_CLOSING = {")": "(", "]": "[", "}": "{"}
_SKU_BEFORE = re.compile(r"\s*[\"']?([^\s,;|\"'<>()\[\]]{1,200})[\"']?\s*[,;|]\s*[\"'<]?\Z")
_BREAKS = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")


def read(text: str, *, max_rows: int) -> Table:
    """The addresses in ``text`` with the SKUs beside them, at most ``max_rows``; lines without an address are wrong.

    Raises PublicError with code ``text_too_long``, ``no_addresses`` or ``too_many_rows``.
    """
    if len(text) > MAX_CHARACTERS:
        raise PublicError(
            f"The text has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Split it, or upload it as .csv.",
            code="text_too_long",
        )
    table = Table()
    if _begins_with_titles(text):
        table = spreadsheets.read_text(text, max_rows=max_rows)
    else:
        for number, line in enumerate(_BREAKS.split(text), 1):
            if line.strip(" \t\u00a0\u200b\ufeff,;|"):
                _read_line(table, number, line, max_rows)
    if not table.rows and not table.wrong:
        raise PublicError(
            "There is no address in the text. Paste addresses of pictures, one in each line; each begins with https://.",
            code="no_addresses",
        )
    return table


def _begins_with_titles(text: str) -> bool:
    first = next((line for line in _BREAKS.split(text[:5000]) if line.strip()), "")
    cells = [Cell(cell.strip()) for cell in first.split("\t")]
    return len(cells) > 1 and columns.titles_known(Line(1, cells)) > 0


def _read_line(table: Table, number: int, line: str, max_rows: int) -> None:
    found = _addresses(line)
    sku = _sku(line) if found else ""
    # A line without any is said to be none.
    urls = list(dict.fromkeys(found)) or [line.strip()]
    rows.add(table, line=number, urls=urls, max_rows=max_rows, sku=sku, shown=line)


def _sku(line: str) -> str:
    """The first cell without an address in a row of a spreadsheet, or what stands before an address and a comma."""
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) > 1:
        return next((cell for cell in cells if cell and not _STARTS.search(cell)), "")
    start = _STARTS.search(line)
    match = _SKU_BEFORE.match(line[: start.start()]) if start and start.start() < 300 else None
    return match[1] if match else ""


def _addresses(line: str) -> list[str]:
    whole = line.strip()
    if _is_one_with_blanks(whole):
        return [whole]
    found, at = [], 0
    while match := _STARTS.search(line, at):
        start = match.start()
        before = line[start - 1 : start]
        pattern = _QUOTED if before in ('"', "“", "«", "`") and before else _BARE
        body = pattern.match(line, start) or _BARE.match(line, start)
        url = body[0] if body else match[0]
        at = max(start + len(url), match.end())
        if pattern is _BARE or body is None:
            url = _trimmed(url, before)
        if line[max(0, start - 20) : start].rstrip("\"' ").endswith("="):
            url = html.unescape(url)
        found.append(url)
    return found


def _is_one_with_blanks(line: str) -> bool:
    """Whether blanks stand inside of the line's one address, as browsers take them too: “…/my shirt.jpg”."""
    first, blank, rest = line.partition(" ")
    return bool(
        blank
        and "\t" not in line
        and _STARTS.match(line)
        and not _STARTS.search(rest)
        and file_names.is_picture(line)
        and not file_names.is_picture(first.rstrip(",;|").partition("?")[0])
        and not re.search(r"[<>\"|]", line)
    )


def _trimmed(url: str, before: str) -> str:
    """Without the signs of the sentence around it; brackets that were opened inside stay."""
    if before == "'":
        url = url.partition("'")[0]
    if before == "(" and (end := _unopened(url)) >= 0:
        url = url[:end]
    while url and len(url) <= fetching.MAX_SIGNED_URL_LENGTH:
        last = url[-1]
        if last in ".,;:!?'’|*_~" or (last in _CLOSING and url.count(last) > url.count(_CLOSING[last])):
            url = url[:-1]
        else:
            break
    return url


def _unopened(url: str) -> int:
    """Where a bracket closes that was opened before; -1 where none does."""
    depth = 0
    for at, letter in enumerate(url):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return at
    return -1
