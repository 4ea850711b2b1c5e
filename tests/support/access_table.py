"""Reading a table of answers: a line for each call, a column for each caller."""

from __future__ import annotations


def read(text: str) -> tuple[list[str], dict[tuple[str, str], list[str]]]:
    """The callers, and for each (method, call) what they are answered, in the same order.

    The first line names the columns: method, call, then the callers. Lines that begin with # are comments.
    """
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    callers = lines[0][2:]
    rows = {(line[0], line[1]): line[2:] for line in lines[1:]}
    assert len(rows) == len(lines) - 1, "a call stands in the table twice"
    for call, answers in rows.items():
        assert len(answers) == len(callers), f"{call}: {len(answers)} answers for {len(callers)} callers"
    return callers, rows
