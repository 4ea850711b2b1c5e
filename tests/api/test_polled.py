"""Programs that ask again and again: quickly answered, and never with what was true before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.conftest import Person
from upscaler import representations
from upscaler.accounts import tokens
from upscaler.api import polled_rows, responses
from upscaler.models import ApiToken, Batch, FidelityCheck, Membership, Team, Upscale
from upscaler.models.prepared import Prepared
from upscaler.processing import lifecycle

PATHS = ("/api/v1/generation/{}", "/generation/{}")
both_interfaces = pytest.mark.parametrize("path", PATHS)


def ask(person: Person, path: str, number: int, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {person.token}", **headers}
    return Client().get(path.format(number), headers=sent)


@both_interfaces
def test_a_poll_of_what_is_unchanged_takes_one_query(
    owner: Person, done: Callable[..., Upscale], django_assert_max_num_queries: Any, path: str
) -> None:
    upscale = done()
    first = ask(owner, path, upscale.pk)
    with django_assert_max_num_queries(1):
        again = ask(owner, path, upscale.pk)
    assert again.status_code == 200
    assert (again.content, again["ETag"], again["Content-Type"]) == (
        first.content,
        first["ETag"],
        first["Content-Type"],
    )
    assert ask(owner, path, upscale.pk, **{"If-None-Match": first["ETag"]}).status_code == 304


@both_interfaces
@pytest.mark.parametrize("sent", [{"Prefer": "respond-async"}, {"Content-Length": "0"}])
def test_who_has_the_answer_is_told_so_whatever_else_is_sent(
    owner: Person, done: Callable[..., Upscale], path: str, sent: dict[str, str]
) -> None:
    upscale = done()
    first = ask(owner, path, upscale.pk, **sent)
    assert first.status_code == 200
    again = ask(owner, path, upscale.pk, **sent, **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])


@both_interfaces
def test_a_poll_sees_the_work_go_on_and_end(owner: Person, order: Callable[..., Upscale], path: str) -> None:
    upscale = order()
    assert [ask(owner, path, upscale.pk).json()["status"] for _ in range(2)] == ["Created", "Created"]
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    for progress in (0.2, 0.7):
        lifecycle.progress(claimed, progress, "Enlarging")
        assert [ask(owner, path, upscale.pk).json()["progress"] for _ in range(2)] == [progress, progress]
    lifecycle.fail(claimed, message="The picture is damaged.", code="damaged")
    assert [ask(owner, path, upscale.pk).json()["error"] for _ in range(2)] == ["The picture is damaged."] * 2


def test_a_poll_is_not_answered_by_the_question_of_another_release(
    owner: Person, done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a pool both may have one connection to PostgreSQL."""
    upscale = done()
    first = ask(owner, PATHS[0], upscale.pk)
    with monkeypatch.context() as other_release:
        other_release.setattr(polled_rows, "QUESTION", Prepared(lambda: polled_rows._question().values_list("pk")))
        row = polled_rows.read(ApiToken.objects.get(user=owner.user).digest, upscale.pk)
        assert row is not None and len(row) == 1
    again = ask(owner, PATHS[0], upscale.pk)
    assert (again.status_code, again.content) == (200, first.content)


def test_a_poll_sees_what_others_change(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    checked = {"verdict": "look", "reasons": ["colour"], "checked_at": timezone.now()}

    def asked() -> Any:
        answers = [ask(owner, PATHS[0], upscale.pk) for _ in range(2)]
        assert answers[0].content == answers[1].content
        return answers[0]

    before = asked().json()
    assert before["fidelity"] is None
    FidelityCheck.objects.update_or_create(upscale=upscale, defaults=checked)
    assert asked().json()["fidelity"]["reasons"] == ["colour"]
    Team.objects.update(result_template="{id}-large")
    assert f"{upscale.pk}-large" in asked().json()["generation_results"][0]["image_url"]
    Upscale.objects.update(review="rejected")
    assert asked().json()["generation_results"][0]["image_url"] == ""
    Upscale.objects.update(deleted_at=timezone.now())
    assert asked().status_code == 404


def test_a_poll_sees_that_a_result_can_not_be_named_any_more(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    assert [ask(owner, PATHS[0], upscale.pk).json()["generation_results"][0]["available"] for _ in range(2)] == [1, 1]
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        assert not ask(owner, PATHS[0], upscale.pk).json()["generation_results"][0]["available"]


@both_interfaces
def test_another_team_is_not_told(owner: Person, outsider: Person, done: Callable[..., Upscale], path: str) -> None:
    upscale = done()
    for _ in range(2):
        assert ask(owner, path, upscale.pk).status_code == 200
        assert ask(outsider, path, upscale.pk).status_code == 404
        assert ask(outsider, path, 10**30).status_code == 404


def test_links_begin_with_the_address_that_was_asked(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    for host in ("testserver", "localhost", "testserver"):
        answer = ask(owner, PATHS[0], upscale.pk, Host=host).json()
        assert answer["generation_results"][0]["image_url"].startswith(f"http://{host}/")


def test_an_answer_is_made_of_the_row_that_it_is_kept_with(
    owner: Person, order_batch: Callable[..., Batch], done: Callable[..., Upscale], django_assert_num_queries: Any
) -> None:
    """What came from anywhere else could change without the row."""
    upscale = done(content=None)
    Upscale.objects.filter(pk=upscale.pk).update(batch=order_batch("a.jpg"), source_result=done())
    FidelityCheck.objects.update_or_create(
        upscale=upscale, defaults={"verdict": "look", "reasons": ["colour"], "checked_at": timezone.now()}
    )
    row = representations.upscales().get(pk=upscale.pk)
    with django_assert_num_queries(0):
        representations.generation_detail("http://testserver", row)


def test_a_token_that_is_revoked_opens_nothing_from_then_on(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    assert ask(owner, PATHS[0], upscale.pk).status_code == 200
    tokens.revoke(ApiToken.objects.get(user=owner.user), by=owner.user)
    assert ask(owner, PATHS[0], upscale.pk).status_code == 401


@pytest.mark.parametrize("what", ["revoked", "left", "locked out"])
def test_what_another_process_does_to_a_token_counts_at_once(
    owner: Person, order: Callable[..., Upscale], what: str
) -> None:
    upscale = order()
    for _ in range(2):
        assert ask(owner, PATHS[0], upscale.pk).status_code == 200
    if what == "revoked":
        ApiToken.objects.update(revoked_at=timezone.now())
    elif what == "left":
        Membership.objects.filter(user=owner.user).delete()
    else:
        get_user_model().objects.filter(pk=owner.user.pk).update(is_active=False)
    assert ask(owner, PATHS[0], upscale.pk).status_code == 401


def test_a_token_that_only_polls_is_noted_as_used_every_minute(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    for minutes in range(3):
        with time_machine.travel(timezone.now() + timedelta(minutes=2 * minutes), tick=False):
            for _ in range(2):
                assert ask(owner, PATHS[0], upscale.pk).status_code == 200
            assert ApiToken.objects.get(user=owner.user).last_used_at == timezone.now()


@both_interfaces
def test_a_repeated_answer_has_the_headers_that_the_first_had(
    owner: Person, done: Callable[..., Upscale], path: str
) -> None:
    upscale = done()
    first, again = (ask(owner, path, upscale.pk) for _ in range(2))
    own = {"X-Request-ID", "RateLimit", "RateLimit-Remaining", "RateLimit-Reset"}
    assert {name: value for name, value in again.items() if name not in own} == {
        name: value for name, value in first.items() if name not in own
    }
    assert again["X-Request-ID"] != first["X-Request-ID"]
    assert int(again["RateLimit-Remaining"]) == int(first["RateLimit-Remaining"]) - 1
    known = {"If-None-Match": first["ETag"]}
    assert ask(owner, path, upscale.pk, **known)["Cache-Control"] == first["Cache-Control"]


def test_a_repeated_poll_is_refused_once_all_calls_are_made(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    with override_settings(API_RATE="3/day"):
        answers = [ask(owner, PATHS[0], upscale.pk) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers[:3]] == ["2", "1", "0"]


def test_a_host_that_is_not_the_desk_s_is_refused_as_ever(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    assert ask(owner, PATHS[0], upscale.pk).status_code == 200
    for _ in range(2):
        assert ask(owner, PATHS[0], upscale.pk, Host="elsewhere.example").status_code == 400
        assert ask(owner, PATHS[0] + "?colour=red", upscale.pk).status_code == 422


def test_a_token_of_two_people_s_teams_opens_its_own_alone(
    owner: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    Membership.objects.create(team=owner.team, user=outsider.user)
    for person, status in ((owner, 200), (outsider, 404), (owner, 200), (outsider, 404)):
        assert ask(person, PATHS[0], upscale.pk).status_code == status


def test_a_token_runs_out_at_its_moment(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        ApiToken.objects.update(expires_at=timezone.now() + timedelta(seconds=0.5))
        assert ask(owner, PATHS[0], upscale.pk).status_code == 200
        clock.shift(0.5)
        assert ask(owner, PATHS[0], upscale.pk).status_code == 401


def test_every_page_of_a_list_is_the_one_that_it_would_be_from_the_front(
    owner: Person, order_batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "FAR", 2)
    batch = order_batch(*(f"{number}.jpg" for number in range(11)))
    newest_first = sorted(batch.upscales.values_list("pk", flat=True), reverse=True)
    pages = [owner.api("get", f"generations?items_per_page=2&page={page}").json() for page in range(1, 8)]
    assert [[row["generation_id"] for row in page["data"]] for page in pages] == [
        newest_first[start : start + 2] for start in range(0, 14, 2)
    ]
    assert {(page["total_count"], page["max_page"]) for page in pages} == {(11, 6)}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by how much there is, which is little here")
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/generations",
        "/api/v1/generations?items_per_page=2&page=3",
        "/api/v1/generations?status=Created&items_per_page=2&page=3",
        "/generations?items_per_page=2&page=3",
        "/generation-results",
    ],
)
def test_a_list_of_very_many_is_counted_and_stepped_over_in_an_index_alone(
    owner: Person, order_batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(responses, "FAR", 2)
    order_batch(*(f"{number}.jpg" for number in range(11)))
    with CaptureQueriesContext(connection) as queries:
        assert Client().get(path, headers={"Authorization": f"Bearer {owner.token}"}).status_code == 200
    passing = [query["sql"] for query in queries if "COUNT(*)" in query["sql"] or "OFFSET" in query["sql"]]
    assert len(passing) == (2 if "page=3" in path else 1)
    with connection.cursor() as cursor:
        for read in passing:
            [step] = [row[-1] for row in cursor.execute(f"EXPLAIN QUERY PLAN {read}").fetchall()]
            assert "COVERING INDEX" in step


def test_a_browser_s_cookie_is_nothing_to_a_program(owner: Person) -> None:
    sent = {"Authorization": f"Bearer {owner.token}"}
    answer = owner.client.get("/api/v1/credits", headers=sent)
    assert answer.status_code == 200
    assert not answer.cookies
    assert owner.client.get("/api/v1/nothing", headers=sent).json()["detail"].startswith("There is nothing at")
    # The docs are a page, also for whoever asks for them with a token.
    assert owner.client.get("/api/v1/docs", headers=sent).status_code == 200
