"""Spreadsheets of SKUs and addresses, as programs write them and people fill them in."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaler.batches import rows, spreadsheets, xlsx
from upscaler.batches.rows import Table
from upscaler.errors import PublicError

A, B, C = (f"https://shop.example/{letter}.jpg" for letter in "abc")


def _read(content: str | bytes, name: str = "list.csv", *, max_rows: int = 100) -> Table:
    content = content.encode() if isinstance(content, str) else content
    return spreadsheets.read(io.BytesIO(content), name, max_rows=max_rows)


def _pairs(table: Table) -> list[tuple[int, str, str]]:
    return [(row.line, row.sku, row.url) for row in table.rows]


def _refused(content: str | bytes, name: str = "list.csv", **options: int) -> PublicError:
    with pytest.raises(PublicError) as refused:
        _read(content, name, **options)
    return refused.value


def _book(fill: Callable[[Any], None]) -> bytes:
    book = openpyxl.Workbook()
    fill(book.active)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _sheet(*lines: list[Any]) -> bytes:
    def fill(sheet: Any) -> None:
        for line in lines:
            sheet.append(line)

    return _book(fill)


def _changed(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The workbook with its parts changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, change(part, old.read(part)))
    return file.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_in_every_usual_encoding_and_delimiter(encoding: str, delimiter: str) -> None:
    lines = [["Größe", "Bild-URL", "Artikelnummer", "Titel"], ["L", A, "001", "Hülle"], ["M", B, "002", ""]]
    table = _read("\r\n".join(delimiter.join(line) for line in lines).encode(encoding))
    assert _pairs(table) == [(2, "001", A), (3, "002", B)]
    assert table.rows[0].name == "Hülle"
    assert table.columns == rows.Columns("Artikelnummer", ("Bild-URL",), "Titel")
    assert table.header_line == 1


@pytest.mark.parametrize(
    "titles",
    [
        ("sku", "url"),
        ("SKU", "Image URL"),
        ("Article number", "image_url"),
        ("Art.-Nr.", "Foto"),
        ("item id", "Picture"),
        ("Style", "imageLink"),
        ("GTIN", "Bild 1"),
        ("Référence", "Lien"),
        ("Variant SKU", "Image Src"),
        ("id", "image_link"),
        ("Product ID", "Link to image"),
    ],
)
def test_titles_are_known_in_any_case_and_order(titles: tuple[str, str]) -> None:
    sku, address = titles
    assert _pairs(_read(f"{address},colour,{sku}\n{A},red,7\n")) == [(2, "7", A)]


def test_the_surest_titles_count() -> None:
    content = f"id,link,EAN,SKU,image_link,title\n1,https://shop.example/page,400,K-7,{A},Shirt\n"
    table = _read(content)
    assert _pairs(table) == [(2, "K-7", A)]
    assert table.rows[0].name == "Shirt"


def test_titles_below_other_lines_are_found_and_lines_keep_their_numbers() -> None:
    assert _pairs(_read(f"Summer 2027\n\nfor the shop\nSKU;URL\n\n7;{A}\n;\n8;{B}\n")) == [(6, "7", A), (8, "8", B)]


def test_without_titles_what_is_in_the_columns_tells() -> None:
    assert _pairs(_read(f"red;K-1;{A}\nred;K-2;{B}\nblue;K-3;{C}\n")) == [(1, "K-1", A), (2, "K-2", B), (3, "K-3", C)]
    assert _pairs(_read(f"{A}\n{B}\n")) == [(1, "", A), (2, "", B)]


def test_beside_pictures_other_addresses_lead_to_pages() -> None:
    assert _pairs(_read(f"K-1,https://shop.example/p/1,{A}\nK-2,https://shop.example/p/2,{B}\n")) == [
        (1, "K-1", A),
        (2, "K-2", B),
    ]


def test_several_addresses_are_several_rows() -> None:
    assert _pairs(_read(f'sku,url\n7,"{A}, {B}"\n8,"{A}\n{C}"\n9,{A} {B}\n')) == [
        (2, "7", A),
        (2, "7", B),
        (3, "8", A),
        (3, "8", C),
        (5, "9", A),
        (5, "9", B),
    ]
    assert _pairs(_read(f"sku,image 1,image 2,image 3\n7,{A},{B},\n")) == [(2, "7", A), (2, "7", B)]
    assert _pairs(_read(f"sku,url\n7,{A},{B}\n")) == [(2, "7", A), (2, "7", B)]


def test_commas_inside_an_address_part_nothing() -> None:
    sized = "https://shop.example/w_200,h_300/a.jpg"
    assert _pairs(_read(f"{sized}\n{sized}\n")) == [(1, "", sized), (2, "", sized)]
    assert _pairs(_read(f"sku;url\n7;{sized}\n")) == [(2, "7", sized)]


def test_wrong_rows_are_named_and_the_others_go_on() -> None:
    long = "https://shop.example/" + "x" * 2000
    content = f"sku,url\n1,{A}\n2,\n3,nothing\n{'9' * 101},{A}\n5,{long}\n6,http://127.0.0.1/a.jpg\n7,{B}\n,,\n"
    table = _read(content)
    assert _pairs(table) == [(2, "1", A), (8, "7", B)]
    assert [(wrong.line, wrong.code) for wrong in table.wrong] == [
        (3, "no_address"),
        (4, "url_parsing"),
        (5, "sku_too_long"),
        (6, "url_too_long"),
        (7, "url_private"),
    ]
    assert all(wrong.reason and len(wrong.text) <= rows.MAX_SHOWN for wrong in table.wrong)


def test_more_rows_than_allowed_are_refused() -> None:
    content = "url\n" + f"{A}\n" * 11
    assert _refused(content, max_rows=10).code == "too_many_rows"
    assert len(_read(content, max_rows=11).rows) == 11


def test_excels_own_line_for_the_separator() -> None:
    assert _pairs(_read(f"sep=;\r\nsku;url\r\n7,5;{A}\r\n")) == [(3, "7,5", A)]


def test_what_spreadsheets_do_to_numbers_in_csv() -> None:
    table = _read(f'sku;url\n="00123";{A}\n\'00124;{A}\n4,00639E+12;{A}\n')
    assert [row.sku for row in table.rows] == ["00123", "00124"]
    assert [(wrong.line, wrong.code) for wrong in table.wrong] == [(4, "sku_rounded")]


def test_a_formula_that_links_or_shows_a_picture_is_its_address() -> None:
    content = f'sku;url\n7;"=HYPERLINK(""{A}"";""front"")"\n8;"=IMAGE(""{B}"")"\n'
    assert _pairs(_read(content)) == [(2, "7", A), (3, "8", B)]


def test_a_quotation_mark_that_is_not_closed_loses_no_rows_without_a_word() -> None:
    error = _refused(f'sku;url\n1;{A}\n"2;{A}\n3;{A}\n4;{B}\n')
    assert error.code == "table_damaged"
    assert "line 3" in error.message
    assert "line 3" in _refused(f'sku;url\n1;{A}\n"2;{A}\n"3";{A}\n').message


def test_a_long_text_over_many_lines_is_a_cell() -> None:
    body = "<p>\n" * 60 + f'<a href=""{C}"">'
    assert _pairs(_read(f'Handle,Body,Variant SKU,Image Src\nshirt,"{body}",7,{A}\nshirt,,,{B}\n')) == [
        (2, "7", A),
        (63, "", B),
    ]


def test_old_macs_line_ends() -> None:
    assert _pairs(_read(f"sku;url\r7;{A}\r8;{B}\r")) == [(2, "7", A), (3, "8", B)]


@pytest.mark.parametrize(
    ("content", "name", "code", "word"),
    [
        (b"", "a.csv", "table_empty", "0 bytes"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.xls", "table_kind", ".xlsx or .csv"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "a.xlsx",
            "table_locked",
            "password",
        ),
        (b"<html><table><tr><td>sku", "a.xls", "table_kind", "web page"),
        (b"%PDF-1.7", "a.csv", "table_kind", "a.csv"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 99, "a.csv", "table_kind", "a.csv"),
        (b"sku,colour\n1,red\n", "a.csv", "no_addresses", "https://"),
    ],
)
def test_what_is_no_table_is_refused_by_name(content: bytes, name: str, code: str, word: str) -> None:
    error = _refused(content, name)
    assert error.code == code
    assert word in error.message


@pytest.mark.parametrize(
    ("part", "word"),
    [("content.xml", ".ods"), ("Index/Document.iwa", ".numbers"), ("xl/workbook.bin", ".xlsb"), ("a.jpg", "ZIP")],
)
def test_other_kinds_in_a_zip_are_refused_by_name(part: str, word: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(part, "x")
    error = _refused(file.getvalue())
    assert error.code == "table_kind"
    assert word in error.message


def test_a_workbook_with_titles_below_a_heading_and_an_empty_row() -> None:
    table = _read(_sheet(["Summer"], [], ["Image", "SKU", "Name"], [A, "K-1", "Shirt"], [], [B, "K-2", None]), "a.xlsx")
    assert _pairs(table) == [(4, "K-1", A), (6, "K-2", B)]
    assert table.rows[0].name == "Shirt"
    assert (table.sheet, table.header_line) == ("Sheet", 3)


def test_numbers_are_as_they_are_seen() -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["SKU", "URL"])
        values = [48220, 48220.0, 12.5, 7, 7, 4006381333931, 0.1 + 0.2, "007", True, datetime.datetime(2027, 1, 5)]
        for value in values:
            sheet.append([value, A])
        sheet["A5"].number_format = "00000"
        sheet["A6"].number_format = '"K-"000'

    seen = [row.sku for row in _read(_book(fill), "a.xlsx").rows]
    assert seen == [
        "48220", "48220", "12.5", "00007", "K-007", "4006381333931", "0.3", "007", "TRUE", "2027-01-05",
    ]  # fmt: skip


def test_links_behind_cells_are_the_addresses() -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["SKU", "Picture"])
        sheet.append(["K-1", "front"])
        sheet["B2"].hyperlink = A
        sheet["A2"].hyperlink = "https://shop.example/product/1"
        sheet.append(["K-2", f'=HYPERLINK("{B}","front")'])
        sheet.append(["K-3", f'=_xlfn.IMAGE("{C}")'])

    assert _pairs(_read(_book(fill), "a.xlsx")) == [(2, "K-1", A), (3, "K-2", B), (4, "K-3", C)]


def test_a_sku_in_joined_cells_counts_for_each_row() -> None:
    def fill(sheet: Any) -> None:
        for line in (["SKU", "URL"], ["K-1", A], [None, B], ["K-2", C]):
            sheet.append(line)
        sheet.merge_cells("A2:A3")

    assert _pairs(_read(_book(fill), "a.xlsx")) == [(2, "K-1", A), (3, "K-1", B), (4, "K-2", C)]


def test_the_first_sheet_with_addresses_is_read_and_hidden_ones_last() -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Read me first"])
        hidden = sheet.parent.create_sheet("Old")
        hidden.append([C])
        hidden.sheet_state = "hidden"
        sheet.parent.create_sheet("List").append(["K-1", A])

    table = _read(_book(fill), "a.xlsx")
    assert (table.sheet, _pairs(table)) == ("List", [(1, "K-1", A)])


def test_a_size_that_another_program_wrote_wrongly_loses_no_rows() -> None:
    def change(part: str, content: bytes) -> bytes:
        return content.replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1"')

    assert len(_read(_changed(_sheet(["SKU", "URL"], [1, A], [2, B]), change)).rows) == 2


def test_cells_of_no_place_and_texts_in_place_as_other_programs_write_them() -> None:
    def change(part: str, content: bytes) -> bytes:
        if part != "xl/worksheets/sheet1.xml":
            return content
        cells = f'<row><c t="inlineStr"><is><t>K-1</t></is></c><c t="str"><v>{A}</v></c></row>'
        start, end = content.index(b"<sheetData>"), content.index(b"</sheetData>")
        return content[:start] + b"<sheetData>" + cells.encode() + content[end:]

    assert _pairs(_read(_changed(_sheet(["x"]), change))) == [(1, "K-1", A)]


def test_a_bomb_of_entities_is_refused() -> None:
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'

    def change(part: str, content: bytes) -> bytes:
        return entities + content.replace(b'<?xml version="1.0"?>', b"") if part.endswith("sheet1.xml") else content

    assert _refused(_changed(_sheet(["SKU", "URL"], [1, A]), change)).code == "table_damaged"


@pytest.mark.parametrize("filler", [b" " * (xlsx.MAX_UNPACKED + 1), b"<c/>" * (xlsx.MAX_TAGS + 1)])
def test_a_bomb_is_refused_before_it_is_parsed(filler: bytes) -> None:
    content = _changed(_sheet(["SKU"]), lambda part, content: content + filler if "sheet1" in part else content)
    assert _refused(content).code == "table_too_large"


def test_a_cell_far_out_takes_no_room() -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["SKU", "URL"])
        sheet.append([1, A])
        sheet["XFD3"] = "x"
        sheet["A1048576"] = 9
        sheet["B1048576"] = B

    assert _pairs(_read(_book(fill))) == [(2, "1", A), (1_048_576, "9", B)]


_TEXTS = st.lists(st.sampled_from([*"aÄ9,;\t|\"'\n\r =+ ", A, B, "sku", "url", "\0", "\ufeff"]), max_size=40).map(
    "".join
)


@settings(max_examples=200, deadline=None)
@given(
    content=st.one_of(_TEXTS.map(str.encode), _TEXTS.map(lambda text: text.encode("utf-16")), st.binary(max_size=200))
)
def test_any_text_is_read_or_refused(content: bytes) -> None:
    try:
        table = _read(content)
    except PublicError as error:
        assert error.message
    else:
        assert table.rows or table.wrong


_SOUND = _sheet(["SKU", "URL"], [1, A], [2, B])


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_workbook_is_read_or_refused(data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(zipfile.ZipFile(io.BytesIO(_SOUND)).namelist()))

    def change(part: str, content: bytes) -> bytes:
        if part != target:
            return content
        damaged = bytearray(content)
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.sampled_from(b'<>/"&0 A\0'))
        return bytes(damaged)

    for content in (_changed(_SOUND, change), _SOUND[: data.draw(st.integers(1, len(_SOUND)))]):
        try:
            _read(content)
        except PublicError as error:
            assert error.message


@pytest.mark.parametrize("filler", [" ", ",", ";|", "x", "e\u0301"])
def test_long_cells_end(filler: str) -> None:
    cell = "a" + filler * (100_000 // len(filler)) + "b"
    table = _read(f'SKU;URL;Name\n1;{A};"{cell}"\n2;"{cell}";x\n'.encode())
    [row] = table.rows
    assert (row.url, len(row.name) <= 255, [wrong.line for wrong in table.wrong]) == (A, True, [3])
