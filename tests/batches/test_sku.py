"""SKUs out of the names of files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaler.batches import sku
from upscaler.errors import PublicError


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("{sku}_{colour}_{view}", "48220_red_front.jpg", "48220"),
        ("{sku}_{colour}_{view}", "48220_red_front_2.jpg", "48220"),
        ("{sku}_{colour}_{view}", "48220_red.jpg", ""),
        ("{SKU}_*", "48220_1.jpg", "48220"),
        ("{sku}_*", "48220.jpg", "48220"),
        ("{brand}-{sku}-{view}", "acme-48220-front.jpg", "48220"),
        ("*_{sku}", "summer_red_48220.jpg", "48220"),
        ("*_{sku}_*", "summer_48220_red.jpg", "48220"),
        ("IMG {sku}", "IMG 48220.jpg", "48220"),
        ("{sku}", "SKU-12.5 red.jpg", "SKU-12.5 red"),
        ("{sku}", "SKU-12.7.png", "SKU-12.7"),
        ("{sku} (*)", "48220 (2).jpg", "48220"),
        ("{sku}+*", "K.1+red.jpg", "K.1"),
        ("{sku}_*", "größe 38_红.jpg", "größe 38"),
        ("{sku}_*", "x" * 101 + "_1.jpg", ""),
        (r"re:(\d{5})", "ab48220x.jpg", "48220"),
        (r"re:(?P<colour>[a-z]+)_(?P<sku>\d+)", "red_48220.jpg", "48220"),
        (r"re:^(?:a|(b))", "a.jpg", ""),
    ],
)
def test_a_pattern_takes_the_sku_from_a_name(pattern: str, name: str, found: str) -> None:
    assert sku.compile(pattern).sku_of(name) == found


def test_an_expression_may_come_without_its_sign() -> None:
    assert sku.compile(r"^(\w+)-", is_expression=True).sku_of("K1-red.jpg") == "K1"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{sku}_{colour}_{view}", "the part before the first _: 48220 from 48220_red_front.jpg"),
        ("{sku}_*", "the part before the first _, or the whole name: 48220 from 48220_red_front.jpg"),
        ("*_{sku}", "the part after the last _: front from 48220_red_front.jpg"),
        ("{article}_{sku}_{view}", "the 2nd part between _: red from 48220_red_front.jpg"),
        ("{sku}", "the whole name: 48220_red_front from 48220_red_front.jpg"),
        ("{sku}-*-x", "the part before the first -: none in 48220_red_front.jpg"),
        (r"re:(\d+)", r"what (\d+) finds: 48220 from 48220_red_front.jpg"),
    ],
)
def test_a_pattern_is_said_in_words_with_an_example(pattern: str, words: str) -> None:
    assert sku.compile(pattern).in_words("48220_red_front.jpg") == words


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "empty"),
        ("{colour}_*", "nowhere"),
        ("{sku}_{sku}", "2 times"),
        ("{sku}{view}", "Nothing stands between"),
        ("*{sku}", "Nothing stands between"),
        ("{sku", "brace"),
        ("sku}", "brace"),
        ("{sku}_{1}", "{1}"),
        ("{sku}_\n", ""),
        ("re:(", "missing )"),
        (r"re:\d+", "round brackets"),
        ("re:(?=a)(b)", "Look-ahead"),
        (r"re:(a)\1", "back references"),
        ("re:(((a{100}){100}){100})", "repetition"),
        ("{sku}" + "_" * 200, "205 characters"),
    ],
)
def test_a_pattern_that_can_not_be_read_is_refused_with_what_is_allowed(pattern: str, problem: str) -> None:
    if pattern.endswith("\n"):
        assert sku.compile(pattern).pattern == "{sku}_"
        return
    with pytest.raises(PublicError) as refused:
        sku.compile(pattern)
    assert refused.value.code == "sku_pattern"
    assert problem in refused.value.message


def test_an_expression_that_would_never_end_elsewhere_ends() -> None:
    pattern = sku.compile("re:^(a+)+$")
    assert pattern.sku_of("a" * 250 + "b.jpg") == ""


@pytest.mark.parametrize(
    ("folder", "found"),
    [("summer/48220", "48220"), ("48220", "48220"), ("48220/", "48220"), ("", ""), ("x" * 101, "")],
)
def test_the_innermost_folder_is_a_sku(folder: str, found: str) -> None:
    assert sku.from_folder(folder) == found


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["48220_red_front.jpg", "48221_red_back.jpg", "48222.jpg", "notes.jpg"], "{sku}_*"),
        (["48220-1.jpg", "48220-2.jpg", "48221-1.jpg"], "{sku}-*"),
        (["AB-48220_red.jpg", "AB-48221_red.jpg", "AB-48220_blue.jpg"], "{sku}_*"),
        (["summer_48220_red.jpg", "summer_48221_red.jpg", "summer_48222_blue.jpg"], "*_{sku}_*"),
        (["red_48220.jpg", "blue_48221.jpg", "red_48222.jpg"], "*_{sku}"),
        (["48220.jpg", "48221.jpg"], "{sku}"),
        (["IMG_1234.jpg", "IMG_1235.jpg"], None),
        (["red dress.jpg", "blue dress.jpg"], None),
        ([], None),
    ],
)
def test_a_pattern_is_proposed_for_names_that_are_alike(names: list[str], pattern: str | None) -> None:
    assert sku.guess_pattern(iter(names)) == pattern
    if pattern:
        assert sku.compile(pattern).sku_of(names[0])


@settings(max_examples=120, deadline=None)
@given(pattern=st.text(alphabet="{}sku*_-()re:\\d+[]^ax?<P>\ud800é", max_size=30), name=st.text(max_size=40))
def test_any_pattern_is_read_or_refused(pattern: str, name: str) -> None:
    try:
        compiled = sku.compile(pattern)
    except PublicError as error:
        assert error.code == "sku_pattern"
    else:
        assert len(compiled.sku_of(name)) <= sku.MAX_SKU_LENGTH
        assert compiled.in_words(name)
