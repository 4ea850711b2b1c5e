"""What the desk says of a remote engine names that engine and no other vendor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import remote_engine
from tests.support.remote_engine import FableEngine, away, doubtful
from tests.support.vendor import step
from upscaler.engines.base import EngineError, KnownResult
from upscaler.health import checks
from upscaler.models import EngineState, Upscale

Order = Callable[..., Upscale]


@pytest.fixture
def fable() -> Iterator[FableEngine]:
    with remote_engine.serving() as engine:
        yield engine


def ends(upscale: Upscale) -> str:
    """With which code it ended; its sentence names the engine and no other."""
    assert upscale.status == "Error", upscale.progress_text
    assert "Fable" in upscale.error_message
    assert "uwear" not in (upscale.error_message + upscale.error_code).lower()
    return upscale.error_code


def test_an_upscale_that_waits_names_its_engine(fable: FableEngine, order: Order) -> None:
    first, second = order(), order()
    assert step(first).status == "Ongoing"
    assert step(second).progress_text == "Waiting for its turn at Fable"
    fable.faults["advance"] = EngineError("?", code="fable_odd", permanent=False)
    assert step(first).progress_text.startswith("Fable’s picture can’t be had yet; tried until ")
    fable.faults["advance"] = EngineError("?", code="fable_busy", permanent=False, retry_after=30)
    assert step(first).progress_text == "Waiting: Fable asks us to slow down"
    fable.faults["advance"] = away()
    assert step(first).progress_text == "Waiting for Fable to answer again"


def test_an_order_that_never_arrived_names_its_engine(fable: FableEngine, order: Order) -> None:
    fable.faults["start"] = EngineError("cut", code="fable_cut", permanent=False, maybe_taken=True)
    upscale = step(order())
    assert upscale.progress_text == "Asking Fable whether it has the picture"
    with override_settings(MAX_FAILURES=1):
        assert ends(step(upscale)) == "fable_not_taken"


def test_an_outage_ends_with_the_engine_s_name_after_the_engine_s_own_time(fable: FableEngine, order: Order) -> None:
    upscale = step(order())
    fable.faults["advance"] = away()
    began = timezone.now()
    step(upscale)
    with time_machine.travel(began + timedelta(hours=1, minutes=59)):
        assert step(upscale).status == "Ongoing"
    with time_machine.travel(began + timedelta(hours=2, minutes=1)):
        assert ends(step(upscale)) == "fable_outage"
    assert upscale.error_message.startswith("Fable did not take work for 2.0 hours")


def test_a_doubtful_answer_is_asked_for_again_during_ten_minutes(fable: FableEngine, order: Order) -> None:
    upscale = step(order())
    fable.faults["advance"] = doubtful()
    began = timezone.now()
    with override_settings(MAX_FAILURES=1):
        with time_machine.travel(began + timedelta(minutes=9)):
            assert step(upscale).status == "Ongoing"
        with time_machine.travel(began + timedelta(minutes=11)):
            assert (step(upscale).status, upscale.error_code) == ("Error", "fable_lost")


def test_a_number_that_another_order_has_names_its_engine(fable: FableEngine, order: Order) -> None:
    fable.limits = replace(fable.limits, slots=2)
    step(order())
    assert ends(step(order())) == "fable_id_taken"


def test_the_banner_and_readiness_name_the_engine_that_is_away(fable: FableEngine, owner: Person, order: Order) -> None:
    fable.faults = {"advance": away(), "reach": away()}
    upscale = step(order())
    for page in ("/", "/history/", f"/upscales/{upscale.pk}/", f"/history/live/?id={upscale.pk}"):
        content = owner.client.get(page).content.decode()
        assert "Fable does not answer since" in content
        assert "uwear" not in content.lower()
    EngineState.objects.update(asked_at=None)
    ready = Client().get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["engine"].startswith("ok, but Fable does not answer since")
    assert "uwear" not in ready.content.decode().lower()


def test_the_checks_name_the_engine_and_its_settings(fable: FableEngine) -> None:
    fable.faults["check"] = EngineError("FABLE_KEY is not set.", code="engine_setup", permanent=True)
    with override_settings(PUBLIC_URL=""):
        found = [
            *checks.engine_is_there(),
            *checks.remote_engine_can_fetch_uploads(),
            *checks.key_is_not_sent_in_clear(),
        ]
    assert [message.id for message in found] == ["upscaler.E001", "upscaler.W002", "upscaler.W003"]
    said = [f"{message.msg} {message.hint}" for message in found]
    assert "Set FABLE_KEY." in said[0]
    assert "can’t be enlarged by Fable here" in said[1]
    assert "FABLE_URL starts with http://" in said[2]
    assert "uwear" not in " ".join(said).lower()


def test_uploads_are_refused_in_the_name_of_the_engine(
    fable: FableEngine, owner: Person, upload: Callable[..., Any], order: Order
) -> None:
    upscale = order()
    with override_settings(PUBLIC_URL=""):
        refused = owner.submit(image=upload())
        assert ends(step(upscale)) == "public_url_missing"
    assert refused.status_code == 422
    assert "can’t be enlarged by Fable here" in refused.content.decode()
    assert "uwear" not in refused.content.decode().lower()


def test_a_result_that_can_t_be_had_names_the_engine(fable: FableEngine, owner: Person) -> None:
    fable.result = KnownResult(7, "70", "http://10.0.0.1/a.png", None, True)
    asked = {"generation_result_id": 7, "model_name": "recraft"}
    unusable = owner.api("post", "generation-upscale", asked)
    fable.faults["find_result"] = away()
    unavailable = owner.api("post", "generation-upscale", asked)
    assert (unusable.status_code, unavailable.status_code) == (422, 503)
    assert "the address that Fable gives for result 7" in unusable.json()["detail"][0]["msg"]
    assert "because Fable does not answer at the moment" in unavailable.json()["detail"]
    assert "uwear" not in (unusable.content + unavailable.content).decode().lower()
