"""What was done to which picture, as people and programs download it, and that files' marks are read in the files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from PIL import Image

from tests.conftest import Person
from tests.fidelity.test_shown import check, program
from upscaler.channels import files
from upscaler.channels.table import CHANNELS
from upscaler.evidence import records
from upscaler.models import Batch, FileMark, Upscale, media_storage
from upscaler.processing import worker_step
from upscaler.queue import tasks
from upscaler.storage import file_marks

MADE = {"engine": "local 3", "networks": ["dat"]}


def sent(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def table(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sent(answer).decode("utf-8-sig"))))


@pytest.fixture
def batch(order_batch: Callable[..., Batch]) -> Batch:
    """Two finished pictures and one that waits, in a batch whose first is doubted."""
    made = order_batch("a.jpg", "b.jpg", "c.jpg")
    rows = list(made.upscales.order_by("pk"))
    for row in rows[:2]:
        worker_step.step(row.pk)
    made.upscales.filter(pk=rows[0].pk).update(sku="=SKU-1", provenance=MADE)
    numbers = {"delta_e_worst": 7.2, "regions": [{"reason": "colour", "box": [0, 0, 8, 8], "value": 7.2}]}
    check(rows[0], "look", ("colour", "text"), report=numbers)
    read_all()
    return made


def read_all() -> None:
    """As a worker does after each result."""
    while file_marks.waiting().exists():
        tasks.read_files.call()


def test_a_batch_as_a_table(owner: Person, outsider: Person, batch: Batch) -> None:
    html = owner.client.get(f"/batches/{batch.pk}/").content.decode()
    assert f'href="/batches/{batch.pk}/evidence.csv"' in html and f'href="/batches/{batch.pk}/evidence.json"' in html
    doubted, unchecked, waiting = table(owner.client.get(f"/batches/{batch.pk}/evidence.csv"))
    row = batch.upscales.order_by("pk")[0]
    with media_storage().open(row.result_file.name) as file:
        assert doubted["result_sha256"] == hashlib.sha256(file.read()).hexdigest()
    with media_storage().open(row.source_file.name) as file:
        assert doubted["source_sha256"] == hashlib.sha256(file.read()).hexdigest()
    assert (doubted["verdict"], doubted["reasons"], doubted["delta_e_worst"]) == ("look", "colour, text", "7.2")
    assert (doubted["source"], doubted["sku"], doubted["ordered_by"]) == ("a.jpg", "'=SKU-1", "owner")
    assert (doubted["ai_mark"], doubted["content_credentials"]) == ("algorithmicallyEnhanced", "no")
    assert (doubted["engine"], doubted["engine_version"], doubted["networks"]) == ("local", "local 3", "dat")
    assert (unchecked["verdict"], unchecked["status"]) == ("", "Done")
    assert (waiting["result_sha256"], waiting["ai_mark"], waiting["status"]) == ("", "", "Created")
    for kind in ("csv", "json"):
        assert outsider.client.get(f"/batches/{batch.pk}/evidence.{kind}").status_code == 404
    assert owner.client.get(f"/batches/{batch.pk}/evidence.exe").status_code == 404


def test_the_mark_is_read_in_the_file_and_kept(owner: Person, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that lost its mark is said to have none, whatever the desk believes that it wrote."""
    first, second = batch.upscales.order_by("pk")[:2]
    bare = io.BytesIO()
    Image.new("RGB", (96, 80)).save(bare, "JPEG")
    path = media_storage().save("results/2026/01/bare.jpg", ContentFile(bare.getvalue()))
    Upscale.objects.filter(pk=first.pk).update(result_file=path)
    address = f"/batches/{batch.pk}/evidence.csv"
    with monkeypatch.context() as patched:
        patched.setattr("upscaler.imaging.intake.convert", lambda *_, **__: pytest.fail("not while somebody waits"))
        told = [line["ai_mark"] for line in table(owner.client.get(address))]
    assert told == ["not yet read", "algorithmicallyEnhanced", ""]
    read_all()
    marks = [line["ai_mark"] for line in table(owner.client.get(address))]
    assert marks == ["none", "algorithmicallyEnhanced", ""]
    assert set(FileMark.objects.values_list("upscale", flat=True)) == {first.pk, second.pk}
    monkeypatch.setattr("upscaler.imaging.intake.convert", lambda *_, **__: pytest.fail("a file is read once"))
    read_all()
    assert [line["ai_mark"] for line in table(owner.client.get(address))] == marks


def test_sums_of_old_files_are_counted_once(owner: Person, batch: Batch) -> None:
    """Rows from before sums were kept with them."""
    first = batch.upscales.order_by("pk")[0]
    kept = first.source_digest, first.result_digest
    Upscale.objects.filter(pk=first.pk).update(source_digest="", result_digest="")
    address = f"/batches/{batch.pk}/evidence.csv"
    [line, *_] = table(owner.client.get(address))
    assert (line["source_sha256"], line["result_sha256"]) == ("not yet read", kept[1]), "its result was read before"
    read_all()
    [line, *_] = table(owner.client.get(address))
    assert (line["source_sha256"], line["result_sha256"]) == kept


def test_a_file_that_is_gone_or_broken_is_said_to_be_unread(owner: Person, batch: Batch) -> None:
    first, second = batch.upscales.order_by("pk")[:2]
    path = media_storage().save("results/2026/01/broken.jpg", ContentFile(b"no picture"))
    Upscale.objects.filter(pk=first.pk).update(result_file=path)
    Upscale.objects.filter(pk=second.pk).update(result_file="results/2026/01/gone.jpg")
    address = f"/batches/{batch.pk}/evidence"
    assert [line["ai_mark"] for line in table(owner.client.get(f"{address}.csv"))] == ["not yet read"] * 2 + [""]
    read_all()
    assert [line["ai_mark"] for line in table(owner.client.get(f"{address}.csv"))] == ["not read", "not read", ""]
    told = json.loads(sent(owner.client.get(f"{address}.json")))["pictures"]
    assert [(one["ai_mark"], one["not_yet_read"]) for one in told] == [(None, False)] * 3


def test_files_for_shops_are_read_too(owner: Person, batch: Batch) -> None:
    first = batch.upscales.order_by("pk")[0]
    made = files.make(first, CHANNELS["etsy"])
    read_all()
    [told, *_] = json.loads(sent(owner.client.get(f"/batches/{batch.pk}/evidence.json")))["pictures"]
    [fitted] = told["channel_files"]
    assert (fitted["channel"], fitted["ai_mark"]) == ("etsy", "algorithmicallyEnhanced")
    with media_storage().open(made.file) as file:
        assert fitted["sha256"] == hashlib.sha256(file.read()).hexdigest()


def test_a_product_and_a_selection(owner: Person, outsider: Person, batch: Batch) -> None:
    first, second, _ = batch.upscales.order_by("pk")
    [line] = table(owner.client.get("/evidence.csv", {"sku": "=SKU-1"}))
    assert line["number"] == str(first.pk)
    assert outsider.client.get("/evidence.csv", {"sku": "=SKU-1"}).status_code == 404
    assert owner.client.get("/evidence.csv", {"sku": "\0"}).status_code == 404
    chosen = {"act": "evidence-json", "chosen": [str(second.pk)]}
    told = json.loads(sent(owner.client.post("/history/selected/", chosen)))
    assert [picture["number"] for picture in told["pictures"]] == [second.pk]
    refused = outsider.client.post("/history/selected/", chosen, follow=True).content.decode()
    assert "Nothing is selected" in refused


def test_programs_get_it(owner: Person, outsider: Person, batch: Batch) -> None:
    told = json.loads(sent(program(owner, f"/batches/{batch.pk}/evidence")))
    assert told["version"] == 1 and len(told["pictures"]) == 3
    first = told["pictures"][0]
    assert first["regions"][0]["box"] == [0, 0, 8, 8] and first["review"] == "none"
    [line] = table(program(owner, f"/batches/{batch.pk}/evidence?format=csv&sku=%3DSKU-1"))
    assert line["verdict"] == "look"
    [alone] = json.loads(sent(program(owner, "/evidence?sku=%3DSKU-1")))["pictures"]
    assert alone == first
    for wrong in ("?format=xml", "?skuu=1"):
        assert program(owner, f"/batches/{batch.pk}/evidence{wrong}").status_code == 422
    assert program(owner, "/evidence").status_code == 422
    assert program(outsider, f"/batches/{batch.pk}/evidence").status_code == 404
    assert program(outsider, "/evidence?sku=%3DSKU-1").status_code == 404


def test_many_are_read_part_by_part(
    owner: Person, batch: Batch, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(records, "AT_ONCE", 2)
    every = list(records.records(Upscale.objects.all()))
    assert [record["number"] for record in every] == list(Upscale.objects.order_by("pk").values_list("pk", flat=True))
    monkeypatch.setattr(records, "AT_ONCE", 100)
    with django_assert_max_num_queries(5):
        list(records.records(Upscale.objects.all()))
    # However many are not read yet: their rows, and one message.
    FileMark.objects.all().delete()
    with django_assert_max_num_queries(13):
        list(records.records(Upscale.objects.all()))
