"""Many upscales of the history at once, over the page's own forms: found, filtered, grouped, tried again, deleted."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import Person
from tests.views.test_history import fail, fill, shown
from upscaler.models import AuditEvent, Batch, Upscale
from upscaler.views import selection
from upscaler.views.history import LIST_SIZE


def act(person: Person, deed: str, *upscales: Upscale, query: str = "", **more: Any) -> Any:
    data = {"act": deed, "chosen": [upscale.pk for upscale in upscales], **more}
    return person.client.post(f"/history/selected/{query}", data)


def said(person: Person, answer: Any) -> str:
    """The messages of the page that an answer leads to."""
    page = person.client.get(answer["Location"]).content.decode()
    return " ".join(re.findall(r'class="message [a-z]+"[^>]*>([^<]*)<', page))


def batch(person: Person, name: str, *upscales: Upscale) -> Batch:
    made = Batch.objects.create(team=person.team, created_by=person.user, name=name, ordered_at=timezone.now())
    Upscale.objects.filter(pk__in=[upscale.pk for upscale in upscales]).update(batch=made)
    return made


def name_it(upscale: Upscale, sku: str) -> None:
    upscale.sku = sku
    upscale.save(update_fields=["sku", "search_text"])


@pytest.fixture
def three(order: Callable[..., Upscale]) -> list[Upscale]:
    return [order(name="red.jpg"), order(name="blue.jpg"), order(name="green.jpg")]


def test_filters_and_the_search_are_kept_in_every_address(owner: Person, three: list[Upscale]) -> None:
    red, blue, green = three
    name_it(red, "48-1")
    name_it(blue, "48-1")
    made = batch(owner, "Monday", green)
    get = owner.client.get
    assert shown(get("/history/?q=blue")) == [blue.pk]
    assert shown(get("/history/?q=48-")) == [blue.pk, red.pk]
    assert shown(get(f"/history/?q={green.pk}")) == [green.pk]
    assert shown(get("/history/?q=owner")) == [green.pk, blue.pk, red.pk]
    assert shown(get("/history/?sku=48-1")) == [blue.pk, red.pk]
    assert shown(get(f"/history/?batch={made.pk}")) == [green.pk]
    assert shown(get("/history/?q=nothing+like+it")) == []
    page = get("/history/?q=e&layout=list&status=Created").content.decode()
    assert f"/upscales/{red.pk}/?q=" not in page
    page = get("/history/?q=red&layout=list&status=Created").content.decode()
    assert f'href="/upscales/{red.pk}/?q=red&amp;status=Created&amp;layout=list"' in page
    assert 'action="/history/selected/?q=red&amp;status=Created&amp;layout=list"' in page


def test_days_are_the_desk_s_own_and_nonsense_is_told(owner: Person, three: list[Upscale]) -> None:
    red, blue, green = three
    now = timezone.localtime()
    ordered = {upscale.pk: upscale.created_at for upscale in three}
    Upscale.objects.filter(pk=red.pk).update(created_at=now - timedelta(days=40))
    Upscale.objects.filter(pk=blue.pk).update(created_at=now - timedelta(days=20))
    day = lambda ago: f"{now - timedelta(days=ago):%Y-%m-%d}"  # noqa: E731
    get = owner.client.get
    assert shown(get(f"/history/?from={day(20)}")) == [green.pk, blue.pk]
    assert shown(get(f"/history/?to={day(20)}")) == [blue.pk, red.pk]
    assert shown(get(f"/history/?from={day(40)}&to={day(40)}")) == [red.pk]
    for nonsense in ("from=31.12.2026", "to=2026-02-30", "from=0001-01-01", "to=9999-12-31", "batch=x"):
        answer = get(f"/history/?{nonsense}")
        assert len(shown(answer)) == 3
        assert "so it was left out" in answer.content.decode()
    assert "after the last one" in get(f"/history/?from={day(1)}&to={day(5)}").content.decode()
    for pk, moment in ordered.items():
        Upscale.objects.filter(pk=pk).update(created_at=moment)


def test_the_layout_is_remembered(owner: Person, three: list[Upscale]) -> None:
    assert 'class="sheet cards"' in owner.client.get("/history/").content.decode()
    assert 'class="sheet list"' in owner.client.get("/history/?layout=list").content.decode()
    assert 'class="sheet list"' in owner.client.get("/history/").content.decode()
    owner.client.cookies["history_layout"] = "<nonsense>"
    assert 'class="sheet cards"' in owner.client.get("/history/").content.decode()


def test_groups_by_batch_and_by_sku(owner: Person, three: list[Upscale]) -> None:
    red, blue, green = three
    made = batch(owner, "Monday", red, blue)
    name_it(red, "B 2")
    name_it(green, "A 1")
    groups = owner.client.get("/history/?group=batch").context["groups"]
    assert [(group.title, [row.pk for row in group.rows]) for group in groups] == [
        ("Single orders", [green.pk]),
        (str(made), [blue.pk, red.pk]),
    ]
    groups = owner.client.get("/history/?group=sku").context["groups"]
    assert [(group.title, [row.pk for row in group.rows]) for group in groups] == [
        ("SKU A 1", [green.pk]),
        ("SKU B 2", [red.pk]),
    ]


def test_pages_by_sku_lead_through_all_and_back(owner: Person) -> None:
    rows = fill(owner, 60)
    try:
        for place, row in enumerate(Upscale.objects.order_by("pk")):
            name_it(row, f"SKU {place % 5}")
        every = list(Upscale.objects.order_by("sku", "-pk").values_list("pk", flat=True))
        first = owner.client.get("/history/?group=sku")
        second = owner.client.get(first.context["older_url"])
        third = owner.client.get(second.context["older_url"])
        assert shown(first) + shown(second) + shown(third) == every
        assert third.context["older_url"] is None
        assert shown(owner.client.get(third.context["newer_url"])) == shown(second)
        assert shown(owner.client.get(second.context["newer_url"])) == shown(first)
        assert len(rows) == 60
    finally:
        Upscale.objects.all().delete()


def test_failed_ones_are_tried_again_with_one_answer(owner: Person, three: list[Upscale]) -> None:
    red, blue, _ = three
    fail(red)
    fail(blue)
    balance = owner.balance
    words = said(owner, act(owner, "retry", *three, query="?status=Error"))
    assert "2 pictures are tried again." in words
    assert "1 picture was refused: Only what has failed can be tried again." in words
    assert owner.balance == balance - 2
    words = said(owner, act(owner, "retry", red, blue))
    assert words == "2 pictures were tried again before, and charged once."
    assert owner.balance == balance - 2


def test_too_many_are_not_tried_again(owner: Person, three: list[Upscale], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MAX_TRIES", 2)
    assert "at most 2 pictures" in said(owner, act(owner, "retry", *three))
    assert Upscale.objects.count() == 3


def test_deleting_asks_first_and_says_how_many(owner: Person, done: Callable[..., Upscale], order: Any) -> None:
    first, second, waiting = done(), done(), order()
    asked = act(owner, "delete", first, second, waiting, query="?q=shirt")
    page = asked.content.decode()
    assert asked.status_code == 200
    assert "Delete 2 pictures for good?" in page
    assert "can’t be undone" in page
    assert "1 picture stays: still under way." in page
    assert not Upscale.objects.filter(deleted_at__isnull=False).exists()
    [numbers] = re.findall(r'name="numbers" value="([^"]*)"', page)
    answer = owner.client.post("/history/selected/?q=shirt", {"act": "delete", "confirmed": "1", "numbers": numbers})
    assert answer["Location"] == "/history/?q=shirt"
    assert "2 pictures are deleted for good." in said(owner, answer)
    assert shown(owner.client.get("/history/")) == [waiting.pk]
    assert AuditEvent.objects.filter(action="deleted").count() == 2


def test_who_may_not_delete_is_told(owner: Person, teammate: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    page = act(teammate, "delete", upscale).content.decode()
    assert "Nothing of this can be deleted" in page
    assert "only whoever ordered it and the team’s admins" in page
    words = said(teammate, act(teammate, "delete", upscale, confirmed="1"))
    assert "only whoever ordered it and the team’s admins" in words
    assert shown(owner.client.get("/history/")) == [upscale.pk]


def test_everything_that_matches_but_nothing_newer(owner: Person, done: Callable[..., Upscale]) -> None:
    first, second = done(name="red-1.jpg"), done(name="red-2.jpg")
    blue = done(name="blue.jpg")
    newest = blue.pk
    late = done(name="red-3.jpg")
    query = "?q=red"
    assert owner.client.get(f"/history/count/{query}").json() == {"count": 3, "is_too_many": False}
    answer = act(owner, "archive", query=query, all="1", newest=newest)
    assert "2 pictures are in the archive now." in said(owner, answer)
    assert shown(owner.client.get("/history/")) == [late.pk, blue.pk]
    assert shown(owner.client.get("/history/?archive=only")) == [second.pk, first.pk]
    assert owner.client.get("/history/count/?archive=only").json()["count"] == 2
    answer = act(owner, "unarchive", query="?archive=only", all="1")
    assert "2 pictures are out of the archive now." in said(owner, answer)


def test_more_than_may_be_selected_is_refused(
    owner: Person, three: list[Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "MAX_SELECTED", 2)
    assert owner.client.get("/history/count/").json() == {"count": 2, "is_too_many": True}
    assert "More than 2 pictures match." in said(owner, act(owner, "archive", all="1"))


def test_results_are_downloaded_together(owner: Person, done: Callable[..., Upscale], order: Any) -> None:
    first, second, waiting = done(name="a.jpg"), done(name="b.jpg"), order()
    answer = act(owner, "download", first, second, waiting)
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".jpg")]) == 2
    assert act(owner, "download", first)["Location"] == f"/upscales/{first.pk}/download/"
    assert "has no result to download" in said(owner, act(owner, "download", waiting))


def test_nonsense_does_nothing(owner: Person, outsider: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    for data in ({}, {"act": "x"}, {"act": "delete"}, {"act": "archive", "chosen": ["x", "-1", "9" * 40, "0"]}):
        answer = owner.client.post("/history/selected/", data)
        assert (answer.status_code, answer["Location"]) == (302, "/history/")
    assert selection.NOTHING_CHOSEN in said(outsider, act(outsider, "delete", upscale, confirmed="1"))
    assert Upscale.objects.present().filter(archived_at=None).count() == 1


def test_only_what_is_on_the_page_is_asked_for_while_thousands_are_open(owner: Person) -> None:
    fill(owner, 300)
    try:
        page = owner.client.get("/history/?layout=list").content.decode()
        assert page.count('type="hidden" name="id"') == LIST_SIZE
        with CaptureQueriesContext(connection) as few:
            owner.client.get("/history/?layout=list")
        fill(owner, 900)
        with CaptureQueriesContext(connection) as many:
            owner.client.get("/history/?layout=list")
        assert len(many) == len(few)
    finally:
        Upscale.objects.all().delete()
