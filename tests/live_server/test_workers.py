"""The whole desk in its real processes, on both queues: the main job, and workers that die in the middle of it."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Callable
from functools import partial

import pytest
import requests
from PIL import Image

from tests.support import pictures, webserver
from tests.support.live_server import ON_ONE_QUEUE, Desk, command_of, descendants, until

pytestmark = pytest.mark.processes

LONG = {"content": pictures.jpeg((260, 260)), "model_name": "recraft"}
"""Work of several tiles and seconds, so that there is a middle to be killed in."""


@pytest.fixture
def token(desk: Desk) -> str:
    return desk.token_of_new_team()


def queued(desk: Desk, *orders: Callable[[], int]) -> list[int]:
    """The orders' numbers, none of them begun before the last one stands in the queue, however slow this machine is."""
    desk.stop_worker()
    try:
        return [order() for order in orders]
    finally:
        desk.start_worker()


def in_the_middle(desk: Desk, token: str, number: int) -> None:
    """Wait until some tiles are done, but not all."""

    def reached() -> bool:
        row = desk.generation(token, number)
        assert row["status"] in ("Created", "Ongoing"), row
        return row["progress"] > 0

    until(reached, what="the work is under way")


def test_the_whole_way_of_a_program(desk: Desk, token: str) -> None:
    before = desk.balance(token)
    number = desk.submit(token, pictures.jpeg((120, 90)), model_name="recraft")
    done = desk.wait_for(token, number, "Done", "Error")
    assert done["error"] is None
    [result] = done["generation_results"]
    picture = requests.get(result["image_url"], timeout=30)
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (480, 360)
    assert desk.balance(token) == before - 1


def test_every_part_of_the_desk_is_ready(desk: Desk) -> None:
    answer = requests.get(f"{desk.url}/readyz", timeout=30)
    assert answer.status_code == 200, answer.text
    parts = ("database", "queue", "engine", "media", "workers")
    assert {part: answer.json()[part] for part in parts} == dict.fromkeys(parts, "ok")


def test_a_url_is_fetched_by_one_worker_and_enlarged_by_another(desk: Desk, token: str) -> None:
    before = desk.balance(token)
    shop = {"/shirt.jpg": webserver.body(pictures.jpeg((120, 90)))}
    with webserver.serving(shop, desk.shop_port) as host:
        good, bad = (
            desk.api("post", "generation-upscale", token, json={"image_url": url, "model_name": "recraft"}).json()
            for url in (f"http://{host}/shirt.jpg", f"http://{host}/trousers.jpg")
        )
        done = desk.wait_for(token, good["generation_id"], "Done", "Error")
        failed = desk.wait_for(token, bad["generation_id"], "Done", "Error")
    assert (done["status"], done["generation_results"][0]["width"]) == ("Done", 480)
    assert (failed["status"], failed["generation_results"]) == ("Error", [])
    assert "it answered 404" in failed["error"]
    assert desk.balance(token) == before - 1


def test_a_killed_worker_loses_nothing(desk: Desk, token: str) -> None:
    before = desk.balance(token)
    number = desk.submit(token, **LONG)
    in_the_middle(desk, token, number)
    desk.kill_worker()
    assert desk.generation(token, number)["status"] == "Ongoing"
    desk.start_worker()
    done = desk.wait_for(token, number, "Done", "Error")
    assert (done["status"], len(done["generation_results"])) == ("Done", 1)
    assert desk.balance(token) == before - 1


def test_the_parent_replaces_a_worker_process_that_dies(desk: Desk, token: str) -> None:
    before = desk.balance(token)
    number = desk.submit(token, **LONG)
    in_the_middle(desk, token, number)
    assert desk.worker is not None
    victims = [pid for pid in descendants(desk.worker.pid) if "queue_worker cpu" in command_of(pid)]
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    done = desk.wait_for(token, number, "Done", "Error")
    assert done["status"] == "Done"
    assert desk.balance(token) == before - 1


def test_a_picture_whose_worker_is_killed_goes_on_before_those_that_wait(desk: Desk, token: str) -> None:
    small = partial(desk.submit, token, pictures.jpeg(), model_name="recraft")
    number, *waiting = queued(desk, partial(desk.submit, token, **LONG), *[small] * 25)
    in_the_middle(desk, token, number)
    assert desk.worker is not None
    for pid in descendants(desk.worker.pid):
        if "queue_worker cpu" in command_of(pid):
            os.kill(pid, signal.SIGKILL)
    desk.wait_for(token, number, "Done")
    assert "Created" in {desk.generation(token, other)["status"] for other in waiting}, "it was the last of all"
    for other in waiting:
        desk.wait_for(token, other, "Done")


def test_another_team_does_not_wait_for_a_long_queue(desk: Desk, token: str) -> None:
    make = (
        "from django.contrib.auth import get_user_model; from upscaler.models import Membership, Team;"
        "team = Team.objects.create(name='Solo', slug='solo');"
        "user = get_user_model().objects.create_user('solo', password='upscale-demo');"
        "Membership.objects.create(team=team, user=user)"
    )
    desk.manage("shell", "-c", make)
    desk.manage("grant_credits", "--team", "solo", "1", "--note", "one picture")
    theirs = desk.token("solo", "solo")
    waiting = queued(desk, *[partial(desk.submit, token, pictures.jpeg((120, 90)), model_name="recraft")] * 12)
    desk.wait_for(token, waiting[0], "Ongoing", "Done")
    number = desk.submit(theirs, pictures.jpeg(), model_name="recraft")
    desk.wait_for(theirs, number, "Done")
    assert "Created" in {desk.generation(token, other)["status"] for other in waiting}, "it was the last of all"
    for other in waiting:
        desk.wait_for(token, other, "Done")


def test_a_crash_of_the_engine_does_not_take_the_worker_along(desk: Desk, token: str) -> None:
    number = desk.submit(token, **LONG)
    in_the_middle(desk, token, number)
    assert desk.worker is not None
    engines = [pid for pid in descendants(desk.worker.pid) if "upscaler.engines.local" in command_of(pid)]
    workers = {pid for pid in descendants(desk.worker.pid) if "queue_worker" in command_of(pid)}
    assert len(engines) == 1
    os.kill(engines[0], signal.SIGKILL)
    assert desk.wait_for(token, number, "Done", "Error")["status"] == "Done"
    assert workers == {pid for pid in descendants(desk.worker.pid) if "queue_worker" in command_of(pid)}


def test_a_worker_told_to_stop_ends_its_job_first(desk: Desk, token: str) -> None:
    number = desk.submit(token, **LONG)
    in_the_middle(desk, token, number)
    assert desk.worker is not None
    family = descendants(desk.worker.pid)
    try:
        assert desk.stop_worker() == 0
        assert desk.generation(token, number)["status"] == "Done"
        until(lambda: not any(command_of(pid) for pid in family), what="no process is left behind", seconds=20)
    finally:
        desk.start_worker()


def test_work_that_was_submitted_while_no_worker_ran_is_done_later(desk: Desk, token: str) -> None:
    desk.stop_worker()
    try:
        number = desk.submit(token, pictures.jpeg(), model_name="recraft")
        assert desk.generation(token, number)["status"] == "Created"
    finally:
        desk.start_worker()
    assert desk.wait_for(token, number, "Done", "Error")["status"] == "Done"


def test_a_production_desk_is_ready_and_serves_hashed_files(desk: Desk) -> None:
    assert requests.get(f"{desk.url}/readyz", timeout=30).json()["ready"] is True
    page = requests.get(f"{desk.url}/accounts/login/", timeout=30)
    assert page.status_code == 200
    [sheet] = [part for part in page.text.split('"') if part.endswith(".css")]
    assert sheet != "/static/css/desk.css"
    styles = requests.get(desk.url + sheet, timeout=30)
    assert "max-age=315360000" in styles.headers["Cache-Control"]
    assert styles.headers["Content-Encoding"] in ("gzip", "br")


@ON_ONE_QUEUE
def test_scripts_and_what_they_import_are_kept_by_browsers_for_good(desk: Desk) -> None:
    [script] = re.findall(r'/static/(js/submit\.\w+\.js)"', desk.sign_in().get(f"{desk.url}/", timeout=30).text)
    answer = requests.get(f"{desk.url}/static/{script}", timeout=30)
    imported = re.findall(r'from "\./(.+?)"', answer.text)
    assert imported
    for name in imported:
        module = requests.get(f"{desk.url}/static/js/{name}", timeout=30)
        assert module.ok
        assert "immutable" in module.headers["Cache-Control"]
