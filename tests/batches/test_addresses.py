"""Pasted lists of addresses, from wherever they were copied."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaler.batches import addresses
from upscaler.errors import PublicError

A, B, C = (f"https://shop.example/{letter}.jpg" for letter in "abc")


def _pairs(text: str) -> list[tuple[int, str, str]]:
    table = addresses.read(text, max_rows=100)
    assert not table.wrong
    return [(row.line, row.sku, row.url) for row in table.rows]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        (f"{A}\r\n\r\n  {B}  \n", [A, B]),
        (f"{A} {B},{C}", [A, B, C]),
        (f"{A}; {B} | {C}", [A, B, C]),
        (f'<{A}> “{B}” "{C}"', [A, B, C]),
        (f"'{A}', '{B}'", [A, B]),
        (f'- [front]({A}) and ![back]({B} "back")', [A, B]),
        (f"<p><a href=\"{A}?a=1&amp;b=2\">x</a> <img alt='' src='{B}'/></p>", [f"{A}?a=1&b=2", B]),
        (f"<a href={A}>{A}</a>", [A]),
        (f"See {A}, ({B}). And {C}!", [A, B, C]),
        ("https://shop.example/a_(1).jpg", ["https://shop.example/a_(1).jpg"]),
        ("[x](https://shop.example/a_(1).jpg)", ["https://shop.example/a_(1).jpg"]),
        ("https://shop.example/w_200,h_300/a.jpg", ["https://shop.example/w_200,h_300/a.jpg"]),
        (
            "https://proxy.example/?u=https://shop.example/a.jpg",
            ["https://proxy.example/?u=https://shop.example/a.jpg"],
        ),
        ("https://shop.example/my red shirt.jpg", ["https://shop.example/my red shirt.jpg"]),
        ("HTTPS://shop.example/ä.jpg", ["HTTPS://shop.example/ä.jpg"]),
    ],
)
def test_addresses_are_found_in_what_people_paste(text: str, urls: list[str]) -> None:
    assert [url for _, _, url in _pairs(text)] == urls


def test_cells_copied_from_a_spreadsheet_bring_their_skus() -> None:
    assert _pairs(f"48220\t{A}\n48221\t{B}\t{C}\n") == [(1, "48220", A), (2, "48221", B), (2, "48221", C)]
    assert _pairs(f"{A}\tK-1 red\n") == [(1, "K-1 red", A)]
    assert _pairs(f"Name\tSKU\tURL\nShirt\tK-1\t{A}\n") == [(2, "K-1", A)]


def test_a_sku_may_stand_before_a_comma() -> None:
    assert _pairs(f"48220,{A}\n48221; {B}\n") == [(1, "48220", A), (2, "48221", B)]


def test_wrong_lines_are_named() -> None:
    table = addresses.read(
        f"{A}\nwww.shop.example/b.jpg\nfront\nftp://shop.example/c.jpg\nhttp://10.0.0.1/a.jpg", max_rows=9
    )
    assert [row.line for row in table.rows] == [1]
    assert [(wrong.line, wrong.code) for wrong in table.wrong] == [
        (2, "url_parsing"),
        (3, "url_parsing"),
        (4, "url_parsing"),
        (5, "url_private"),
    ]
    assert table.wrong[1].text == "front"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_addresses"),
        (" \n\t\n", "no_addresses"),
        (f"{A}\n" * 11, "too_many_rows"),
        ("x" * 5_000_001, "text_too_long"),
    ],
)
def test_what_can_not_be_read_is_refused(text: str, code: str) -> None:
    with pytest.raises(PublicError) as refused:
        addresses.read(text, max_rows=10)
    assert refused.value.code == code


@pytest.mark.parametrize("filler", [",", "https://", '"', "(", "[x](", "a ", '="https://a ', ".", "\t"])
def test_long_lines_end(filler: str) -> None:
    try:
        table = addresses.read(f"{A} {filler * 60_000}", max_rows=100_000)
    except PublicError as error:
        assert error.code == "too_many_rows"
    else:
        assert table.rows or table.wrong


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.sampled_from([*" ,;\t\n\"'<>()[]=“”.", A, B, "http://", "SKU", "K-1", "a", "\0"]), max_size=30)
)
def test_any_text_is_read_or_refused(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        table = addresses.read(text, max_rows=100)
    except PublicError as error:
        assert error.message
    else:
        # No line with an address in it is passed over.
        said = {row.line for row in table.rows} | {wrong.line for wrong in table.wrong}
        if table.header_line is None:
            assert said >= {number for number, line in enumerate(text.split("\n"), 1) if A in line or B in line}
