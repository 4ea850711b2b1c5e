"""Product feeds of every kind, good and bad: each row is read or named, and memory stays where it is."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import openpyxl
import pytest

from tests.support.feed_pages import GOOGLE, google
from upscaler.errors import PublicError
from upscaler.feeds import delimited, xml_feed
from upscaler.feeds.entries import Entry, WrongEntry
from upscaler.feeds.reader import Feed
from upscaler.tables import csv_lines


def read(content: bytes) -> tuple[list[Entry], list[WrongEntry], PublicError | None]:
    good: list[Entry] = []
    wrong: list[WrongEntry] = []
    try:
        for entry in Feed(io.BytesIO(content)):
            good.append(entry) if isinstance(entry, Entry) else wrong.append(entry)
    except PublicError as error:
        return good, wrong, error
    return good, wrong, None


def entries(content: bytes) -> list[tuple[str, str, tuple[str, ...]]]:
    good, wrong, error = read(content)
    assert not wrong and error is None
    return [(entry.sku, entry.title, entry.urls) for entry in good]


def test_google_s_rss_with_additional_pictures() -> None:
    urls = ["https://s.example/1.jpg", "https://s.example/1b.jpg", "https://s.example/1c.jpg"]
    assert entries(google([("A1", urls), ("A2", urls[:1])])) == [
        ("A1", "Shirt A1", tuple(urls)),
        ("A2", "Shirt A2", tuple(urls[:1])),
    ]


def test_google_s_atom_takes_google_s_own_id() -> None:
    feed = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>'
        '<entry><id>tag:shop,2026:1</id><g:id>B1</g:id><g:title>Hat</g:title><link href="https://p.example/hat"/>'
        "<g:gtin>4006381333931</g:gtin><g:image_link>https://s.example/b.jpg</g:image_link></entry></feed>"
    )
    assert entries(feed.encode()) == [("B1", "Hat", ("https://s.example/b.jpg",))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_feeds_in_any_encoding(encoding: str) -> None:
    tsv = "id\ttitle\timage_link\tadditional_image_link\r\n1\tÄrmel à € 5\thttps://s.example/1.jpg\thttps://s.example/2.jpg,https://s.example/3.jpg\r\n"
    urls = tuple(f"https://s.example/{number}.jpg" for number in (1, 2, 3))
    assert entries(tsv.encode(encoding)) == [("1", "Ärmel à € 5", urls)]
    xml = GOOGLE.format(
        "<item><g:id>1</g:id><title>Ärmel €</title><g:image_link>https://s.example/1.jpg</g:image_link></item>"
    )
    assert entries(xml.encode(encoding)) == [("1", "Ärmel €", urls[:1])]


def test_shopify_s_rows_belong_to_their_product() -> None:
    rows = (
        "Handle,Title,Body (HTML),Variant SKU,Image Src,Image Position,Variant Image\n"
        'shirt,Shirt,"<p>soft\nand ""warm""</p>",S-1,https://c.example/1.jpg,1,\n'
        "shirt,,,S-2,https://c.example/2.jpg,2,\n"
        "shirt,,,S-3,,,https://c.example/v.jpg\n"
        "cap,Cap,,,https://c.example/cap.jpg,1,\n"
    )
    assert entries(rows.encode()) == [
        ("S-1", "Shirt", ("https://c.example/1.jpg",)),
        ("S-1", "Shirt", ("https://c.example/2.jpg",)),
        ("S-3", "Shirt", ("https://c.example/v.jpg",)),
        ("cap", "Cap", ("https://c.example/cap.jpg",)),
    ]


@pytest.mark.parametrize(
    "feed",
    [
        "Artikelnummer;Bild-URL;Bezeichnung\nA-1;https://s.example/1.jpg;Hemd\n",
        "sep=|\nSKU|Image URL|Name\nA-1|https://s.example/1.jpg|Hemd\n",
        '"name","image","sku"\n"Hemd","https://s.example/1.jpg","A-1"\n',
        "Export of 3 May\n\nsku\timage\tname\nA-1\thttps://s.example/1.jpg\tHemd",
    ],
)
def test_csv_with_titles(feed: str) -> None:
    assert entries(feed.encode()) == [("A-1", "Hemd", ("https://s.example/1.jpg",))]


def test_what_a_guard_against_formulas_has_changed_is_read_as_it_was() -> None:
    titles = [
        "-20 % Hemd",
        "-",
        "=A1",
        "+A",
        "@A",
        "|A",
        "%A",
        "-A|B",
        "'n Hemd",
        "'t Zand 1|2",
        "'quoted'",
        "–A",
        "- A -",
    ]
    rows = [[title, title, f"https://s.example/{number}.jpg"] for number, title in enumerate(titles)]
    table = "".join(csv_lines(["SKU", "Name", "Image URL"], rows))
    assert "'-20 % Hemd,'-20 % Hemd," in table and "\n'-,'-," in table
    assert [(sku, title) for sku, title, _ in entries(table.encode())] == [(title, title) for title in titles]
    tsv = b"id\ttitle\timage_link\n-1\t-20% off\thttps://s.example/1.jpg\n"
    assert entries(tsv) == [("-1", "-20% off", ("https://s.example/1.jpg",))]
    assert entries(b"'-SKU,'- Image URL\n'00-1,'https://s.example/1.jpg\n")[0][0] == "00-1"


def test_a_list_of_addresses() -> None:
    good, [wrong], error = read(b"https://s.example/1.jpg\nA-1, https://s.example/2.jpg\nhello")
    assert [(entry.sku, entry.urls) for entry in good] == [
        ("", ("https://s.example/1.jpg",)),
        ("A-1", ("https://s.example/2.jpg",)),
    ]
    assert (wrong.row, wrong.code, error) == (3, "no_address", None)


def test_a_workbook() -> None:
    book = openpyxl.Workbook()
    book.active.append(["SKU", "Image URL", "Name"])  # type: ignore[union-attr]
    book.active.append([4711, "https://s.example/1.jpg", "Hemd"])  # type: ignore[union-attr]
    out = io.BytesIO()
    book.save(out)
    assert entries(out.getvalue()) == [("4711", "Hemd", ("https://s.example/1.jpg",))]
    whole = out.getvalue()
    # Cut off, and packed in a way that nobody knows.
    for broken in (
        whole[:-200],
        whole.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63\x00"),
    ):
        assert broken != whole and read(broken)[2].code == "feed_damaged"  # type: ignore[union-attr]


@pytest.mark.parametrize("encoding", ["rot13", "hex", "unicode_escape", "punycode", "nonsense", "utf-16", "koi8-r"])
def test_a_feed_that_names_an_odd_encoding_is_read(encoding: str) -> None:
    feed = google([("A\\ud800", ["https://s.example/1.jpg"])]).decode()
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{feed[feed.index("<rss") :]}'
    assert [sku for sku, *_ in entries(declared.encode())] == ["A\\ud800"]


def _with_sheet(change: Callable[[bytes], bytes]) -> bytes:
    """A workbook of one product whose sheet is changed as a file."""
    book = openpyxl.Workbook()
    book.active.append(["SKU", "Image URL"])  # type: ignore[union-attr]
    book.active.append(["A1", "https://s.example/1.jpg"])  # type: ignore[union-attr]
    out, changed = io.BytesIO(), io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as whole, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as made:
        for part in whole.namelist():
            content = whole.read(part)
            made.writestr(part, change(content) if part == "xl/worksheets/sheet1.xml" else content)
    return changed.getvalue()


def test_a_workbook_with_a_row_far_down_is_read_quickly() -> None:
    for number in (1_048_576, 2_000_000_000):
        row = b'<row r="%d"><c r="A%d" t="inlineStr"><is><t> </t></is></c></row></sheetData>' % (number, number)
        content = _with_sheet(lambda sheet, row=row: sheet.replace(b"</sheetData>", row))  # type: ignore[misc]
        assert entries(content) == [("A1", "", ("https://s.example/1.jpg",))]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (b"<row>" + b"<c/>" * 1_300_000 + b"</row>", "too_large"),
        (b"<x/>" * 8_000_000, "too_large"),
        (b"<row/>" * 1_050_000, "too_large"),
        (b"<row><c/><row/><c/></row>", "feed_damaged"),
        (b"<!-- </row> -->", "feed_damaged"),
        (b"<?x </row> ?>", "feed_damaged"),
    ],
    ids=["one row", "beside the rows", "rows", "nested", "comment", "instruction"],
)
def test_a_workbook_that_would_fill_memory_is_refused_before_it_is_read(more: bytes, code: str) -> None:
    content = _with_sheet(lambda sheet: sheet.replace(b"</sheetData>", more + b"</sheetData>"))
    good, wrong, error = read(content)
    assert (good, wrong) == ([], []) and error is not None and error.code == code


def test_a_packed_feed_and_one_that_is_cut_off() -> None:
    feed = google((f"A{number}", [f"https://s.example/{number}.jpg"]) for number in range(2000))
    packed = gzip.compress(feed)
    assert len(entries(packed)) == 2000
    good, wrong, error = read(packed[: len(packed) // 2])
    assert 100 < len(good) < 2000 and not wrong and error is not None and error.code == "cut_off"
    good, wrong, error = read(feed[: len(feed) // 2])
    assert 950 < len(good) < 1050 and error is not None and f"after row {len(good):,}" in error.message


def test_a_packed_feed_that_grows_beyond_the_limit_ends_there(settings: Any) -> None:
    settings.FEED_MAX_BYTES = 300_000
    row = b"A,https://s.example/1.jpg,%s\n" % (b"x" * 1000)
    bomb = gzip.compress(b"sku,image,name\n" + row * 20_000)
    good, wrong, error = read(bomb)
    assert 200 < len(good) < 300 and not wrong and len(bomb) < 100_000
    assert error is not None and "unpacks to more than 0 MB" in error.message


def test_a_table_that_is_cut_off_says_after_which_row() -> None:
    good, _, error = read(b"sku,image,name\nA,https://s.example/1.jpg,Shirt\nB,https://s.exa")
    assert len(good) == 2 and error is not None and (error.code, "after row 2" in error.message) == ("cut_off", True)
    assert read(b"sku,image,name\nA,https://s.example/1.jpg,Shirt")[2] is None, "no end of the last line is no fault"


def test_one_broken_product_stops_none_of_the_others() -> None:
    items = [
        "<item><g:id>A1</g:id><g:image_link>https://s.example/1.jpg?a=1&b=2</g:image_link><title>R&D&nbsp;x</title></item>",
        "<item><g:id>A2<title>broken</item>",
        "<item><g:id>A3</g:id><title><![CDATA[</item> inside]]></title><g:image_link>https://s.example/3.jpg</g:image_link></item>",
        "<item><!-- </item> --><g:id>A4</g:id><x:y>1</x:y><g:image_link>https://s.example/4.jpg</g:image_link></item>",
        "<item/>",
        f"<item><g:id>A6</g:id><description>{'x' * (xml_feed.MAX_PRODUCT + 2 * xml_feed.CHUNK)}</description></item>",
        "<item><g:id>A7</g:id><g:image_link>https://s.example/7.jpg</g:image_link></item>",
    ]
    good, wrong, error = read(GOOGLE.format("\n".join(items)).encode())
    assert error is None
    assert [(entry.row, entry.sku) for entry in good] == [(1, "A1"), (3, "A3"), (4, "A4"), (7, "A7")]
    assert good[0].urls == ("https://s.example/1.jpg?a=1&b=2",) and good[0].title == "R&D x"
    assert [(entry.row, entry.code) for entry in wrong] == [
        (2, "row_damaged"),
        (5, "no_address"),
        (6, "row_too_long"),
    ]


def test_an_open_quotation_mark_costs_its_own_row_alone() -> None:
    rows = b'sku;image\n"A;https://s.example/1.jpg\nB;https://s.example/2.jpg\n4.81E+12;https://s.example/3.jpg\nD;\n'
    good, wrong, _ = read(rows)
    assert [(entry.row, entry.sku) for entry in good] == [(3, "B")]
    assert [(entry.row, entry.code) for entry in wrong] == [(2, "row_damaged"), (4, "sku_rounded"), (5, "no_address")]
    many = b"sku;image\n" + b'"' + b"B;https://s.example/2.jpg\n" * 1200
    good, wrong, _ = read(many)
    assert len(good) == 1199 and [entry.row for entry in wrong] == [2]


def test_a_line_without_end_is_named() -> None:
    rows = b"sku,image\nA," + b"x" * (delimited.MAX_LINE * 2) + b"\nB,https://s.example/2.jpg\n"
    good, wrong, _ = read(rows)
    assert [entry.sku for entry in good] == ["B"] and [entry.code for entry in wrong] == ["row_too_long"]


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<rss><channel><item><id>&b;</id></item></channel></rss>"
)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (BOMB.encode(), "feed_dtd"),
        (BOMB.encode("utf-16"), "feed_dtd"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><rss><item/></rss>', "feed_dtd"),
        (b"<!doctype html><html><body>Sign in</body></html>", "feed_kind"),
        (b"<rss><channel><title>Shop</title></channel></rss>", "feed_kind"),
        (b'{"products": []}', "feed_kind"),
        (b"%PDF-1.7 ...", "feed_kind"),
        (b"", "feed_empty"),
        (b"sku,colour\nA,red\n", "no_addresses"),
        (b"PK\x03\x04nothing", "feed_damaged"),
    ],
)
def test_what_is_no_feed_is_refused_by_name(content: bytes, code: str) -> None:
    good, wrong, error = read(content)
    assert not good and not wrong and error is not None and error.code == code, error


def test_a_bomb_inside_a_product_is_a_broken_product() -> None:
    inside = "<item><!DOCTYPE x [<!ENTITY a 'ha'>]><g:id>&a;</g:id></item>"
    good, [wrong], _ = read(
        GOOGLE.format(
            inside + "<item><g:id>B</g:id><g:image_link>https://s.example/b.jpg</g:image_link></item>"
        ).encode()
    )
    assert wrong.code == "row_damaged" and [entry.sku for entry in good] == ["B"]


def test_a_zip_of_feeds_is_named() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("feed.xml", "<rss/>")
    assert ".gz" in read(out.getvalue())[2].message  # type: ignore[union-attr]


class Endless(io.RawIOBase):
    """A feed that is made as it is read."""

    def __init__(self, head: bytes, row: bytes, tail: bytes, count: int) -> None:
        self._parts = self._made(head, row, tail, count)
        self._left = b""
        self._args = (head, row, tail, count)

    @staticmethod
    def _made(head: bytes, row: bytes, tail: bytes, count: int) -> Iterator[bytes]:
        yield head
        for number in range(count):
            yield row.replace(b"%", b"%d" % number)
        yield tail

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._parts, self._left = self._made(*self._args), b""
        return 0

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (part := next(self._parts, b"")):
            self._left += part
        content, self._left = self._left[:size], self._left[size:]
        return content


XML_ROW = b"<item><g:id>SKU-%</g:id><title>Shirt %</title><g:image_link>https://s.example/%.jpg</g:image_link></item>"


@pytest.mark.parametrize(
    ("head", "row", "tail"),
    [
        (b"id\timage_link\n", b"SKU-%\thttps://s.example/%.jpg\n", b""),
        (b'<rss xmlns:g="http://base.google.com/ns/1.0">', XML_ROW, b"</rss>"),
    ],
)
def test_memory_does_not_grow_with_the_rows(head: bytes, row: bytes, tail: bytes) -> None:
    peaks = []
    for count in (500, 5_000):
        feed: Any = Endless(head, row, tail, count)
        tracemalloc.start()
        try:
            assert sum(1 for _ in Feed(feed)) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000, peaks
