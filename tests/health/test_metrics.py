"""`/metrics`: what Prometheus reads, and who may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Person
from upscaler.health import metrics
from upscaler.models import Upscale
from upscaler.processing import lifecycle

TOKEN = {"METRICS_TOKEN": "figures-for-prometheus"}


@pytest.fixture(autouse=True)
def _read_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(metrics, "_last", None)
    monkeypatch.setattr(metrics, "KEEP_FOR", 0.0)
    yield


def figures() -> dict[str, float]:
    """Each sample by its name and labels, as Prometheus reads them."""
    with override_settings(**TOKEN):
        answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN['METRICS_TOKEN']}"})
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_what_waits_runs_and_ended_is_counted(
    owner: Person, order: Callable[..., Upscale], done: Callable[..., Upscale]
) -> None:
    made = done()
    waiting, failed, running = order(), order(), order()
    for upscale in (failed, running):
        assert lifecycle.claim(upscale.pk) is not None
    claimed = Upscale.objects.get(pk=failed.pk)
    lifecycle.fail(claimed, message="The picture is damaged.", code="damaged")
    found = figures()
    assert found["upscaler_waiting_upscales{lane=local}"] == 1
    assert found["upscaler_running_upscales{lane=local}"] == 1
    assert found["upscaler_oldest_waiting_seconds{lane=local}"] >= 0
    assert found["upscaler_upscales_total{engine=local,error_code=,model=recraft,status=Done}"] == 1
    assert found["upscaler_upscales_total{engine=local,error_code=damaged,model=recraft,status=Error}"] == 1
    megapixels = made.result_width * made.result_height / 1e6  # type: ignore[operator]
    assert found["upscaler_result_megapixels_total{engine=local,model=recraft}"] == pytest.approx(megapixels)
    assert found["upscaler_time_to_result_seconds_count{model=recraft}"] == 1
    assert found["upscaler_time_to_result_seconds_bucket{le=+Inf,model=recraft}"] == 1
    assert found["upscaler_credits_total{kind=charge}"] == 2
    assert found["upscaler_credits_total{kind=refund}"] == 1
    assert found["upscaler_balance_credits{}"] == owner.balance
    assert found["upscaler_waiting_webhooks{}"] == 0
    assert waiting.pk and running.pk


def test_an_empty_desk_has_figures_too(db: None) -> None:
    found = figures()
    assert found["upscaler_credits_total{kind=charge}"] == 0
    assert found["upscaler_waiting_emails{}"] == 0


def test_more_upscales_ask_no_more_of_the_database(done: Callable[..., Upscale]) -> None:
    done()
    with CaptureQueriesContext(connection) as first:
        figures()
    for _ in range(3):
        done()
    with CaptureQueriesContext(connection) as second:
        figures()
    assert len(first) == len(second) <= 12


def test_they_are_read_once_in_a_while(
    db: None, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(metrics, "KEEP_FOR", 60.0)
    before = figures()
    with django_assert_num_queries(0):
        assert figures() == before


@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer wrong", "Basic figures-for-prometheus"])
def test_without_the_token_nothing_is_told(db: None, sent: str) -> None:
    with override_settings(**TOKEN):
        answer = Client().get("/metrics", headers={"Authorization": sent} if sent else {})
    assert answer.status_code == 403
    assert "METRICS_TOKEN" in answer.content.decode() and "upscaler_" not in answer.content.decode()


@override_settings(METRICS_TOKEN="")
def test_an_empty_token_opens_nothing(db: None) -> None:
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403


@override_settings(METRICS_ADDRESSES=[ip_network("10.0.0.0/8")])
@pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("192.168.1.7", 403), ("", 403)])
def test_an_address_may_be_let_in(db: None, address: str, status: int) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == status


@override_settings(METRICS_ADDRESSES=[ip_network("10.0.0.0/8")], TRUSTED_PROXIES=1)
def test_behind_a_proxy_the_client_s_own_address_counts(db: None) -> None:
    asked = Client(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="10.9.9.9, 203.0.113.5")
    assert asked.get("/metrics").status_code == 403
