"""Fifty people order at the same moment, and the team can pay for ten: over HTTP, against a whole desk."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable

import pytest

from tests.support import pictures
from tests.support.live_server import Desk

pytestmark = pytest.mark.processes

AT_ONCE = 50
CREDITS = 10


def test_fifty_orders_for_ten_credits(desk: Desk) -> None:
    make = (
        "from django.contrib.auth import get_user_model; from upscaler.models import Membership, Team;"
        "team = Team.objects.create(name='Rush', slug='rush');"
        "user = get_user_model().objects.create_user('rush', password='upscale-demo');"
        "Membership.objects.create(team=team, user=user)"
    )
    desk.manage("shell", "-c", make)
    desk.manage("grant_credits", "--team", "rush", str(CREDITS), "--note", "ten pictures")
    token = desk.token("rush", "rush")
    before = desk.log.stat().st_size
    content = pictures.jpeg()
    link = desk.api("post", "uploads", token, files={"file": ("shirt.jpg", content)}).json()["image_url"]
    session = desk.sign_in("rush")
    cookies = session.cookies.get_dict()
    page = session.get(f"{desk.url}/", timeout=30).text
    csrf = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]

    def through_the_api() -> str:
        answer = desk.api(
            "post", "generation-upscale", token, json={"image_url": link, "model_name": "recraft"}, timeout=120
        )
        if answer.status_code == 402 and "ask those who run this desk for more credits" in answer.json()["detail"]:
            return "refused"
        return "accepted" if answer.status_code == 200 else f"{answer.status_code}: {answer.text[:200]}"

    def through_the_page() -> str:
        answer = desk.browse(
            "post",
            "/",
            cookies,
            data={"csrfmiddlewaretoken": csrf, "model_name": "recraft"},
            # Of other bytes each time: the page does not charge the same picture twice.
            files={"image": ("shirt.jpg", content + uuid.uuid4().bytes)},
        )
        if answer.status_code == 422 and "but your team has 0 credits left" in answer.text:
            return "refused"
        location = answer.headers.get("Location", "")
        return (
            "accepted" if location.startswith("/batches/") else f"{answer.status_code}: {location} {answer.text[:200]}"
        )

    answers = _at_once([through_the_api, through_the_page] * (AT_ONCE // 2))
    assert sorted(answers) == ["accepted"] * CREDITS + ["refused"] * (AT_ONCE - CREDITS)
    assert desk.balance(token) == 0
    assert "OK: the ledger is right" in desk.manage("check_ledger")
    log = desk.log.read_bytes()[before:].decode(errors="replace")
    assert not re.search(r"database is locked|Traceback|Internal Server Error", log), log[-4000:]


def _at_once(acts: list[Callable[[], str]]) -> list[str]:
    gate = threading.Barrier(len(acts))
    answers: list[str] = []

    def run(act: Callable[[], str]) -> None:
        gate.wait()
        try:
            answers.append(act())
        except Exception as error:
            answers.append(repr(error))

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
