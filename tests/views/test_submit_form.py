"""The submit page's form as browsers without scripts send it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.conftest import Person
from tests.support import pictures
from tests.support.draft_page import DraftPage, zipped
from upscaler import credits
from upscaler.models import Batch, DraftItem, Upscale

Upload = Callable[..., SimpleUploadedFile]


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_a_zip_and_a_table_are_taken_like_pictures(owner: Person, upload: Upload) -> None:
    archive = zipped({"a.jpg": pictures.jpeg() + b"1", "b.jpg": pictures.jpeg() + b"2"})
    table = SimpleUploadedFile("list.csv", b"SKU;Image\n48220;https://example.com/x.jpg\n")
    answer = owner.submit(image=[upload("c.jpg"), archive, table])
    batch = Batch.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, batch.get_absolute_url())
    assert list(batch.upscales.order_by("pk").values_list("source_name", "sku")) == [
        ("c.jpg", ""),
        ("a.jpg", ""),
        ("b.jpg", ""),
        ("x.jpg", "48220"),
    ]
    assert (owner.balance, DraftItem.objects.count()) == (96, 0)


def test_what_is_bad_is_said_and_the_rest_is_sent(owner: Person, upload: Upload) -> None:
    archive = zipped({"a.jpg": pictures.jpeg() + b"1", "notes.txt": b"to do"})
    answer = owner.submit(image=[archive, upload("bad.jpg", b"no picture")])
    assert answer.status_code == 422
    assert "1 picture is on its way; 2 were not sent" in words(answer)
    assert "“bad.jpg”" in words(answer) and "“notes.txt”" in words(answer)
    assert not DraftItem.objects.exists()


def test_what_could_not_be_paid_waits_and_is_sent_later_without_choosing_it_again(
    owner: Person, upload: Upload
) -> None:
    credits.grant(team=owner.team, amount=-99, note="little left")
    answer = owner.submit(image=[upload("a.jpg"), upload("b.jpg")])
    assert (answer.status_code, Upscale.objects.count()) == (422, 0)
    assert "2 pictures you chose before wait on the desk, and are sent too" in words(answer)
    credits.grant(team=owner.team, amount=10, note="more")
    assert owner.submit(image=[], waiting="2").status_code == 302
    assert sorted(Upscale.objects.values_list("source_name", flat=True)) == ["a.jpg", "b.jpg"]
    assert owner.balance == 9


def test_pictures_that_the_page_has_not_shown_are_not_sent_with_others(owner: Person, upload: Upload) -> None:
    DraftPage(owner).item(upload("other tab.jpg"))
    assert owner.submit(image=upload("mine.jpg"), waiting="0").status_code == 302
    assert [upscale.source_name for upscale in Upscale.objects.all()] == ["mine.jpg"]
    assert [item.name for item in DraftItem.objects.all()] == ["other tab.jpg"]
