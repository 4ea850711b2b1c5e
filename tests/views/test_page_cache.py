"""Pages that are opened again while nothing has changed: the same answer, quickly, and never what was true before."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.conftest import Person
from upscaler import credits
from upscaler.channels import teams
from upscaler.channels.table import CHANNELS
from upscaler.models import Batch, FidelityCheck, Membership, Team, Upscale
from upscaler.processing import lifecycle
from upscaler.queue import workers
from upscaler.views import page_cache

HISTORY = "/history/"


def token_in(page: bytes) -> str:
    """What the forms of a page carry, which is another in each page that is drawn anew."""
    return re.findall(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0].decode()


def opened(client: Client, address: str = HISTORY) -> str:
    """What is seen on the page, which was opened before already."""
    answers = [client.get(address) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    # The first one may bring a cookie, which is not kept.
    assert answers[1].content == answers[2].content
    return answers[2].content.decode()


@pytest.fixture
def addresses(owner: Person, order_batch: Callable[..., Batch]) -> list[str]:
    batch = order_batch("a.jpg", "b.jpg")
    owner.client.get(HISTORY)  # Which brings the cookie of the forms.
    [first, _] = batch.upscales.order_by("pk")
    return [
        HISTORY,
        f"{HISTORY}?group=batch",
        f"{HISTORY}live/?id={first.pk}&newest={first.pk}",
        first.get_absolute_url(),
        batch.get_absolute_url(),
        reverse("batch-live", args=[batch.pk]),
    ]


def test_what_has_not_changed_is_answered_as_it_was(owner: Person, addresses: list[str]) -> None:
    for address in addresses:
        with CaptureQueriesContext(connection) as asked:
            first = owner.client.get(address)
        with CaptureQueriesContext(connection) as asked_again:
            again = owner.client.get(address)
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.content == again.content
        assert {**first.headers, "X-Request-ID": ""} == {**again.headers, "X-Request-ID": ""}
        assert first["X-Request-ID"] != again["X-Request-ID"]
        # All that it shows was asked for, and whose it is; PostgreSQL was asked in one message.
        assert len(asked) > 3
        assert len(asked_again) == (1 if connection.vendor == "postgresql" else len(asked))


def test_a_page_shows_what_others_change(
    owner: Person, teammate: Person, order_batch: Callable[..., Batch], order: Callable[..., Upscale]
) -> None:
    channel = next(iter(CHANNELS))
    batch = order_batch("trousers.jpg", batch_name="Monday")
    upscale = batch.upscales.get()
    assert "Waiting" in opened(owner.client)
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.progress(claimed, 0.42, "Enlarging the middle")
    assert "Enlarging the middle" in opened(owner.client)
    lifecycle.fail(claimed, message="The picture is damaged.", code="damaged")
    assert "The picture is damaged." in opened(owner.client)
    credits.grant(team=owner.team, amount=1_000, note="more")
    assert f"{owner.balance:,}" in opened(owner.client)
    owner.user.first_name = "Philippa"
    owner.user.save()
    assert "Philippa" in opened(owner.client)
    Batch.objects.filter(pk=batch.pk).update(name="Tuesday", channels=[channel])
    assert CHANNELS[channel].title in opened(owner.client)
    assert "Tuesday" in opened(owner.client, f"{HISTORY}?group=batch")
    own = teams.copy(owner.team, channel, "Our shop")
    Batch.objects.filter(pk=batch.pk).update(channels=[own.id])
    assert "Our shop" in opened(owner.client)
    order(name="socks.jpg")
    assert "socks.jpg" in opened(owner.client)
    Upscale.objects.filter(pk=upscale.pk).update(deleted_at=timezone.now())
    assert "trousers.jpg" not in opened(owner.client)


def test_a_page_shows_what_is_found_of_a_result(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    FidelityCheck.objects.filter(upscale=upscale).delete()
    before = opened(owner.client, upscale.get_absolute_url())
    FidelityCheck.objects.create(upscale=upscale, verdict="look", reasons=["colour"], checked_at=timezone.now())
    assert opened(owner.client, upscale.get_absolute_url()) != before


def test_an_open_page_is_told_of_changes(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    address = f"{HISTORY}live/?id={upscale.pk}&newest={upscale.pk}"
    seen = re.findall(r'name="seen" value="([^"]+)"', opened(owner.client, address))[0]
    for _ in range(3):
        assert owner.client.get(f"{address}&seen={seen}").status_code == 204
    assert lifecycle.claim(upscale.pk) is not None
    assert owner.client.get(f"{address}&seen={seen}").status_code == 200


def test_each_person_gets_their_own(owner: Person, teammate: Person, outsider: Person, addresses: list[str]) -> None:
    for address in addresses:
        assert owner.client.get(address).status_code == 200
        assert owner.client.get(address).status_code == 200
        theirs = teammate.client.get(address)
        assert theirs.status_code == 200
        if "live" not in address:
            assert "teammate" in theirs.content.decode()
        others = outsider.client.get(address)
        assert others.status_code == 404 or b"a.jpg" not in others.content
        assert Client().get(address).status_code == 302


@pytest.mark.parametrize("what", ["signed out", "session ended", "session over", "locked out", "left the team"])
def test_who_may_not_look_any_more_sees_nothing(owner: Person, order: Callable[..., Upscale], what: str) -> None:
    order(name="secret-coat.jpg")
    assert "secret-coat.jpg" in opened(owner.client)
    same_browser = Client()
    same_browser.cookies = copy.deepcopy(owner.client.cookies)
    assert "secret-coat.jpg" in opened(same_browser)
    if what == "signed out":
        owner.client.logout()
    elif what == "session ended":
        Session.objects.all().delete()
    elif what == "session over":
        Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    elif what == "locked out":
        owner.user.is_active = False
        owner.user.save()
    else:
        Membership.objects.filter(user=owner.user).delete()
    answer = same_browser.get(HISTORY)
    assert answer.status_code == 302 or b"not in a team" in answer.content
    assert b"secret-coat.jpg" not in answer.content


def test_a_form_of_a_page_that_was_kept_is_taken(owner: Person, order: Callable[..., Upscale]) -> None:
    failed = order()
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="The picture is damaged.", code="damaged")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner.user)
    browser.get(HISTORY)
    # The first page brought the cookie along.
    token = token_in(opened(browser).encode())
    assert browser.post(reverse("retry", args=[failed.pk]), {"csrfmiddlewaretoken": token}).status_code == 302
    assert Upscale.objects.filter(retry_of=failed).exists()


def test_a_message_is_shown_once(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    opened(owner.client)
    owner.client.post(reverse("history-act"), {"chosen": upscale.pk, "action": "no such deed"})
    shown = [b'class="message' in owner.client.get(HISTORY).content for _ in range(3)]
    assert shown == [True, False, False]


def test_a_page_says_that_workers_are_missing(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "No worker that enlarges pictures has been running"
    assert said not in opened(owner.client)
    gone = workers.NoWorkers(("cpu",), timezone.now() - timedelta(hours=1))
    monkeypatch.setattr(page_cache, "recently_missing", lambda: gone)
    monkeypatch.setattr("upscaler.context_processors.recently_missing", lambda: gone)
    assert said in opened(owner.client)


def test_how_long_ago_something_was_does_not_stand_still(
    owner: Person, order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    order()
    token = token_in(opened(owner.client).encode())
    monkeypatch.setattr(page_cache, "FRESH_SECONDS", 0)
    assert token_in(owner.client.get(HISTORY).content) != token


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cache")
def test_nothing_is_kept_where_sessions_are_not_in_the_database(owner: Person) -> None:
    client = Client()
    client.force_login(owner.user)
    client.get(HISTORY)
    assert token_in(client.get(HISTORY).content) != token_in(client.get(HISTORY).content)


def test_what_is_kept_has_its_bounds(
    owner: Person, order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    order()
    monkeypatch.setattr(page_cache, "MOST_BYTES", 60_000)
    owner.client.get(HISTORY)
    tokens = [token_in(owner.client.get(f"{HISTORY}?q=shirt{number}").content) for number in range(12)]
    again = [token_in(owner.client.get(f"{HISTORY}?q=shirt{number}").content) for number in (11, 0)]
    assert again[0] == tokens[11]
    assert again[1] != tokens[0]


def test_what_is_written_is_written_each_time(owner: Person, settings: Any) -> None:
    """With a time of idleness the session notes deeds, and a page that was kept does not keep that from happening."""
    settings.SESSION_IDLE_MINUTES = 30
    owner.client.get(HISTORY)
    assert owner.client.session["last_deed"]
    session = Session.objects.get()
    data = session.get_decoded() | {"last_deed": session.get_decoded()["last_deed"] - 3_600}
    session.session_data = Session.objects.encode(data)
    session.save()
    assert owner.client.get(HISTORY).status_code == 302


@pytest.fixture
def clock(settings: Any) -> Iterator[Any]:
    settings.SESSION_IDLE_MINUTES = 1
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


def test_a_page_that_was_kept_is_a_deed_too(owner: Person, clock: Any) -> None:
    for seconds in (0, 29, 29, 29):
        # Nobody is idle who opens a page twice a minute.
        clock.shift(seconds)
        assert owner.client.get(HISTORY).status_code == 200


def test_a_session_that_is_over_shows_nothing_that_was_kept(owner: Person, clock: Any) -> None:
    owner.client.get(HISTORY)
    for seconds, status in ((50, 200), (9, 200), (1, 302)):
        clock.shift(seconds)
        assert owner.client.get(f"{HISTORY}live/").status_code == status


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite says what reached it")
def test_a_page_that_has_changed_is_not_read_twice(owner: Person, addresses: list[str]) -> None:
    """Of what was read to see whether it has, the page is made."""

    def statements(address: str) -> int:
        asked: list[str] = []
        connection.connection.set_trace_callback(asked.append)
        try:
            assert owner.client.get(address).status_code == 200
        finally:
            connection.connection.set_trace_callback(None)
        return len(asked)

    for number, address in enumerate(addresses):
        page_cache.answers.clear()
        before = statements(address)
        Team.objects.filter(pk=owner.team.pk).update(name=f"Atelier {number}")
        # Whether the session is over is asked with the time, which is another.
        assert before > 3 and statements(address) <= before + 1
        assert statements(address) == before
        if "live" not in address:
            assert f"Atelier {number}" in owner.client.get(address).content.decode()
