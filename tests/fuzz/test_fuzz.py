"""A few hundred of the files that `make fuzz` makes, the same ones each time."""

from __future__ import annotations

from tests.fuzz.run import run


def test_no_file_takes_more_than_its_share_or_gets_no_answer() -> None:
    figures = run(240, 60, seed=7)
    assert figures.files == 300
    assert figures.is_good, str(figures)
    # Else the files would be refused before anything reads them.
    assert figures.outcomes["taken"] > 30
