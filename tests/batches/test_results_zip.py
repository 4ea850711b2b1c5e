"""A batch's results as one ZIP, as people and spreadsheets open it."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Person
from upscaler.models import AuditEvent, Batch, Membership, Upscale, media_storage
from upscaler.ordering import removal, reorder, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.new_batches import NewBatch
from upscaler.processing import lifecycle, worker_step
from upscaler.processing.manual_refunds import refund_by_hand

OrderBatch = Callable[..., Batch]
NAMES = ("SKU-12.5 red.jpg", "SKU-12.7 blue.jpg", "=HYPERLINK(1).jpg")


def finished(batch: Batch) -> list[Upscale]:
    rows = list(batch.upscales.order_by("pk"))
    for row in rows:
        worker_step.step(row.pk)
    return list(batch.upscales.order_by("pk"))


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def table(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))


def opened(person: Person, batch: Batch) -> zipfile.ZipFile:
    answer = person.client.get(f"/batches/{batch.pk}/results.zip")
    content = body(answer)
    assert answer.status_code == 200 and len(content) == int(answer["Content-Length"])
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    return archive


def test_every_picture_is_accounted_for(owner: Person, teammate: Person, order_batch: OrderBatch) -> None:
    batch = order_batch(*NAMES, "broken.jpg", "cancelled.jpg", "refunded.jpg", model_name="topaz", upscale_factor="2x")
    rows = list(batch.upscales.order_by("pk"))
    claimed = lifecycle.claim(rows[3].pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="The picture is damaged.", code="damaged")
    lifecycle.cancel(Upscale.objects.filter(pk=rows[4].pk), by=owner.user)
    finished(batch)
    refund_by_hand(rows[5], note="came out wrong", by=owner.user)
    archive = opened(teammate, batch)
    pictures = ["SKU-12.5 red.jpg", "SKU-12.7 blue.jpg", "=HYPERLINK(1).jpg"]
    assert archive.namelist() == ["manifest.csv", *pictures]
    rows = finished(batch)
    for row, name in zip(rows, pictures, strict=False):
        assert archive.read(name) == row.result_file.read(), name
    manifest = table(archive)
    assert [(line["file"], line["status"], line["credits"]) for line in manifest] == [
        ("SKU-12.5 red.jpg", "Ready", "3"),
        ("SKU-12.7 blue.jpg", "Ready", "3"),
        ("'=HYPERLINK(1).jpg", "Ready", "3"),
        ("", "Failed", "0"),
        ("", "Cancelled", "0"),
        ("", "Ready", "0"),
    ]
    assert manifest[3]["reason"] == "The picture is damaged." and "Refunded" in manifest[5]["reason"]
    first = manifest[0]
    assert (first["source"], first["source size"], first["result size"]) == (NAMES[0], "48 × 40", "96 × 80")
    assert (first["who"], first["model"], first["number"]) == ("owner", "Topaz", str(rows[0].pk))
    assert "Enlarge by: 2x" in first["settings"] and "T" in first["ordered"]
    [event] = AuditEvent.objects.filter(action="downloaded")
    assert str(event) == "teammate: Downloaded 3 results of the batch “Monday”, as a ZIP"


def test_names_follow_the_team_and_folders_are_kept(head: Person, owner: Person, upload: Callable[..., Any]) -> None:
    template = "{sku}_{n}_{width}x{height}"
    answer = head.client.post("/team/result-names/", {"result_template": template}, follow=True).content.decode()
    assert f"Results are called {template} from now on." in answer
    assert "48220_1_3200x4000.png" in answer, "an example"
    orders = []
    for folder, sku, name in [("a", "1", "front.jpg"), ("A", "1", "front.jpg"), ("b/c", "2", "x.jpg")]:
        form = UpscaleForm({"model_name": "recraft"}, {"image": upload(name)}, team=owner.team)
        assert form.is_valid() and form.order is not None
        orders.append(replace(form.order, sku=sku, source_folder=folder))
    new = NewBatch("recraft", {}, name="Three: of them?")
    rows = submission.submit(orders, team=owner.team, user=owner.user, batch=new)
    batch = rows[0].batch
    assert batch is not None
    finished(batch)
    archive = opened(owner, batch)
    assert archive.namelist()[1:] == ["a/1_1_192x160.jpg", "a/1_2_192x160.jpg", "b/c/2_3_192x160.jpg"]
    download = owner.client.get(f"/upscales/{rows[2].pk}/download/")
    assert download["Content-Disposition"] == 'attachment; filename="2_3_192x160.jpg"'
    zipped = owner.client.get(f"/batches/{batch.pk}/results.zip")
    assert zipped["Content-Disposition"] == 'attachment; filename="Three_ of them_.zip"'
    body(zipped)


def test_numbers_in_names_are_those_of_single_downloads(owner: Person, order_batch: OrderBatch) -> None:
    owner.team.result_template = "{n}"
    owner.team.save()
    batch = order_batch(*(f"{number}.jpg" for number in range(1, 11)))
    rows = list(batch.upscales.order_by("pk"))
    claimed = lifecycle.claim(rows[1].pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="The engine was away.", code="engine_unavailable")
    finished(batch)
    again = reorder.retry(Upscale.objects.get(pk=rows[1].pk), user=owner.user).upscale
    worker_step.step(again.pk)
    removal.delete([rows[3].pk], membership=Membership.objects.get(user=owner.user))
    lines = table(opened(owner, batch))
    assert [line["file"] for line in lines] == [f"{n:02}.jpg" for n in (1, 2, 3, 5, 6, 7, 8, 9, 10)]
    for line in lines:
        download = owner.client.get(f"/upscales/{line['number']}/download/")
        assert download["Content-Disposition"] == f'attachment; filename="{line["file"]}"'


@pytest.mark.parametrize("template", ["", "same", "{sku", "{colour}", "a/{name}", "x" * 300])
def test_a_template_that_can_t_be_is_refused(head: Person, template: str) -> None:
    answer = head.client.post("/team/result-names/", {"result_template": template}, follow=True).content.decode()
    assert "Write a name with some of these words in it: {sku}" in answer or "the limit is 200" in answer
    head.team.refresh_from_db()
    assert head.team.result_template == "{name}"


def test_a_download_that_broke_off_goes_on(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch(*NAMES)
    finished(batch)
    address = f"/batches/{batch.pk}/results.zip"
    first = owner.client.get(address)
    whole = body(first)
    rest = owner.client.get(address, headers={"Range": "bytes=5000-", "If-Range": first["ETag"]})
    assert rest.status_code == 206 and rest["Content-Range"] == f"bytes 5000-{len(whole) - 1}/{len(whole)}"
    assert whole[:5000] + body(rest) == whole
    part = owner.client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, body(part), part["Content-Length"]) == (206, whole[10:20], "10")
    beyond = owner.client.get(address, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(whole)}")
    changed = owner.client.get(address, headers={"Range": "bytes=5000-", "If-Range": '"another"'})
    assert changed.status_code == 200 and body(changed) == whole
    assert AuditEvent.objects.filter(action="downloaded").count() == 2, "what goes on is no other download"
    head = owner.client.head(address)
    assert (head["Content-Length"], body(head)) == (str(len(whole)), b"")


def test_a_selection_is_one_zip_too(owner: Person, outsider: Person, done: Callable[..., Upscale]) -> None:
    first, second = done(name="a.jpg"), done(name="a.jpg")
    selected = {"act": "download", "chosen": [first.pk, second.pk, "x", 99999]}
    answer = owner.client.post("/history/selected/", selected)
    archive = zipfile.ZipFile(io.BytesIO(body(answer)))
    assert archive.namelist() == ["manifest.csv", "a.jpg", "a (2).jpg"]
    assert outsider.client.post("/history/selected/", selected).status_code == 302, "nothing of theirs is selected"


def test_a_batch_whose_pictures_were_all_deleted_has_no_zip(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg")
    finished(batch)
    removal.delete([row.pk for row in batch.upscales.all()], membership=Membership.objects.get(user=owner.user))
    assert owner.client.get(f"/batches/{batch.pk}/results.zip").status_code == 404
    assert owner.api("get", f"batches/{batch.pk}/results.zip").status_code == 404
    assert owner.client.get(f"/batches/{batch.pk}/").status_code == 200


def test_a_result_that_somebody_removed_is_left_out(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    first, _ = finished(batch)
    media_storage().delete(first.result_file.name or "")
    assert opened(owner, batch).namelist() == ["manifest.csv", "b.jpg"]


def test_programs_get_the_same_zip(owner: Person, outsider: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    finished(batch)
    answer = owner.api("get", f"batches/{batch.pk}/results.zip")
    assert answer["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(body(answer)))
    assert archive.namelist() == ["manifest.csv", "a.jpg", "b.jpg"]
    [event] = AuditEvent.objects.filter(action="downloaded")
    assert event.token is not None
    part = owner.api("get", f"batches/{batch.pk}/results.zip", Range="bytes=100-")
    assert part.status_code == 206
    assert outsider.api("get", f"batches/{batch.pk}/results.zip").status_code == 404


def test_of_a_batch_that_was_deleted_there_is_no_zip(owner: Person, order_batch: OrderBatch) -> None:
    batch = order_batch("a.jpg")
    [row] = finished(batch)
    place = Membership.objects.select_related("team", "user").get(user=owner.user)
    removal.delete([row.pk], membership=place)
    assert owner.client.get(f"/batches/{batch.pk}/results.zip").status_code == 404
    assert owner.api("get", f"batches/{batch.pk}/results.zip").status_code == 404
    assert owner.client.get(f"/batches/{batch.pk}/").status_code == 200
