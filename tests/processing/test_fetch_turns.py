"""How many of a team's pictures are fetched at once, and when a host that asks for time is asked again."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures, webserver
from upscaler.models import Upscale
from upscaler.processing import lifecycle, worker_step


def order(person: Person, url: str) -> Upscale:
    answer = person.api("post", "generation-upscale", {"image_url": url, "model_name": "recraft"})
    assert answer.status_code == 200, answer.content
    return Upscale.objects.get(pk=answer.json()["generation_id"])


def being_fetched(person: Person, number: int) -> Upscale:
    """An upscale whose source a worker is fetching now."""
    claimed = lifecycle.claim(order(person, f"https://slow.example/{number}.jpg").pk)
    assert claimed is not None
    assert lifecycle.wait_to_fetch(claimed) is None
    return claimed


def test_a_team_s_further_pictures_wait_without_a_failure(owner: Person, outsider: Person) -> None:
    being_fetched(owner, 1)
    slow = being_fetched(owner, 2)
    with webserver.serving({"/a.jpg": webserver.body(pictures.jpeg())}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host], FETCHES_PER_TEAM=2):
            mine, theirs = order(owner, f"http://{host}/a.jpg"), order(outsider, f"http://{host}/a.jpg")
            for upscale in (mine, theirs):
                next_step = worker_step.step(upscale.pk)
                assert next_step is not None
                upscale.refresh_from_db()
            assert (mine.source_file.name, mine.failures, mine.lease_until) == ("", 0, None)
            assert mine.progress_text == worker_step.WAITING_TO_FETCH
            assert mine.not_before is not None
            assert timezone.now() < mine.not_before < timezone.now() + timedelta(seconds=5)
            assert theirs.source_file, "another team's picture does not wait for them"
            lifecycle.fail(slow, message="It is given up here.", code="fetch_timeout")
            Upscale.objects.filter(pk=mine.pk).update(not_before=None)
            worker_step.step(mine.pk)
            mine.refresh_from_db()
            assert mine.source_file


def test_a_dead_worker_s_fetch_is_no_longer_counted(owner: Person) -> None:
    for number in (1, 2):
        dead = being_fetched(owner, number)
        Upscale.objects.filter(pk=dead.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    being_fetched(owner, 3)


@pytest.mark.parametrize(("status", "seconds"), [(429, 90), (503, 600), (429, 2)])
def test_a_host_that_asks_for_time_gets_it(status: int, seconds: int, owner: Person) -> None:
    with webserver.serving({"/a.jpg": webserver.body(b"", status, Retry_After=str(seconds))}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            next_step = worker_step.step(order(owner, f"http://{host}/a.jpg").pk)
    assert next_step is not None
    assert next_step.due_in == max(seconds, worker_step.FIRST_PAUSE)
    assert next_step.upscale.failures == 1


def test_a_host_that_asks_for_a_day_is_given_up_and_refunded(owner: Person) -> None:
    with webserver.serving({"/a.jpg": webserver.body(b"", 429, Retry_After="86400")}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            upscale = order(owner, f"http://{host}/a.jpg")
            worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert upscale.status == "Error"
    assert "24 hours" in upscale.error_message
    assert owner.balance == 100


def test_what_is_fetched_is_called_what_its_server_calls_it(owner: Person) -> None:
    named = webserver.body(pictures.jpeg(), Content_Disposition="inline; filename*=UTF-8''Gr%C3%B6%C3%9Fe%2038.5")
    with webserver.serving({"/share": webserver.redirect("/f/1"), "/f/1": named}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            upscale = order(owner, f"http://{host}/share")
            assert upscale.source_name == "share"
            worker_step.step(upscale.pk)
            worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert (upscale.source_name, upscale.result_name) == ("Größe 38.5", "Größe 38.5.jpg")


def test_what_people_called_it_stays(owner: Person) -> None:
    named = webserver.body(pictures.jpeg(), Content_Disposition='inline; filename="x.jpg"')
    with webserver.serving({"/share": named}) as host, override_settings(FETCH_ALLOW_HOSTS=[host]):
        upscale = order(owner, f"http://{host}/share")
        Upscale.objects.filter(pk=upscale.pk).update(source_name="Kleid rot.jpg")
        worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert upscale.source_name == "Kleid rot.jpg"


def test_no_thread_is_left_behind_by_a_host_that_drips(owner: Person) -> None:
    with webserver.serving({"/a.jpg": webserver.dripping_continue}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host], FETCH_TIME_LIMIT=1):
            upscale = order(owner, f"http://{host}/a.jpg")
            worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert upscale.failures == 1
    assert [thread for thread in threading.enumerate() if thread.name == "request"] == []
