"""What counts as a number: what people write, not all that Python would take."""

from __future__ import annotations

import math

import pytest

from upscaler.numbers import any_number, whole_number

NO_NUMBERS = ["0_1", "1_000", "1__0", "_1", "1_", "٣", "１", "²", "1 0", "1,0", "", " ", "one", "0x1", "\u20091"]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("-5", -5), ("+5", 5), (" 5\n", 5)])
def test_whole_numbers(text: str, number: int) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1.0", "1e3", "9" * 5000])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError):
        whole_number(text)


@pytest.mark.parametrize(
    ("text", "number"), [("0.5", 0.5), (".5", 0.5), ("-1e-3", -0.001), (" 2 ", 2), ("1e999", math.inf)]
)
def test_numbers(text: str, number: float) -> None:
    assert any_number(text) == number


@pytest.mark.parametrize("text", [*NO_NUMBERS, "0_1.5", "0.2_5", "٠.٥"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        any_number(text)
