"""A bucket that is cut off, silent, busy or breaks off: nobody is charged, what is under way waits, nothing is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from tests.storage.test_no_room import kinds, refusing_bucket, step, upload
from tests.storage.test_s3 import bucket as bucket
from tests.storage.test_s3 import content_of, keeping_at, keys
from tests.storage.test_s3 import server as server
from tests.support import pictures, stored_files, webserver
from tests.support.bucket_line import TROUBLES, BucketLine, Trouble, to_bucket
from tests.support.vendor import SUBMIT, Vendor
from upscaler import no_room
from upscaler.channels import work
from upscaler.models import AuditEvent, Batch, ChannelFile, FidelityCheck, Upscale, media_storage
from upscaler.processing import fidelity_checks, lifecycle, worker_step
from upscaler.storage import cleanup, room, s3

AWAY = "The desk’s storage does not answer now. Nothing was charged."
WAITING = "Waiting: the desk’s storage does not answer"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # The bucket's server is in this process too, and must not be taken for silent on a busy machine.
    monkeypatch.setattr(s3, "READ_TIMEOUT", 1.0)
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    monkeypatch.setattr(s3, "REST", 0.0)
    monkeypatch.setattr(s3, "_silent_at", None)


@pytest.fixture
def line(server: str, bucket: Any) -> Iterator[BucketLine]:
    """What the desk reaches its bucket by."""
    with to_bucket(server) as line, keeping_at(f"s3+http://KEY:SECRET@127.0.0.1:{line.port}/pictures/desk"):
        yield line


@pytest.fixture
def reader(owner: Person) -> Client:
    """The owner's browser, which reads what a visitor would where something breaks."""
    reader = Client(raise_request_exception=False)
    reader.cookies = owner.client.cookies
    return reader


def step_that_loses_the_line(upscale: Upscale, line: BucketLine, trouble: Trouble) -> None:
    """The next step, in which this befalls the line once the picture is enlarged."""
    keep = worker_step._keep

    def keep_without_a_line(*args: Any) -> None:
        line.fail(trouble)
        keep(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_step, "_keep", keep_without_a_line)
        step(upscale)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_order_is_refused_in_words(trouble: Trouble, line: BucketLine, owner: Person, bucket: Any) -> None:
    line.fail(trouble)
    page = owner.submit(image=SimpleUploadedFile("shirt.jpg", pictures.jpeg()))
    program = upload(owner)
    assert (page.status_code, AWAY in page.content.decode()) == (422, True)
    assert (program.status_code, program.headers["Retry-After"], program.json()["code"]) == (503, "60", "storage_away")
    assert program.json()["detail"].startswith(AWAY)
    ready = Client().get("/readyz")
    said = "the picture storage does not answer: look at its server, and at the line to it"
    assert (ready.status_code, ready.json()["media"]) == (503, said)
    assert (owner.balance, Upscale.objects.count()) == (100, 0)
    line.mend()
    assert owner.submit(image=SimpleUploadedFile("shirt.jpg", pictures.jpeg())).status_code == 302
    assert owner.balance == 99
    assert Client().get("/readyz").json()["media"] == "ok"


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_picture_waits_and_goes_on(
    trouble: Trouble, line: BucketLine, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    upscale = order()
    line.fail(trouble)
    # More often than anything else is tried.
    for _ in range(6):
        step(upscale)
    assert (upscale.status, upscale.progress_text) == ("Ongoing", WAITING)
    assert WAITING in owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    own = [record for record in caplog.records if record.name != "django.request"]
    assert len([record for record in own if record.levelno >= logging.ERROR]) == 1
    line.mend()
    assert step(upscale).status == "Done"
    assert (kinds(upscale), owner.balance, stored_files.missing(upscale)) == (["charge"], 99, [])


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_result_that_can_t_be_stored_is_made_again(
    trouble: Trouble, line: BucketLine, owner: Person, order: Callable[..., Upscale]
) -> None:
    upscale = order()
    step_that_loses_the_line(upscale, line, trouble)
    assert (upscale.progress_text, upscale.result_file.name) == (WAITING, "")
    line.mend()
    assert step(upscale).status == "Done"
    assert (kinds(upscale), owner.balance, stored_files.missing(upscale)) == (["charge"], 99, [])
    stored_files.prove_only_named_ones_stay()


def test_a_bucket_that_goes_between_two_files_leaves_nothing_for_good(
    line: BucketLine, bucket: Any, owner: Person, order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale, save = order(), s3.S3Storage._save

    def save_until_the_previews(self: Any, name: str, content: Any) -> str:
        if "previews/" in name:
            line.fail("cut off")
        return save(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(s3.S3Storage, "_save", save_until_the_previews)
        step(upscale)
    line.mend()
    left = keys(bucket)
    assert {key.split("/")[1] for key in left} == {"sources", "thumbnails", "results"}
    assert step(upscale).status == "Done"
    assert cleanup.remove_orphans(timezone.now() + timedelta(hours=49)) == 2
    assert stored_files.missing(upscale) == []


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_fetched_picture_waits_and_is_fetched_again(
    trouble: Trouble, line: BucketLine, owner: Person, settings: Any
) -> None:
    with webserver.serving({"/shirt.jpg": webserver.body(pictures.jpeg())}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        body = {"image_url": f"http://{host}/shirt.jpg", "model_name": "recraft"}
        line.fail(trouble)
        # An address needs no storage before it is fetched.
        assert owner.api("post", "generation-upscale", body).status_code == 200
        upscale = step(Upscale.objects.get())
        assert (upscale.progress_text, upscale.source_file.name) == (WAITING, "")
        line.mend()
        assert (step(upscale).error_code, upscale.failures) == ("", 0)
        assert step(upscale).status == "Done"
    assert (kinds(upscale), stored_files.missing(upscale)) == (["charge"], [])


def test_a_bucket_that_is_back_just_then_is_no_failure_of_a_picture_s(
    line: BucketLine, order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale, probe = order(), room.probe

    def too_early() -> None:
        try:
            probe()
        finally:
            line.mend()

    with monkeypatch.context() as patch:
        patch.setattr(room, "probe", too_early)
        for _ in range(6):
            room.note_trouble()
            line.fail("cut off")
            step(upscale)
    assert (upscale.status, upscale.progress_text) == ("Ongoing", WAITING)
    assert step(upscale).status == "Done"


def test_after_hours_it_ends_with_a_refund(
    line: BucketLine, owner: Person, order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "TRIES_FOR_ROOM", 6)
    upscale = order()
    line.fail("cut off")
    for _ in range(5):
        assert step(upscale).status == "Ongoing"
    assert step(upscale).status == "Error"
    assert (upscale.error_code, kinds(upscale), owner.balance) == ("storage_away", ["charge", "refund"], 100)
    assert "did not answer for hours" in upscale.error_message and "went back" in upscale.error_message


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_download_says_that_the_storage_is_away(
    trouble: Trouble, line: BucketLine, owner: Person, reader: Client, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    [result] = owner.api("get", f"generation/{upscale.pk}").json()["generation_results"]
    link = urlsplit(result["image_url"]).path
    addresses = [f"/upscales/{upscale.pk}/{kind}/" for kind in ("download", "source", "thumbnail", "after")]
    line.fail(trouble)
    for address in (*addresses, link):
        answer = reader.get(address)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "The desk’s storage did not answer" in answer.content.decode()
    tiles = reader.get(f"/upscales/{upscale.pk}/tiles/after/")
    assert (tiles.status_code, tiles.json()["detail"].startswith(AWAY)) == (503, True)
    # Its page is there all the same, and nobody is noted to have taken away what nobody got.
    assert reader.get(f"/upscales/{upscale.pk}/").status_code == 200
    assert not AuditEvent.objects.filter(action=AuditEvent.Action.DOWNLOADED).exists()
    line.mend()
    assert len(content_of(reader.get(addresses[0]))) == upscale.result_bytes


def test_a_page_of_pictures_leaves_one_line_in_the_log(
    line: BucketLine, reader: Client, done: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    upscale = done()
    line.fail("cut off")
    caplog.clear()
    for _ in range(5):
        assert reader.get(f"/upscales/{upscale.pk}/thumbnail/").status_code == 503
    assert [record.name for record in caplog.records if record.name != "django.request"] == ["upscaler.no_room"]
    assert "Traceback" not in caplog.text


def test_files_for_shops_and_checks_wait_without_an_attempt(
    line: BucketLine, owner: Person, order_batch: Callable[..., Batch]
) -> None:
    batch = order_batch("front.jpg")
    upscale = step(Upscale.objects.get())
    check, _ = FidelityCheck.objects.get_or_create(upscale=upscale)
    Batch.objects.filter(pk=batch.pk).update(channels=["etsy"])
    line.fail("cut off")
    for _ in range(5):
        ChannelFile.objects.update(lease_until=None)
        FidelityCheck.objects.update(lease_until=None)
        work.make_due(batch.pk, most=5)
        fidelity_checks.step(may_wait=False)
    check.refresh_from_db()
    assert (check.attempts, check.checked_at) == (0, None)
    row = ChannelFile.objects.get()
    assert (row.attempts, row.problems, row.file) == (0, [], "")
    line.mend()
    ChannelFile.objects.update(lease_until=None)
    FidelityCheck.objects.update(lease_until=None)
    work.make_due(batch.pk, most=5)
    assert ChannelFile.objects.get().file


def test_while_it_is_silent_one_at_a_time_waits_for_it(line: BucketLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each thread of the web server would wait for a picture, and no page would be answered."""
    media_storage().save("probes/one", ContentFile(b"1"))
    line.fail("silent")
    with pytest.raises(no_room.StorageAway):
        media_storage().exists("probes/one")
    entered, leave = threading.Event(), threading.Event()
    ask = s3.s3.S3Storage.exists

    def held(*args: Any) -> bool:
        entered.set()
        leave.wait(30)
        return ask(*args)

    monkeypatch.setattr(s3.s3.S3Storage, "exists", held)
    first = threading.Thread(target=lambda: media_storage().exists("probes/one"))
    line.mend()
    first.start()
    try:
        assert entered.wait(30)
        with pytest.raises(no_room.StorageAway, match="is being asked again"):
            media_storage().exists("probes/one")
    finally:
        leave.set()
        first.join()
    # That one was answered, so all may ask.
    assert media_storage().exists("probes/one")


def test_one_that_falls_silent_in_the_middle_of_a_picture_is_left_alone_for_a_while(
    line: BucketLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    media_storage().save("probes/one", ContentFile(bytes(10_000)))
    monkeypatch.setattr(s3, "REST", 600.0)
    line.fail("half-silent")
    with pytest.raises(no_room.StorageAway):
        media_storage().open("probes/one")
    line.mend()
    with pytest.raises(no_room.StorageAway, match="is being asked again"):
        media_storage().exists("probes/one")
    monkeypatch.setattr(s3, "REST", 0.0)
    assert media_storage().open("probes/one").read() == bytes(10_000)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "NoSuchUpload", no_room.AWAY),
        (500, "InternalError", no_room.AWAY),
        (503, "SlowDown", no_room.AWAY),
        (429, "TooManyRequests", no_room.AWAY),
        (400, "RequestTimeout", no_room.AWAY),
        (403, "InvalidAccessKeyId", no_room.UNWRITABLE),
        (404, "NoSuchBucket", no_room.UNWRITABLE),
        (400, "InvalidRequest", None),
    ],
)
def test_what_a_server_says(status: int, code: str, expected: str | None) -> None:
    with refusing_bucket(status, code), pytest.raises(OSError, match="picture storage failed") as refused:
        media_storage().save("probes/one", ContentFile(b"1"))
    assert no_room.code_of(refused.value) == expected


@pytest.mark.parametrize("trouble", ["cut off", "silent"])
def test_a_result_of_the_vendor_s_is_fetched_later_and_ordered_once(
    trouble: Trouble, line: BucketLine, vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    upscale = order()
    step_that_loses_the_line(upscale, line, trouble)
    for _ in range(6):
        step(upscale)
    assert (upscale.status, upscale.progress_text) == ("Ongoing", WAITING)
    line.mend()
    assert step(upscale).status == "Done"
    assert vendor.calls(SUBMIT) == 1
    assert (kinds(upscale), owner.balance, stored_files.missing(upscale)) == (["charge"], 99, [])


def test_a_zip_is_refused_before_it_begins(line: BucketLine, reader: Client, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("front.jpg")
    step(Upscale.objects.get())
    line.fail("cut off")
    page = reader.get(f"/batches/{batch.pk}/results.zip")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "60")
    assert AWAY in page.content.decode()


def test_the_clean_up_gives_up_until_the_next_turn(
    line: BucketLine, bucket: Any, done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would wait for each file of each upscale, and no lost work would be found meanwhile."""
    for _ in range(3):
        done()
    Upscale.objects.update(deleted_at=timezone.now())
    line.fail("cut off")
    tried: list[str] = []
    delete = s3.S3Storage.delete

    def noted(self: Any, name: str) -> None:
        tried.append(name)
        delete(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(s3.S3Storage, "delete", noted)
        assert cleanup.remove_deleted() == 0
    assert len(tried) == 1
    line.mend()
    assert cleanup.remove_deleted() == 3
    assert keys(bucket) == set()


def test_a_file_that_went_meanwhile_is_not_there(line: BucketLine) -> None:
    storage = media_storage()
    for ask in (storage.size, storage.get_modified_time, storage.open):
        with pytest.raises(FileNotFoundError):
            ask("sources/gone.jpg")
    line.fail("cut off")
    for ask in (storage.size, storage.get_modified_time, storage.open):
        with pytest.raises(no_room.StorageAway):
            ask("sources/gone.jpg")
