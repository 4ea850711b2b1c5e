"""A disk that is full or can't be written: nobody is charged, nothing is lost, and it is said in plain words."""

from __future__ import annotations

import errno
import io
import itertools
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from PIL import Image

from tests.conftest import Person
from tests.storage.test_s3 import keeping_at
from tests.support import full_disk, pictures, webserver
from tests.support.draft_page import DraftPage, zipped
from tests.support.full_disk import SmallDisk
from upscaler import no_room
from upscaler.channels import work
from upscaler.engines import get_engine
from upscaler.engines.base import Order
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.models import Batch, ChannelFile, CreditEntry, FidelityCheck, Upscale
from upscaler.processing import fidelity_checks, lifecycle, worker_step
from upscaler.upscaling_models import MODELS

FULL = "The desk’s storage is full, so nothing can be stored now. Nothing was charged."
UNWRITABLE = "The desk’s storage can’t be written now. Nothing was charged."
SAID = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: UNWRITABLE, errno.EACCES: UNWRITABLE}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with full_disk.pictures_on_small_disk(tmp_path / "disk") as disk:
        yield disk


def upload(owner: Person) -> Any:
    headers = {"Authorization": f"Bearer {owner.token}"}
    return Client().post("/api/v1/uploads", {"file": SimpleUploadedFile("a.jpg", pictures.jpeg())}, headers=headers)


def kinds(upscale: Upscale) -> list[str]:
    return sorted(CreditEntry.objects.filter(upscale=upscale).values_list("kind", flat=True))


def step(upscale: Upscale) -> Upscale:
    """The next step, as if every pause were over."""
    Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    return upscale


@pytest.mark.parametrize("number", SAID)
def test_an_upload_is_refused_in_words(number: int, owner: Person) -> None:
    with full_disk.storage_says(number) as tried:
        page = owner.submit(image=SimpleUploadedFile("shirt.jpg", pictures.jpeg() + b"%d" % number))
        program = upload(owner)
    assert len(tried) == 2
    assert (page.status_code, SAID[number] in page.content.decode()) == (422, True)
    assert (program.status_code, program.headers["Retry-After"]) == (503, "60")
    assert program.json()["code"] == ("storage_full" if SAID[number] == FULL else "storage_unwritable")
    assert program.json()["detail"].startswith(SAID[number])
    assert (owner.balance, Upscale.objects.count()) == (100, 0)


def test_a_zip_that_can_t_be_made_is_no_500(
    owner: Person, order_batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = order_batch("front.jpg")
    step(Upscale.objects.get())

    def full(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("upscaler.batches.results_zip.tempfile.TemporaryDirectory", full)
    browser = Client(raise_request_exception=False)
    browser.cookies = owner.client.cookies
    page = browser.get(f"/batches/{batch.pk}/results.zip")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "60")
    assert FULL in page.content.decode()


def test_a_whole_day_of_a_full_disk(
    owner: Person, order: Callable[..., Upscale], disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    upscale = order()
    stored = disk.files()
    disk.fill()
    with caplog.at_level(logging.INFO):
        pauses = [worker_step.step(upscale.pk)]
        for _ in range(5):
            Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
            pauses.append(worker_step.step(upscale.pk))
        assert (upload(owner).status_code, upload(owner).status_code) == (503, 503)
        ready = Client().get("/readyz")
    assert [one.due_in for one in pauses if one] == [15, 30, 60, 120, 240, 480]
    assert (ready.status_code, ready.json()["media"]) == (
        503,
        "the picture storage or the temporary folder is full: make room, or have old upscales deleted",
    )
    upscale.refresh_from_db()
    assert (upscale.status, upscale.progress_text) == ("Ongoing", "Waiting: the desk’s storage is full")
    assert "Waiting: the desk’s storage is full" in owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    assert disk.files() == stored
    # One line for whoever runs the desk, and no traceback.
    own = [record for record in caplog.records if record.name != "django.request"]
    assert len([record for record in own if record.levelno >= logging.ERROR]) == 1
    assert "No space left on device" in caplog.text
    assert "Traceback" not in caplog.text

    disk.make_room()
    step(upscale)
    assert (upscale.status, upscale.error_code, upscale.failures) == ("Done", "", 6)
    with Image.open(upscale.result_file) as result:
        result.load()
    assert (kinds(upscale), owner.balance) == (["charge"], 99)
    assert not [name for name in disk.files() if name.endswith(".part")]


def test_storage_that_stays_read_only_ends_it_with_a_refund(
    owner: Person, order: Callable[..., Upscale], disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "TRIES_FOR_ROOM", 6)
    upscale = order()
    disk.make_read_only(True)
    for _ in range(5):
        assert step(upscale).status == "Ongoing"
    assert upscale.progress_text == "Waiting: the desk’s storage can’t be written"
    assert step(upscale).status == "Error"
    assert (upscale.error_code, kinds(upscale), owner.balance) == ("storage_unwritable", ["charge", "refund"], 100)
    assert "could not be written for hours" in upscale.error_message and "went back" in upscale.error_message


def test_all_tries_take_hours(order: Callable[..., Upscale]) -> None:
    upscale, waited = order(), 0.0
    with full_disk.storage_says(errno.ENOSPC):
        while not step(upscale).is_final:
            assert upscale.not_before is not None
            waited += (upscale.not_before - upscale.updated_at).total_seconds()
    assert upscale.error_code == "storage_full"
    assert 4.5 * 3600 < waited < 6 * 3600


def test_a_fetch_waits_and_goes_on(owner: Person, disk: SmallDisk, settings: Any) -> None:
    with webserver.serving({"/shirt.jpg": webserver.body(pictures.jpeg())}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        body = {"image_url": f"http://{host}/shirt.jpg", "model_name": "recraft"}
        assert owner.api("post", "generation-upscale", body).status_code == 200
        upscale = Upscale.objects.get()
        disk.fill()
        step(upscale)
        assert (upscale.progress_text, upscale.source_file.name) == ("Waiting: the desk’s storage is full", "")
        disk.make_room()
        step(upscale)
        # It got on: what it waited for is no failure of it any more.
        assert (upscale.error_code, upscale.failures) == ("", 0)
        assert step(upscale).status == "Done"
    assert kinds(upscale) == ["charge"]


def test_nothing_is_enlarged_while_there_is_no_room_for_it(
    order: Callable[..., Upscale], disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = order(), order()
    disk.fill()
    step(first)
    begun: list[int] = []
    monkeypatch.setattr(worker_step, "_work", lambda upscale, *_: begun.append(upscale.pk))
    assert step(second).progress_text == "Waiting: the desk’s storage is full"
    assert step(first).failures == 2
    assert begun == []


@pytest.mark.parametrize("is_first", [True, False], ids=["of a new process", "of one that has worked"])
def test_a_full_temporary_folder(
    is_first: bool, order: Callable[..., Upscale], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    with full_disk.small_disk(tmp_path / "temporary") as disk:
        disk.fill()
        if is_first:
            monkeypatch.setattr(tempfile, "tempdir", None)
            monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(disk.folder)])
        else:
            monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
        step(upscale)
        assert upscale.progress_text.startswith("Waiting: the desk’s storage")
        assert Client().get("/readyz").status_code == 503
        disk.make_room()
        assert step(upscale).status == "Done"
        assert disk.files() == []
    assert kinds(upscale) == ["charge"]


def test_other_failures_count_on_so_that_there_is_an_end(
    order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    with full_disk.storage_says(errno.ENOSPC):
        for _ in range(8):
            step(upscale)
    monkeypatch.setattr(worker_step, "_keep", lambda *_: 1 / 0)
    assert (step(upscale).status, upscale.failures) == ("Ongoing", 9)


def test_what_the_sandbox_writes_is_not_called_damaged(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    noise = Image.effect_noise((1200, 1200), 90)
    noise.save(source)
    with full_disk.small_disk(tmp_path / "disk") as disk:
        disk.fill()
        with pytest.raises(PublicError) as refused:
            intake.recode(source, disk.folder / "target", "JPEG")
    assert (refused.value.code, refused.value.permanent) == ("storage_full", False)


@pytest.mark.engine
def test_the_engine_s_child_says_why_it_could_not_go_on(order: Callable[..., Upscale], tmp_path: Path) -> None:
    source = tmp_path / "source.jpg"
    source.write_bytes(pictures.jpeg((300, 300)))
    with full_disk.small_disk(tmp_path / "disk") as disk:
        disk.fill()
        settings = MODELS["recraft"].defaults
        with pytest.raises(PublicError) as refused:
            get_engine("local").advance(Order(1, "recraft", settings, source, disk.folder / "work"), lambda *_: None)
    assert (refused.value.code, refused.value.permanent) == ("storage_full", False)


def test_a_channel_file_waits_without_an_attempt(
    owner: Person, done: Callable[..., Upscale], order_batch: Callable[..., Batch]
) -> None:
    batch = order_batch("front.jpg")
    step(Upscale.objects.get())
    Batch.objects.filter(pk=batch.pk).update(channels=["etsy"])
    with full_disk.storage_says(errno.ENOSPC, lambda name: "/channels/" in name):
        for _ in range(5):
            ChannelFile.objects.update(lease_until=None)
            work.make_due(batch.pk, most=5)
    row = ChannelFile.objects.get()
    assert (row.attempts, row.problems, row.file) == (0, [], "")
    ChannelFile.objects.update(lease_until=None)
    work.make_due(batch.pk, most=5)
    assert ChannelFile.objects.get().file


@contextmanager
def refusing_bucket(status: int, code: str) -> Iterator[None]:
    """The pictures are kept in a bucket that takes none, and says so."""
    said = f"<Error><Code>{code}</Code><Message>Storage backend has reached its minimum</Message></Error>".encode()

    def refuse(handler: Any) -> webserver.Answer:
        if handler.command == "HEAD":
            return webserver.body(b"", 404)
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        return webserver.body(said, status, Content_Type="application/xml")

    with webserver.serving(refuse) as host, keeping_at(f"s3+http://KEY:SECRET@{host}/pictures/desk"):
        yield


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (507, "XMinioStorageFull", True),
        (507, "SomethingElse", True),
        (400, "QuotaExceeded", True),
        (403, "AccessDenied", False),
    ],
)
def test_a_bucket_without_room(status: int, code: str, expected: bool, owner: Person) -> None:
    with refusing_bucket(status, code):
        told = upload(owner)
    assert told.status_code == 503
    assert (told.json().get("code") == "storage_full") == expected


def test_the_words_of_databases_and_libraries() -> None:
    assert no_room.code_of(OperationalError("database or disk is full")) == "storage_full"
    assert no_room.code_of(OperationalError("could not extend file: No space left on device")) == "storage_full"
    assert no_room.code_of(OperationalError("database is locked")) is None
    assert no_room.code_of(io.UnsupportedOperation("read")) is None


@pytest.mark.django_db(transaction=True)
def test_a_zip_that_is_read_on_says_in_the_draft_where_it_stopped(owner: Person) -> None:
    form = DraftPage(owner)
    names = [f"{number:02}.jpg" for number in range(12)]
    content = {name: pictures.jpeg() + name.encode() for name in names}
    stored: list[str] = []

    def is_the_tenth(name: str) -> bool:
        if "/sources/" in name:
            stored.append(name)
        return len(stored) >= 10

    with full_disk.storage_says(errno.ENOSPC, is_the_tenth):
        form.add(zipped(content), key="z")
    draft = form.get()
    assert [item["state"] for item in draft["items"]] == ["ready"] * 9
    [stopped] = draft["left_out"]
    assert stopped["message"].startswith(FULL)
    assert "choose this ZIP again" in stopped["message"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_one_file_that_can_t_be_read_is_no_storage_that_can_t_be_written(
    number: int, owner: Person, order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()

    def broken(*args: Any) -> None:
        raise OSError(number, "of this file alone")

    monkeypatch.setattr(worker_step, "_work", broken)
    for _ in range(4):
        step(upscale)
    assert (upscale.status, kinds(upscale), owner.balance) == ("Error", ["charge", "refund"], 100)


def test_a_check_of_a_file_that_can_t_be_read_has_an_end(
    done: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    check, _ = FidelityCheck.objects.get_or_create(upscale=done())

    def broken(*args: Any) -> None:
        raise OSError(errno.EIO, "of this file alone")

    monkeypatch.setattr(fidelity_checks, "_download", broken)
    for hour in range(6):
        with time_machine.travel(timezone.now() + timedelta(hours=hour)):
            fidelity_checks.step(may_wait=False)
    check.refresh_from_db()
    assert check.checked_at is not None and check.problem


def test_two_kinds_of_failure_that_take_turns_have_an_end(
    owner: Person, order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale, troubles = order(), itertools.cycle([OSError(errno.ENOSPC, "full"), OSError("the storage is away")])

    def broken(*args: Any) -> None:
        raise next(troubles)

    monkeypatch.setattr(worker_step, "_work", broken)
    for _ in range(lifecycle.TRIES_FOR_ROOM):
        step(upscale)
    assert (upscale.status, kinds(upscale), owner.balance) == ("Error", ["charge", "refund"], 100)


def test_what_kills_its_workers_after_a_full_disk_is_given_up_as_soon_as_ever(
    order: Callable[..., Upscale], settings: Any
) -> None:
    upscale = order()
    Upscale.objects.filter(pk=upscale.pk).update(error_code="storage_full", failures=30, status="Ongoing")
    deaths = 0
    for hour in range(50):
        with time_machine.travel(timezone.now() + timedelta(hours=hour)):
            deaths += lifecycle.claim(upscale.pk) is not None
    upscale.refresh_from_db()
    assert (deaths, upscale.status) == (settings.MAX_FAILURES, "Error")


def test_after_an_order_was_taken_nobody_reads_that_nothing_was_charged(
    owner: Person, order: Callable[..., Upscale], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSION_IDLE_MINUTES = 30
    upscale = order()
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It failed.", code="x")

    def full(*args: Any, **options: Any) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(SessionStore, "save", full)
    browser = Client(raise_request_exception=False)
    browser.cookies = owner.client.cookies
    page = browser.post(f"/upscales/{upscale.pk}/retry/").content.decode()
    assert Upscale.objects.count() == 2
    assert "Nothing was charged" not in page and "look in the history before you send it again" in page
