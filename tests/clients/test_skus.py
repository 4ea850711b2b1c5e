"""SKUs on the command line are those that the desk's own page finds."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from upscaler_client import UpscalerError
from upscaler_client.cli import skus

from upscaler.batches import sku

NAMES = (
    "48220_red_front.jpg",
    "48220_red_front_2.jpg",
    "48220.jpg",
    "acme-48220-front.jpg",
    "IMG 48220.jpg",
    "48220 (2).jpg",
    "größe 38_红.jpg",
    "x" * 101 + "_1.jpg",
    "red_48220.jpg",
    "SKU-12.5 red.jpg",
)


@pytest.mark.parametrize(
    "pattern",
    ["{sku}_{colour}_{view}", "{SKU}_*", "{brand}-{sku}-{view}", "*_{sku}", "*_{sku}_*", "IMG {sku}", "{sku}",
     "{sku} (*)", r"re:(\d{5})", r"re:(?P<colour>[a-z]+)_(?P<sku>\d+)"],
)  # fmt: skip
def test_patterns_mean_what_they_mean_on_the_desks_page(pattern: str) -> None:
    for name in NAMES:
        assert skus.reader(pattern)(PurePosixPath(name)) == sku.compile(pattern).sku_of(name), name


@pytest.mark.parametrize("pattern", ["", " ", "{colour}", "{sku}{colour}", "{sku}_{sku}", "{sku", "re:(", "re:abc"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    if not pattern:
        assert skus.reader(pattern)(PurePosixPath("a_b.jpg")) == ""
        return
    with pytest.raises(UpscalerError):
        skus.reader(pattern)


def test_skus_come_from_a_table_or_the_folder(tmp_path: Path) -> None:
    table = tmp_path / "skus.csv"
    table.write_text("\ufeffFile;SKU\na.jpg;K 1\nred/b.jpg;K2\nc;K3\n", encoding="utf-8")
    sku_of = skus.reader(str(table))
    assert [sku_of(PurePosixPath(name)) for name in ("a.jpg", "red/b.jpg", "x/c.png", "d.jpg")] == [
        "K 1",
        "K2",
        "K3",
        "",
    ]
    assert skus.reader("folder")(PurePosixPath("shirts/48220/front.jpg")) == "48220"
    assert skus.reader("folder")(PurePosixPath("front.jpg")) == ""
    table.write_text("picture,colour\n")
    with pytest.raises(UpscalerError, match="titles"):
        skus.reader(str(table))
