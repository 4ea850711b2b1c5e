"""Tables as CSV that spreadsheet programs open as they are meant, and their texts as they were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from defusedcsv import csv

# Texts that could be formulas, too, and that defusedcsv lets through: "-1", and what follows a tab or a line's end.
# Numbers are no texts, so that -3 credits stay a number.
ALSO_ESCAPED = ("-", "\t", "\r")

# Behind the ' stands a sign of formulas, or what a spreadsheet program would make a number, a date or a link of. That
# of "'t Hemd" belongs to the name.
_GUARDED = re.compile(r"'(?:[-+=@|%\\\t\r].*|[0-9]\S*|https?://.*)(?<!')", re.DOTALL | re.IGNORECASE)


class _Echo:
    """What `csv` writes to: each row comes straight back."""

    def write(self, row: str) -> str:
        return row


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The table line by line, while its rows are read.

    A text that a spreadsheet program would take for a formula gets a ' in front; numbers stay as they are.
    """
    writer = csv.writer(_Echo())
    # The mark at the start tells Excel that it is UTF-8.
    yield "\ufeff" + writer.writerow(header)
    for row in rows:
        yield writer.writerow([_escaped(value) for value in row])


def _escaped(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(ALSO_ESCAPED) else value


def without_guard(text: str) -> str:
    """A cell's text without the ' that `csv_lines`, or a person, has put in front so that it stays a text."""
    if not _GUARDED.fullmatch(text):
        return text
    # defusedcsv keeps a bar from starting a program, too.
    return text[1:].replace("\\|", "|")
