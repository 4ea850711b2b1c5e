"""What files are called that go to shops, and the tables of codes that teams upload."""

from __future__ import annotations

import io

import pytest
from openpyxl import Workbook

from upscaler.batches import codes
from upscaler.channels import names
from upscaler.channels.names import Codes, Picture
from upscaler.channels.table import CHANNELS
from upscaler.errors import PublicError

KNOWN = {"A-1": Codes("B01ABCDEFG", "4006381333931", "4006381333931"), "B": Codes()}


def named(channel: str, *skus: str, format_: str = "JPEG") -> list[str]:
    made = names.names(CHANNELS[channel], [Picture(sku) for sku in skus], KNOWN, format_=format_)
    return [one.name or one.problem for one in made]


def test_amazons_names() -> None:
    made = named("amazon", "A-1", "A-1", "A-1")
    assert made == ["B01ABCDEFG.MAIN.jpg", "B01ABCDEFG.PT01.jpg", "B01ABCDEFG.PT02.jpg"]


def test_names_by_ean_are_numbered() -> None:
    assert named("johnlewis", "A-1", "A-1", format_="TIFF") == ["4006381333931.tif", "4006381333931_1.tif"]


def test_a_missing_code_is_said_before_anything_is_ordered() -> None:
    [said] = named("amazon", "B")
    assert said == "“B” has no ASIN, which Amazon (main picture) wants in the name. Add it to the table of codes."


def test_there_are_no_more_names_than_the_shop_has() -> None:
    made = named("johnlewis", *["A-1"] * 12)
    assert made[10] == "4006381333931_10.jpg"
    assert "more pictures than John Lewis has names for: 11" in made[11]


def test_names_are_plain_ascii_and_no_two_alike() -> None:
    made = named("zalando", "Größe 40/red", "Grosse 40 red", "grosse-40-red")
    assert made == ["Grosse-40-red_1.jpg", "Grosse-40-red_1-2.jpg", "grosse-40-red_1-3.jpg"]
    assert all(name.isascii() for name in made)
    assert len({name.lower() for name in made}) == 3


def test_an_sku_of_signs_alone_has_no_name() -> None:
    [said] = named("zalando", "鞋")
    assert "no letter or digit" in said


@pytest.mark.parametrize("rule", ["{colour}", "plain", "{sku}/{number}", "{sku} {number}", "{sku}{", ""])
def test_a_rule_that_makes_no_names_is_refused(rule: str) -> None:
    with pytest.raises(PublicError) as refused:
        names.check_rule(rule)
    assert "{sku}_{number}" in refused.value.message


def table(text: str) -> codes.CodesTable:
    return codes.read(io.BytesIO(text.encode()), "codes.csv")


def test_a_table_of_codes_is_read() -> None:
    read = table("Article number;ASIN;EAN code\nA-1;b01abcdefg;4006381333931\nB;;96385074\n\n")
    assert read.codes == {"A-1": Codes("B01ABCDEFG", "4006381333931"), "B": Codes("", "96385074")}
    assert read.wrong == []


def test_a_workbook_of_codes_is_read() -> None:
    book = Workbook()
    book.active.append(["SKU", "EAN"])
    book.active.append(["A-1", 4006381333931])
    content = io.BytesIO()
    book.save(content)
    assert codes.read(content, "codes.xlsx").codes == {"A-1": Codes(ean="4006381333931")}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("A-1,B01ABCDEFH,", "“A-1” stands in row 2 already"),
        (",B01ABCDEFH,", "The SKU is missing"),
        ("C,,", "“C” has no code"),
        ("C,,4.81E+12", "has rounded the EAN to 4.81E+12"),
        ("4.81E+12,B01ABCDEFH,", "has rounded the SKU to 4.81E+12"),
        ("C,,4006381333932", "check digit of the EAN 4006381333932 is wrong"),
        ("C,,40063813", "check digit"),
        ("C,,12345", "is no EAN: it has 8, 12, 13 or 14 digits"),
        ("C,B01ABC,", "“B01ABC” is no ASIN"),
        ("C,,4006381333931", "is that of “A-1” in row 2 already"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_are_kept(row: str, said: str) -> None:
    read = table(f"SKU,ASIN,EAN\nA-1,B01ABCDEFG,4006381333931\n{row}\nD,,96385074\n")
    [(line, reason)] = read.wrong
    assert line == 3
    assert said in reason
    assert set(read.codes) == {"A-1", "D"}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "SKU,colour\nA,red\n", "ASIN\nB01ABCDEFG\n"])
def test_a_table_without_skus_or_codes_is_refused(text: str) -> None:
    with pytest.raises(PublicError) as refused:
        table(text)
    assert refused.value.code == "no_codes"
