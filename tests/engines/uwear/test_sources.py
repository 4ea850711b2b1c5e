"""The desk with the Uwear engine: how sources go there, and what comes back."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.conf import settings
from django.test import Client, override_settings
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from PIL import Image

from tests.conftest import Person
from tests.support import vendor as vendors
from tests.support.vendor import SHOP, SUBMIT, Vendor, as_json, follow, prove_nothing_went_wrong
from upscaler.health import checks
from upscaler.models import Upscale
from upscaler.processing import source_reference, worker_step


def newest() -> Upscale:
    return Upscale.objects.latest("pk")


def ask(person: Person, number: int) -> Any:
    return person.api("post", "generation-upscale", {"generation_result_id": number, "model_name": "recraft"})


def test_an_upload_goes_through_a_signed_link_that_runs_out(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    upscale = follow(order())
    [body] = vendor.bodies
    assert set(body) == {"image_url", "model_name"}
    assert body["image_url"].startswith("https://upscaler.example.com/files/")
    path = urlsplit(body["image_url"]).path
    answer = Client().get(path)
    with upscale.source_file.open("rb") as kept:
        assert b"".join(answer.streaming_content) == kept.read()  # type: ignore[attr-defined]
    with time_machine.travel(timezone.now() + timedelta(days=2, minutes=1), tick=False):
        assert Client().get(path).status_code == 410


def test_of_a_picture_on_the_web_the_vendor_gets_the_copy_that_the_desk_has_examined(
    vendor: Vendor, owner: Person
) -> None:
    """A host could show the desk a decoy, and the vendor the real picture."""
    url = f"http://{vendor.host}/shop/shirt.png"
    owner.api("post", "generation-upscale", {"image_url": url, "model_name": "recraft"})
    upscale = follow(newest())
    [body] = vendor.bodies
    assert (upscale.status, vendor.calls(SHOP)) == ("Done", 1)
    assert body["image_url"].startswith("https://upscaler.example.com/files/")
    answer = Client().get(urlsplit(body["image_url"]).path)
    assert b"".join(answer.streaming_content) == vendors.picture((48, 40))  # type: ignore[attr-defined]


@override_settings(PUBLIC_URL="")
def test_where_no_copy_can_be_given_the_address_goes_as_it_is_and_people_are_told(
    vendor: Vendor, owner: Person
) -> None:
    url = f"http://{vendor.host}/shop/shirt.png?size=original&x=%20"
    owner.api("post", "generation-upscale", {"image_url": url, "model_name": "recraft"})
    upscale = follow(newest())
    [warning] = checks.remote_engine_can_fetch_uploads()
    for text in (owner.client.get("/").content.decode(), str(warning.hint)):
        assert "it may get another picture than the one that the desk checks" in text
    assert (upscale.status, vendor.bodies) == ("Done", [{"image_url": url, "model_name": "recraft"}])
    assert upscale.before_preview


def test_without_a_public_address_uploads_are_refused_and_urls_are_not(
    vendor: Vendor, owner: Person, upload: Callable[..., Any]
) -> None:
    with override_settings(PUBLIC_URL=""):
        assert "has to set PUBLIC_URL" in owner.client.get("/").content.decode()
        refused = owner.submit(image=upload())
        assert refused.status_code == 422
        assert "has to set PUBLIC_URL" in refused.content.decode()
        [warning] = checks.remote_engine_can_fetch_uploads()
        assert (warning.id, "PUBLIC_URL" in warning.msg) == ("upscaler.W002", True)
        assert owner.submit(image_url="https://shop.example/a.jpg").status_code == 302
    assert checks.remote_engine_can_fetch_uploads() == []
    assert owner.balance == 99


def test_without_a_public_address_a_program_s_upload_is_refused_before_it_is_stored(
    vendor: Vendor, owner: Person, upload: Callable[..., Any]
) -> None:
    headers = {"Authorization": f"Bearer {owner.token}"}
    folder = Path(settings.MEDIA_ROOT) / "sources"
    before = list(folder.rglob("*"))
    with override_settings(PUBLIC_URL=""):
        answer = Client().post("/api/v1/uploads", {"file": upload()}, headers=headers)
    [problem] = answer.json()["detail"]
    assert (answer.status_code, problem["type"], problem["loc"]) == (422, "public_url_missing", ["body", "file"])
    assert problem["msg"] == source_reference.NO_PUBLIC_URL.format(engine="Uwear")
    assert list(folder.rglob("*")) == before
    assert Client().post("/api/v1/uploads", {"file": upload()}, headers=headers).status_code == 201


@pytest.mark.processes
def test_the_library_of_s3_is_not_loaded_without_s3() -> None:
    ask = (
        "import django, sys; django.setup(); import upscaler.urls, upscaler.queue.tasks; print('boto3' in sys.modules)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_upload_whose_desk_lost_its_public_address_is_refunded(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    upscale = order()
    with override_settings(PUBLIC_URL=""):
        follow(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "public_url_missing")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_each_row_keeps_the_engine_that_it_was_ordered_with(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    at_vendor = order()
    with override_settings(ENGINE="local"):
        local = order()
        assert follow(at_vendor).status == "Done"
    assert follow(local).status == "Done"
    assert [(u.engine, bool(u.provenance.get("networks"))) for u in (at_vendor, local)] == [
        ("uwear", False),
        ("local", True),
    ]
    assert vendor.calls(SUBMIT) == 1
    for upscale in (at_vendor, local):
        assert owner.client.get(f"/upscales/{upscale.pk}/").status_code == 200
    # A result of the local engine is none of the vendor's.
    assert ask(owner, local.result_id or 0).json()["detail"][0]["type"] == "not_found"


def test_trying_again_is_a_new_order(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "no"}, 402))
    failed = follow(order())
    vendor.faults.clear()
    owner.client.post(f"/upscales/{failed.pk}/retry/")
    again = follow(newest())
    assert (again.status, again.retry_of, owner.balance) == ("Done", failed, 99)
    for upscale in (failed, again):
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_the_result_is_kept_in_the_vendor_s_format(vendor: Vendor, done: Callable[..., Upscale]) -> None:
    upscale = done()
    with upscale.result_file.open("rb") as kept:
        content = kept.read()
    assert content == vendor.picture
    assert (upscale.result_format, upscale.result_name) == ("PNG", "shirt.png")
    assert Image.open(io.BytesIO(content)).format == "PNG"


def test_messages_of_the_vendor_s_work_go_to_the_io_queue(
    vendor: Vendor, order: Callable[..., Upscale], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        upscale = order()
    worker_step.step(upscale.pk)
    assert set(DBTaskResult.objects.values_list("queue_name", flat=True)) == {"io"}


def test_a_result_is_saved_in_the_format_that_was_asked_for(vendor: Vendor, owner: Person) -> None:
    url = f"http://{vendor.host}/shop/shirt.png"
    body = {"image_url": url, "model_name": "recraft", "result_format": "WEBP"}
    owner.api("post", "generation-upscale", body)
    upscale = follow(newest())
    assert (upscale.status, upscale.result_format) == ("Done", "WEBP")
    assert "result_format" not in vendor.bodies[0]
    with upscale.result_file.open("rb") as file, Image.open(file) as result:
        assert (result.format, result.size) == ("WEBP", (upscale.result_width, upscale.result_height))
        assert b"compositeWithTrainedAlgorithmicMedia" in result.info["xmp"]
