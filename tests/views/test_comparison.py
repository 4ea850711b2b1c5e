"""Tiles and comparisons as a browser asks for them: what is there, what is refused, and what the cache keeps."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image

from tests.conftest import Person
from tests.sharing.conftest import doubted
from tests.support import pictures
from upscaler.imaging import decoding
from upscaler.models import Batch, Upscale, media_storage
from upscaler.storage import cleanup, tiles


@pytest.fixture
def cache(settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.TILE_CACHE_DIR = tmp_path
    yield tmp_path / "tiles"


def kept(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.tiles"))


def test_tiles_of_both_sides_join_to_the_pictures(owner: Person, done: Callable[..., Upscale], cache: Path) -> None:
    upscale = done(content=pictures.jpeg((300, 200)))
    for side, size in (("before", (300, 200)), ("after", (1200, 800))):
        about = owner.client.get(f"/upscales/{upscale.pk}/tiles/{side}/").json()
        assert (about["width"], about["height"], about["side"]) == (*size, 512)
        level = about["levels"] - 1
        joined = Image.new("RGB", size)
        for row in range(-(-size[1] // 512)):
            for column in range(-(-size[0] // 512)):
                answer = owner.client.get(f"{about['url']}{level}/{column}/{row}/")
                assert answer["Content-Type"] == "image/jpeg"
                assert answer["Cache-Control"] == f"private, max-age={7 * 24 * 60 * 60}"
                joined.paste(Image.open(io.BytesIO(answer.content)), (512 * column, 512 * row))
        field = upscale.source_file if side == "before" else upscale.result_file
        with media_storage().open(field.name) as file, Image.open(file) as whole:
            assert np.abs(np.asarray(joined, float) - np.asarray(whole, float)).mean() < 3
        assert owner.client.get(f"{about['url']}{level}/9/9/").status_code == 404
    assert len(kept(cache)) == 2
    assert all(file.stat().st_mode & 0o077 == 0 for file in (cache, *kept(cache))), "the team's alone"
    assert owner.client.get(f"/upscales/{upscale.pk}/tiles/elsewhere/").status_code == 404


def test_what_is_withdrawn_or_deleted_has_no_tiles(owner: Person, done: Callable[..., Upscale], cache: Path) -> None:
    upscale = done()
    about = owner.client.get(f"/upscales/{upscale.pk}/tiles/after/").json()
    Upscale.objects.filter(pk=upscale.pk).update(withdrawn_at=timezone.now())
    for path in (f"/upscales/{upscale.pk}/tiles/after/", about["url"] + "0/0/0/", f"/upscales/{upscale.pk}/compare/"):
        assert owner.client.get(path).status_code == 410
    assert owner.client.get(f"/upscales/{upscale.pk}/tiles/before/").status_code == 200
    Upscale.objects.filter(pk=upscale.pk).update(withdrawn_at=None, deleted_at=timezone.now())
    assert owner.client.get(f"/upscales/{upscale.pk}/tiles/before/").status_code == 410
    assert len(kept(cache)) == 2
    cleanup.remove_deleted()
    assert kept(cache) == []


def test_the_cache_is_bounded_and_mends_itself(
    owner: Person, done: Callable[..., Upscale], cache: Path, settings: Any
) -> None:
    first, second, third = (done(content=pictures.jpeg((80 + n, 60))) for n in range(3))

    def look(upscale: Upscale) -> int:
        return owner.client.get(f"/upscales/{upscale.pk}/tiles/after/").status_code

    assert look(first) == look(second) == 200
    [one, other] = sorted(kept(cache), key=lambda file: file.stat().st_mtime)
    for file, age in ((one, 100), (other, 200)):
        os.utime(file, (time.time() - age, time.time() - age))
    settings.TILE_CACHE_BYTES = int(2.5 * one.stat().st_size)
    assert look(first) == look(third) == 200
    assert not other.exists() and one.exists(), "what was not looked at for longest goes first"
    one.write_bytes(b"what a full disk left")
    assert look(first) == 200
    stranded = cache / "new-of-a-killed-process"
    stranded.touch()
    os.utime(stranded, (1, 1))
    assert look(second) == 200 and not stranded.exists()


def test_why_there_are_no_tiles_is_said(
    owner: Person, done: Callable[..., Upscale], settings: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = done()
    path = f"/upscales/{upscale.pk}/tiles/after/"

    def answer(status: int, words: str) -> None:
        got = owner.client.get(path)
        assert got.status_code == status and words in got.json()["detail"]

    settings.TILE_CACHE_DIR = None
    answer(422, "TILE_CACHE_DIR is off")
    settings.TILE_CACHE_DIR = cache.parent / "a file"
    settings.TILE_CACHE_DIR.touch()
    answer(503, "try again in a minute")
    settings.TILE_CACHE_DIR = cache.parent

    def busy(*args: Any, **options: Any) -> None:
        raise decoding.busy("The picture", "large pictures are")

    with monkeypatch.context() as patch:
        patch.setattr(tiles.intake, "convert", busy)
        answer(503, "other large pictures are being read")
    with media_storage().open(upscale.result_file.name, "wb") as file:
        file.write(pictures.jpeg((64, 48))[:900])
    answer(422, "damaged or incomplete")
    media_storage().delete(upscale.result_file.name)
    assert owner.client.get(path).status_code == 404
    assert kept(cache) == [] and not list(cache.glob("new-*"))


def test_an_upscale_that_can_t_be_compared_leads_to_its_page(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    assert owner.client.get(f"/upscales/{upscale.pk}/compare/")["Location"] == f"/upscales/{upscale.pk}/"


def test_the_pairs_of_a_batch_come_in_pages(
    owner: Person, order_batch: Callable[..., Batch], django_assert_max_num_queries: Any
) -> None:
    batch = order_batch(*(f"{n}.jpg" for n in range(4)))
    path = f"/batches/{batch.pk}/compare/"
    assert b"No results yet" in owner.client.get(path).content
    rows = Upscale.objects.filter(batch=batch).order_by("pk")
    Upscale.objects.filter(batch=batch).update(
        status="Done", completed_at=timezone.now(), result_file="results/x.jpg", rank=None
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upscaler.views.comparison.PAIRS_SIZE", 3)
        with django_assert_max_num_queries(12):
            first = owner.client.get(path).content.decode()
        assert [f'id="upscale-{row.pk}"' in first for row in rows] == [True, True, True, False]
        assert 'rel="next"' in first and 'rel="prev"' not in first
        last = owner.client.get(f"{path}?page=99").content.decode()
        assert "of_pairs_page=2" in last and 'rel="prev"' in last
    Upscale.objects.filter(batch=batch).update(status="Created", completed_at=None, result_file="")


def test_before_after_and_difference_are_saved_as_one_picture(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(name="red dress.png", content=pictures.cut_out((60, 90)))
    answer = owner.client.get(f"/upscales/{upscale.pk}/comparison.png")
    assert answer["Content-Disposition"] == 'attachment; filename="red dress before and after.png"'
    with Image.open(io.BytesIO(b"".join(answer.streaming_content))) as sheet:
        assert sheet.format == "PNG" and sheet.size == (3 * 240 + 4 * 16, 360 + 56 + 16)
        before, after, apart = (
            np.asarray(sheet.crop((left, 56, left + 240, 56 + 360)), float) for left in (16, 272, 528)
        )
    assert np.abs(apart - (4 * np.abs(before - after)).clip(0, 255)).max() == 0
    assert (before[0, 0] == 228).all() and (apart[0, 0] == 0).all(), "what is transparent is no difference"
    assert np.abs(before - after).mean() < 10
    media_storage().delete(upscale.before_preview.name)
    assert owner.client.get(f"/upscales/{upscale.pk}/comparison.png").status_code == 404


def test_the_whole_window_says_the_verdict_in_words(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    path = f"/upscales/{upscale.pk}/compare/"
    assert "The check says" not in owner.client.get(path).content.decode()
    doubted(upscale)
    assert "The check says: </span>look: colour<" in owner.client.get(path).content.decode()
