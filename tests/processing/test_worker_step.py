"""The worker's step: claims, leases, retries, refunds, and the sweep that finds what was lost."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from PIL import Image

from tests.conftest import Person
from tests.support import pictures
from tests.support.concurrency import at_once
from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, Finished, Order, Pending, Timing, Timings
from upscaler.engines.local.engine import LocalEngine
from upscaler.models import Upscale
from upscaler.processing import lifecycle, network_speeds, worker_step
from upscaler.queue import tasks


def messages() -> list[tuple[str, bool]]:
    """The wake-ups on the queue: each one's queue, and whether it comes later."""
    rows = DBTaskResult.objects.filter(task_path=tasks.work.module_path, status="READY").order_by("enqueued_at")
    return [(row.queue_name, row.run_after is not None and row.run_after.year < 9999) for row in rows]


@pytest.fixture
def engine() -> Any:
    """The one local engine of this process, for tests that make a method of it go wrong."""
    return get_engine("local")


def step(upscale: Upscale) -> None:
    """The next step at once, as if its pause were over."""
    Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
    tasks.work.call("cpu")


@pytest.mark.engine
def test_a_machine_that_is_known_to_be_slow_gets_the_time_that_it_takes(
    order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = LocalEngine(time_limit=0.01)
    monkeypatch.setattr(worker_step, "get_engine", lambda name: slow)
    upscale = order(content=pictures.encoded(pictures.photograph(size=(64, 48)), "PNG"), name="a.png")
    # Which network it is follows from the picture; that it takes minutes here changes only how long it is waited for.
    measured = [Timing("dat-light-x4", 1, 600)]
    network_speeds.note(Timings("f32", 1, measured, slow.processor))
    try:
        step(upscale)
    finally:
        slow.close()
    upscale.refresh_from_db()
    assert (upscale.status, upscale.provenance["networks"]) == ("Done", ["dat-light-x4"])
    # But none so much that RabbitMQ would give the message to another worker.
    assert slow._allowed(1e6) == 1700


@pytest.mark.engine
@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"model_name": "recraft"}, (192, 160)),
        ({"model_name": "topaz", "upscale_factor": "2x"}, (96, 80)),
        ({"model_name": "topaz", "upscale_factor": "4x", "enhance_model": "Standard V2"}, (192, 160)),
        ({"model_name": "topaz", "upscale_factor": "6x", "enhance_model": "Low Resolution V2"}, (288, 240)),
    ],
)
def test_a_picture_is_enlarged(settings: dict[str, Any], size: tuple[int, int], done: Callable[..., Upscale]) -> None:
    upscale = done(**settings)
    with Image.open(upscale.result_file) as result:
        assert (result.format, result.size) == ("JPEG", size)
    assert (upscale.result_width, upscale.result_height) == size
    assert upscale.result_id == upscale.pk
    assert upscale.provenance["networks"]
    assert upscale.progress == 1.0
    assert upscale.result_file.size == upscale.result_bytes
    for picture in (upscale.result_thumbnail, upscale.before_preview, upscale.after_preview):
        with Image.open(picture) as opened:
            opened.load()


@pytest.mark.engine
def test_transparency_is_kept(done: Callable[..., Upscale]) -> None:
    upscale = done(name="mug.png", content=pictures.cut_out())
    with Image.open(upscale.result_file) as result:
        assert (result.format, result.mode, result.size) == ("PNG", "RGBA", (192, 192))
        assert result.getpixel((0, 0))[3] == 0
        assert result.getpixel((96, 96))[3] == 255
    assert upscale.result_name == "mug.png"


@pytest.mark.engine
def test_a_picture_taken_sideways_comes_out_upright(done: Callable[..., Upscale]) -> None:
    sideways = pictures.photograph("coffee", (60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    upscale = done(content=pictures.encoded(sideways, "JPEG", exif=exif))
    assert (upscale.source_width, upscale.source_height) == (40, 60)
    with Image.open(upscale.result_file) as result:
        assert result.size == (160, 240)
        assert result.getexif().get(0x0112, 1) == 1


@pytest.mark.engine
def test_an_earlier_result_is_the_source_of_the_next(owner: Person, done: Callable[..., Upscale]) -> None:
    first = done()
    answer = owner.submit(generation_result_id=str(first.result_id), model_name="topaz", upscale_factor="2x")
    assert answer.status_code == 302
    second = Upscale.objects.exclude(pk=first.pk).get()
    tasks.work.call("cpu")
    second.refresh_from_db()
    assert (second.source, second.source_result, second.result_width) == ("result", first, 384)


@pytest.mark.engine
def test_progress_is_written_while_the_work_goes_on(
    order: Callable[..., Upscale], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_step, "REPORT_INTERVAL", 0.0)
    written: list[float] = []
    progress = lifecycle.progress

    def noted(upscale: Upscale, fraction: float, text: str) -> None:
        progress(upscale, fraction, text)
        written.append(Upscale.objects.get(pk=upscale.pk).progress)

    monkeypatch.setattr(lifecycle, "progress", noted)
    order(content=pictures.jpeg((300, 300)))
    tasks.work.call("cpu")
    assert len(written) >= 3
    assert written == sorted(written)
    # Looking at the picture comes first, and takes no share of it.
    assert written[0] < 1 and written[-1] > 0


def test_the_work_stops_when_its_claim_is_lost(
    order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()

    def taken_over(order: Order, report: Any) -> Any:
        Upscale.objects.filter(pk=upscale.pk).update(attempt=99)
        report(0.5, "half")
        raise AssertionError("the report did not stop the work")

    monkeypatch.setattr(engine, "advance", taken_over)
    tasks.work.call("cpu")
    upscale.refresh_from_db()
    assert (upscale.attempt, upscale.status) == (99, "Ongoing")


def test_a_passing_failure_is_tried_again_later(owner: Person, order: Callable[..., Upscale], engine: Any) -> None:
    upscale = order()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "advance", raising(EngineError("Busy.", code="busy", permanent=False)))
        tasks.work.call("cpu")
    upscale.refresh_from_db()
    assert (upscale.status, upscale.failures, upscale.lease_until) == ("Ongoing", 1, None)
    assert messages()[-1] == ("cpu", True)
    assert owner.balance == 99
    step(upscale)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.attempt) == ("Done", 2)


def test_a_message_too_many_does_not_cut_a_pause_short(
    order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    monkeypatch.setattr(engine, "advance", raising(EngineError("Busy.", code="busy", permanent=False)))
    for _ in range(4):
        tasks.work.call("cpu")
    upscale.refresh_from_db()
    assert (upscale.status, upscale.attempt, upscale.failures) == ("Ongoing", 1, 1)
    assert len(messages()) == 1


def test_a_failure_that_does_not_pass_ends_in_error(
    owner: Person, order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    monkeypatch.setattr(engine, "advance", raising(EngineError("Busy.", code="busy", permanent=False)))
    with override_settings(MAX_FAILURES=3):
        for _ in range(5):
            step(upscale)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_message, upscale.attempt) == ("Error", "Busy.", 3)
    assert owner.balance == 100


def test_a_permanent_failure_ends_at_once(
    owner: Person, order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    monkeypatch.setattr(engine, "advance", raising(EngineError("Never.", code="never", permanent=True)))
    tasks.work.call("cpu")
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_code, upscale.attempt) == ("Error", "never", 1)
    assert owner.balance == 100


def test_a_fault_of_our_own_is_not_shown_in_its_words(
    owner: Person, order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()
    monkeypatch.setattr(engine, "advance", raising(ZeroDivisionError("/secret/path")))
    with override_settings(MAX_FAILURES=2):
        step(upscale)
        step(upscale)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_code) == ("Error", "internal")
    assert "secret" not in upscale.error_message
    assert owner.balance == 100


def test_a_result_stays_done_where_its_time_cannot_be_noted(
    order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upscale = order(content=pictures.jpeg((10, 10)))

    def made(order: Order, report: Any) -> Finished:
        path = order.work_dir / "result.jpg"
        path.write_bytes(pictures.jpeg((40, 40)))
        wrong: Any = None
        return Finished(path, "JPEG", 40, 40, timings=Timings("f32", 1, [Timing("a", wrong, 1)]))

    monkeypatch.setattr(engine, "advance", made)
    monkeypatch.setattr(engine, "steps", raising(ZeroDivisionError("a fault of the plan")))
    tasks.work.call("cpu")
    upscale.refresh_from_db()
    assert (upscale.status, upscale.attempt) == ("Done", 1)
    assert "how long it may take could not be told" in caplog.text
    assert "how long it took could not be noted" in caplog.text
    assert "attempt 1 broke" not in caplog.text


def test_an_engine_that_takes_its_time_is_asked_again(
    owner: Person, order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an engine elsewhere does: an id at the start, then "not yet", then the picture."""
    upscale = order()
    started: list[int] = []

    def start(order: Order) -> str:
        started.append(order.upscale_id)
        return "job-7"

    def still_at_it(order: Order, report: Any) -> Pending:
        assert Upscale.objects.get(pk=upscale.pk).engine_id == order.engine_id == "job-7"
        return Pending(retry_after=9, progress=0.4)

    advance = engine.advance
    monkeypatch.setattr(engine, "start", start)
    monkeypatch.setattr(engine, "advance", still_at_it)
    for _ in range(6):
        step(upscale)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.progress, upscale.failures, upscale.lease_until) == ("Ongoing", 0.4, 0, None)
    assert messages()[-1] == ("cpu", True)
    assert upscale.not_before > timezone.now() + timedelta(seconds=8)
    monkeypatch.setattr(engine, "advance", advance)
    step(upscale)
    upscale.refresh_from_db()
    assert (upscale.status, started) == ("Done", [upscale.pk])


def test_a_result_that_is_no_picture_is_not_called_done(
    owner: Person, order: Callable[..., Upscale], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale = order()

    def nonsense(order: Order, report: Any) -> Finished:
        path = order.work_dir / "result.jpg"
        path.write_bytes(b"no picture")
        return Finished(path=path, format="JPEG", width=1, height=1)

    monkeypatch.setattr(engine, "advance", nonsense)
    with override_settings(MAX_FAILURES=2):
        step(upscale)
        upscale.refresh_from_db()
        assert upscale.status == "Ongoing"
        step(upscale)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_code) == ("Error", "result_not_a_picture")
    assert "came out damaged" in upscale.error_message
    assert owner.balance == 100


def test_a_submit_puts_one_message_on_the_right_queue(
    owner: Person, order: Callable[..., Upscale], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        order()
        assert messages() == []
    assert messages() == [("cpu", False)]
    with django_capture_on_commit_callbacks(execute=True):
        owner.api("post", "generation-upscale", {"image_url": "https://shop.example/a.jpg", "model_name": "recraft"})
    assert messages() == [("cpu", False), ("io", False)]


def test_trying_again_is_a_new_upscale_of_the_same_source(
    owner: Person, order: Callable[..., Upscale], engine: Any
) -> None:
    failed = order(model_name="topaz", upscale_factor="2x")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "advance", raising(EngineError("Never.", code="never", permanent=True)))
        tasks.work.call("cpu")
    answer = owner.client.post(f"/upscales/{failed.pk}/retry/")
    again = Upscale.objects.latest("pk")
    assert answer["Location"] == again.get_absolute_url()
    assert again.retry_of == failed
    assert (again.settings, again.source_file, again.credits) == (failed.settings, failed.source_file, 3)
    tasks.work.call("cpu")
    again.refresh_from_db()
    assert (again.status, again.result_width) == ("Done", 96)
    assert owner.balance == 97
    assert owner.client.post(f"/upscales/{again.pk}/retry/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_many_clicks_on_try_again_at_once_make_one_upscale(owner: Person, order: Callable[..., Upscale]) -> None:
    failed = lifecycle.claim(order().pk)
    assert failed is not None
    lifecycle.fail(failed, message="It did not work.", code="test")
    answers = at_once(6, lambda: owner.client.post(f"/upscales/{failed.pk}/retry/")["Location"])
    assert len(set(answers)) == 1
    assert owner.balance == 99


def test_trying_again_twice_makes_one_upscale(owner: Person, order: Callable[..., Upscale]) -> None:
    failed = lifecycle.claim(order().pk)
    assert failed is not None
    lifecycle.fail(failed, message="It did not work.", code="test")
    first = owner.client.post(f"/upscales/{failed.pk}/retry/")
    second = owner.client.post(f"/upscales/{failed.pk}/retry/")
    assert first["Location"] == second["Location"]
    assert owner.balance == 99
    for page in ("/history/", f"/upscales/{failed.pk}/"):
        assert "See the second try" in owner.client.get(page).content.decode()
    again = lifecycle.claim(Upscale.objects.latest("pk").pk)
    assert again is not None
    lifecycle.fail(again, message="Not this time either.", code="test")
    assert owner.client.post(f"/upscales/{failed.pk}/retry/")["Location"] != first["Location"]


def test_the_thumbnail_of_a_waiting_picture_is_its_source(order: Callable[..., Upscale]) -> None:
    upscale = order(content=pictures.jpeg((900, 300)))
    with upscale.thumbnail.open() as file:
        assert Image.open(io.BytesIO(file.read())).size == (640, 213)


def raising(error: Exception) -> Callable[..., Any]:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise error

    return broken
