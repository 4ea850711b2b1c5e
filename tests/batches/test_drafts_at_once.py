"""Two tabs, two clicks, connections that break: what happens at the same moment is one item and one order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from tests.conftest import Person
from tests.support import pictures
from tests.support.concurrency import at_once
from tests.support.draft_page import DraftPage, zipped
from tests.support.live_server import until
from upscaler.batches import draft_archives, draft_items, drafts
from upscaler.models import Batch, DraftItem, Team, UnorderedUpload, Upscale
from upscaler.ordering import submission

pytestmark = pytest.mark.django_db(transaction=True)
Upload = Callable[..., SimpleUploadedFile]


@pytest.fixture
def form(owner: Person) -> DraftPage:
    return DraftPage(owner)


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def test_a_file_that_is_sent_twice_at_once_is_one_item(form: DraftPage, owner: Person) -> None:
    content = pictures.jpeg()

    def send() -> Any:
        file = SimpleUploadedFile("a.jpg", content)
        return browser(owner).post(f"/drafts/{form.pk}/files/", {"file": file, "key": "k"})

    answers = at_once(4, send)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["items"][0]["id"] for answer in answers}) == 1
    assert DraftItem.objects.count() == UnorderedUpload.objects.count() == 1


def test_two_orders_at_once_are_one_batch(form: DraftPage, owner: Person, upload: Upload) -> None:
    for number in range(3):
        form.item(upload(f"{number}.jpg"))
    data = {"model_name": "recraft", "expected": 3, "credits": 3}
    answers = at_once(4, lambda: browser(owner).post(f"/drafts/{form.pk}/order/", data))
    assert {(answer.status_code, answer.json()["url"]) for answer in answers} == {(200, f"/batches/{form.pk}/")}
    assert (Upscale.objects.count(), owner.balance) == (3, 97)


def test_two_tabs_begin_one_draft(owner: Person) -> None:
    answers = at_once(4, lambda: browser(owner).post("/drafts/", {"of_team": owner.team.pk}))
    assert {answer.json()["draft"] for answer in answers} == {Batch.objects.get().pk}


def test_an_upload_that_is_under_way_while_the_draft_is_ordered_is_not_lost(
    form: DraftPage, owner: Person, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    form.item(upload("a.jpg"))
    is_ordered = threading.Event()
    real = draft_items.intake.examine_source

    def examined(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        assert is_ordered.wait(30)
        return found

    monkeypatch.setattr(draft_items.intake, "examine_source", examined)
    answers: list[Any] = []

    def send() -> Any:
        data = {"file": upload("late.jpg"), "key": "late"}
        answers.append(browser(owner).post(f"/drafts/{form.pk}/files/", data))

    late = threading.Thread(target=lambda: at_once(1, send))
    late.start()
    assert form.order(expected=1, credits=1).status_code == 200
    is_ordered.set()
    late.join()
    [answer] = answers
    assert answer.status_code == 409
    # The page goes on with the draft that it is told of, and nothing stays behind of the first try.
    fresh = answer.json()["draft"]
    again = browser(owner).post(f"/drafts/{fresh}/files/", {"file": upload("late.jpg"), "key": "late"})
    assert again.json()["items"][0]["state"] == "ready"
    assert UnorderedUpload.objects.count() == 1
    assert Upscale.objects.get().source_name == "a.jpg"


def test_an_item_that_another_tab_takes_out_while_it_is_ordered_is_not_charged(
    form: DraftPage, owner: Person, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = form.item(upload("a.jpg"))
    form.item(upload("b.jpg"))
    real = submission.submit

    def submit(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(submission, "submit", real)
        assert form.post("remove/", id=first["id"]).json() == {"removed": [first["id"]]}
        return real(*args, **options)

    monkeypatch.setattr(submission, "submit", submit)
    answer = form.order(expected=2, credits=2)
    assert (answer.status_code, answer.json()["quote"]["total"]) == (409, 1)
    assert owner.balance == 100
    assert form.order(expected=1, credits=1).status_code == 200
    assert [upscale.source_name for upscale in Upscale.objects.all()] == ["b.jpg"]


def test_a_long_zip_is_read_on_after_the_answer_and_can_be_waited_for(
    form: DraftPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft_archives, "ANSWER_AFTER", 0.0)
    files = {f"{number:02}.jpg": pictures.jpeg() + b"%d" % number for number in range(20)}
    answer = form.add(zipped(files), key="z").json()
    readers = [thread for thread in threading.enumerate() if thread.name.startswith("archive-")]
    [reading] = answer["reading"]
    assert (reading["name"], reading["total"]) == ("monday.zip", 20)
    early = form.order()
    assert (early.status_code, "still being read" in early.json()["message"]) == (409, True)
    for reader in readers:
        reader.join()
    whole = form.get()
    assert (len(whole["items"]), whole["reading"], whole["left_out"]) == (20, [], [])
    assert form.order(expected=20, credits=20).status_code == 200


def test_a_zip_whose_reader_died_says_so_and_is_read_on_when_it_comes_again(
    form: DraftPage, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{number}.jpg": pictures.jpeg() + b"%d" % number for number in range(3)}
    real, calls = draft_items.add_picture, iter(range(9))

    def dying(*args: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise MemoryError
        return real(*args, **options)

    monkeypatch.setattr(draft_items, "add_picture", dying)
    with pytest.raises(MemoryError):
        form.add(zipped(files), key="z")
    assert len(form.get()["reading"]) == 1
    DraftItem.objects.filter(problem=drafts.READING).update(created_at="2020-01-01T00:00Z")
    whole = form.get()
    assert ("interrupted" in whole["left_out"][0]["message"], whole["reading"]) == (True, [])
    answer = form.add(zipped(files), key="z").json()
    assert ([item["name"] for item in answer["items"]], answer["left_out"]) == (["0.jpg", "1.jpg", "2.jpg"], [])


def test_taking_out_the_zip_ends_its_reading(form: DraftPage, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{number}.jpg": pictures.jpeg() + b"%d" % number for number in range(4)}
    real = draft_items.add_picture

    def taken_out(*args: Any, **options: Any) -> Any:
        form.post("remove/", id=DraftItem.objects.get(problem=drafts.READING).pk)
        return real(*args, **options)

    monkeypatch.setattr(draft_items, "add_picture", taken_out)
    form.add(zipped(files), key="z")
    whole = form.get()
    assert (len(whole["items"]), whole["left_out"], whole["reading"]) == (1, [], [])


def test_pictures_of_a_batch_wait_in_the_next_draft_where_this_one_is_ordered_meanwhile(
    form: DraftPage, owner: Person, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    form.item(upload("first.jpg"))
    assert form.order().status_code == 200
    before = DraftPage(owner)
    before.item(upload("second.jpg"))
    begin = drafts.begin

    def begun(team: Team, user: Any) -> Batch:
        draft = begin(team, user)
        monkeypatch.setattr(drafts, "begin", begin)
        assert before.order().status_code == 200
        return draft

    monkeypatch.setattr(drafts, "begin", begun)
    owner.client.post(f"/batches/{form.pk}/again/")
    assert [item.name for item in begin(owner.team, owner.user).items.all()] == ["first.jpg"]


def test_cancelling_a_batch_and_choosing_its_pictures_again_at_once(
    form: DraftPage, owner: Person, order_batch: Callable[..., Batch]
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("of PostgreSQL's locks: `python -m tests.on_postgres` runs it")
    batch, cancels = order_batch("a.jpg", "b.jpg"), browser(owner)

    def cancel() -> None:
        cancels.post(f"/batches/{batch.pk}/cancel/")
        connection.close()

    cancelling = threading.Thread(target=cancel)
    with drafts.changing(Batch.objects.get(pk=form.pk)) as locked:
        cancelling.start()
        # It has its pictures by now, and waits for the team that this has.
        until(_somebody_waits, what="the cancelling waits for the team")
        for row in batch.upscales.all():
            DraftItem.objects.create(batch=locked, key=f"source-{row.pk}", source=DraftItem.Source.UPLOAD, result=row)
    cancelling.join()
    assert {row.error_code for row in batch.upscales.all()} == {"cancelled"}
    assert DraftItem.objects.count() == 2


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None
