"""What results are called in a ZIP."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaler import file_names, result_names
from upscaler.errors import PublicError
from upscaler.result_names import Facts

SHIRT = Facts("SKU-12.5 red.jpg", ".png", sku="48220", model="topaz", width=2000, height=3000, n=7, id=91)


def _named(template: str, facts: Facts = SHIRT, *, total: int = 0) -> str:
    return result_names.compile(template, total=total).name_of(facts)


def _paths(*results: Facts, template: str = "{name}", keep_folders: bool = True) -> list[str]:
    compiled = result_names.compile(template)
    return list(result_names.unique_names(compiled, results, keep_folders=keep_folders, reserved=["manifest.csv"]))


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{name}", "SKU-12.5 red.png"),
        ("{sku}_{width}x{height}", "48220_2000x3000.png"),
        ("{sku}_{n}.jpg", "48220_007.png"),
        ("{ID}-{model}", "91-topaz.png"),
        ("large v1.5 {name}", "large v1.5 SKU-12.5 red.png"),
    ],
)
def test_a_template_names_a_result(template: str, name: str) -> None:
    assert _named(template, total=500) == name


@pytest.mark.parametrize(
    ("template", "name"),
    [("{sku}_{name}", "a.png"), ("{name}_{sku}_{width}", "a.png"), ("{sku}", "a.png"), ("x_{sku}_{name}", "x_a.png")],
)
def test_what_is_not_known_leaves_no_separators(template: str, name: str) -> None:
    assert _named(template, Facts("a.jpg", ".png")) == name


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", "empty"),
        ("result", "called the same"),
        ("{sku", "brace"),
        ("{colour}", "{colour}"),
        ("{sku}/{name}", "/"),
        ("{sku}:{name}", ":"),
        ("{sku}" + "x" * 200, "205 characters"),
    ],
)
def test_a_template_that_can_not_be_read_is_refused_with_what_is_allowed(template: str, problem: str) -> None:
    with pytest.raises(PublicError) as refused:
        result_names.compile(template)
    assert refused.value.code == "result_template"
    assert problem in refused.value.message
    assert "{height}" in refused.value.message


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ('a<b>c:d"e/f\\g|h?i*j.png', "a_b_c_d_e_f_g_h_i_j.png"),
        ("CON.png", "_CON.png"),
        ("nul", "_nul"),
        ("com1 .tar.png", "_com1 .tar.png"),
        ("LPT¹.png", "_LPT¹.png"),
        ("console.png", "console.png"),
        ("ends. . ", "ends"),
        (" a.png", "a.png"),
        ("..", "_"),
        ("", "_"),
        ("a\x00\x1fb.png", "a__b.png"),
        ("a\u202egpj.png", "agpj.png"),
    ],
)
def test_names_are_safe_on_windows(name: str, safe: str) -> None:
    assert result_names.safe_part(name) == safe


def test_no_two_are_alike_where_case_and_accents_do_not_count() -> None:
    composed, apart = "été.jpg", unicodedata.normalize("NFD", "ÉTÉ.jpg")
    names = [composed, apart, "été (2).jpg", "manifest.csv", "été.png"]
    assert _paths(*(Facts(name, ".png") for name in names)) == [
        "été.png",
        unicodedata.normalize("NFD", "ÉTÉ") + " (2).png",
        "été (2) (2).png",
        "manifest.csv.png",
        "été (3).png",
    ]
    assert _paths(Facts("manifest", ".csv")) == ["manifest (2).csv"]


def test_folders_are_kept_where_asked() -> None:
    results = [
        Facts("a.jpg", ".png", folder="Summer/b"),
        Facts("a.jpg", ".png", folder="summer/B"),
        Facts("a.jpg", ".png"),
    ]
    assert _paths(*results) == ["Summer/b/a.png", "Summer/b/a (2).png", "a.png"]
    assert _paths(*results, keep_folders=False) == ["a.png", "a (2).png", "a (3).png"]


def test_a_file_and_a_folder_are_not_called_alike() -> None:
    assert _paths(Facts("b.jpg", ".png", folder="x.png"), Facts("x.jpg", ".png")) == ["x.png/b.png", "x (2).png"]
    assert _paths(Facts("x.jpg", ".png"), Facts("b.jpg", ".png", folder="x.png")) == ["x.png", "x.png (2)/b.png"]


def test_folders_lead_nowhere_else() -> None:
    paths = _paths(Facts("a.jpg", ".png", folder="../../etc"), Facts("a.jpg", ".png", folder="/C:\\nul/. /"))
    assert paths == ["etc/a.png", "C_/_nul/a.png"]


def test_long_paths_are_cut_in_the_middle_and_stay_apart() -> None:
    deep = "/".join(["outermost", *["x" * 100] * 5, "innermost"])
    names = [f"48220 {'y' * 230} {end}.jpg" for end in ("front", "front", "back")]
    paths = _paths(*(Facts(name, ".png", folder=deep) for name in names))
    assert len({path.casefold() for path in paths}) == 3
    for path, end in zip(paths, ("front", "front (2)", "back"), strict=True):
        assert len(path) <= result_names.MAX_PATH
        assert path.startswith("outermost/innermost/48220 y")
        assert path.endswith(f"{end}.png")


def test_thousands_of_the_same_name_are_told_apart() -> None:
    paths = _paths(*(Facts("a.jpg", ".png", n=number) for number in range(5000)), keep_folders=False)
    assert len(set(paths)) == 5000
    assert paths[-1] == "a (5000).png"


_NAMES = st.text(alphabet=st.sampled_from("aAéÉ./\\:*? (2)\0中\u0301ßCON👩\u202e"), max_size=12)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(_NAMES, _NAMES, _NAMES), max_size=12), st.sampled_from(["{name}", "{sku}", "{sku}_{n}-{name}"])
)
def test_any_names_come_out_safe_and_apart(results: list[tuple[str, str, str]], template: str) -> None:
    facts = [Facts(name, ".png", sku=sku, folder=folder) for name, sku, folder in results]
    paths = _paths(*facts, template=template)
    compared = [unicodedata.normalize("NFC", path).casefold() for path in paths]
    assert len(set(compared)) == len(facts)
    folders = {path.rpartition("/")[0] for path in compared}
    assert not folders & set(compared)
    for path in paths:
        assert len(path) <= result_names.MAX_PATH
        for part in path.split("/"):
            assert part == result_names.safe_part(part)
            assert part not in ("", ".", "..")


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("SKU-12.5 red.jpg", "SKU-12.5 red.png"),
        ("SKU-12.7 blue.jpg", "SKU-12.7 blue.png"),
        ("SKU-12.5 red", "SKU-12.5 red.png"),
        ("SKU-12.7 blue", "SKU-12.7 blue.png"),
        ("v1.2", "v1.2.png"),
        ("SHIRT.JPEG", "SHIRT.png"),
        ("shirt.final.TIF", "shirt.final.png"),
        ("shirt.jpg.jpg", "shirt.jpg.png"),
        ("photo.HEIC", "photo.png"),
        (".jpg", ".jpg.png"),
        ("", "picture.png"),
    ],
)
def test_only_a_picture_s_ending_is_taken_off(source: str, result: str) -> None:
    assert result_names.compile(result_names.DEFAULT).name_of(Facts(source, ".png")) == result


def test_a_result_s_long_name_keeps_its_ending() -> None:
    name = result_names.compile(result_names.DEFAULT).name_of(Facts("連" * 250 + ".jpg", ".webp"))
    assert (len(name), name[-5:]) == (255, ".webp")
    assert file_names.for_file_system(name).endswith("連.webp")
