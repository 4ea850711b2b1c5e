"""Tables as CSV that spreadsheet programs open as they are meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from defusedcsv import csv

# Texts that could be formulas, too, and that defusedcsv lets through: "-1", and what follows a tab or a line's end.
# Numbers are no texts, so that -3 credits stay a number.
ALSO_ESCAPED = ("-", "\t", "\r")


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
