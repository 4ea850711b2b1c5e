"""Large pictures are decoded a few at a time, in memory that is bounded; who waits for too long is told so."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from tests.support import pictures
from tests.support.live_server import until
from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake
from upscaler.models import Upscale

LARGE = pictures.encoded(Image.new("1", (4000, 2000)), "PNG")
"""As few pixels as count as large, in few bytes."""
SMALL = pictures.jpeg((64, 48))


@pytest.fixture
def all_turns_taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """As many large pictures as may be are being decoded, and nobody waits; closing it ends them."""
    with ExitStack() as taken:
        for _ in range(settings.MAX_LARGE_DECODES):
            taken.enter_context(decoding.turn((8000, 8000), "Another", patience=None))
        monkeypatch.setattr(decoding, "MAX_WAIT", 0)
        yield taken


def examine(content: bytes) -> intake.ExaminedPicture:
    return intake.examine_source(io.BytesIO(content), name="shirt.png")


def test_a_large_picture_that_waited_for_too_long_may_be_sent_again(all_turns_taken: ExitStack) -> None:
    with pytest.raises(PublicError) as caught:
        examine(LARGE)
    assert (caught.value.code, caught.value.permanent) == ("busy", False)
    assert caught.value.message.startswith("“shirt.png” could not be looked at yet")
    assert "send it again" in caught.value.message
    all_turns_taken.close()
    assert examine(LARGE).width == 4000


def test_small_pictures_do_not_wait_behind_large_ones(all_turns_taken: ExitStack) -> None:
    assert examine(SMALL).width == 64


@pytest.mark.parametrize("content", [LARGE, LARGE[: len(LARGE) // 2]])
def test_every_turn_is_given_back(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(decoding, "MAX_WAIT", 0)
    for _ in range(settings.MAX_LARGE_DECODES + 1):
        try:
            examine(content)
        except PublicError as error:
            assert error.code == "damaged"


@pytest.mark.parametrize(
    "look",
    [intake.preview, lambda path: intake.examine_result(path, max_bytes=10**9, max_pixels=10**9)],
    ids=["preview", "result"],
)
def test_a_worker_waits_for_its_turn_as_long_as_it_takes(
    all_turns_taken: ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, look: Callable[[Path], Any]
) -> None:
    path = tmp_path / "result.png"
    path.write_bytes(LARGE)
    waits, acquire = threading.Event(), decoding._turns.acquire

    def acquired(*args: Any, **options: Any) -> bool:
        waits.set()
        return acquire(*args, **options)

    monkeypatch.setattr(decoding._turns, "acquire", acquired)
    seen: list[Any] = []
    worker = threading.Thread(target=lambda: seen.append(look(path)))
    worker.start()
    assert waits.wait(30)
    assert not seen
    all_turns_taken.close()
    worker.join(30)
    assert seen


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns = decoding._Turns(1)
    assert turns.acquire()
    taken: list[str] = []

    def wait() -> None:
        assert turns.acquire(30)
        taken.append("who waited")

    waiter = threading.Thread(target=wait)
    waiter.start()
    until(lambda: turns._waiting, what="somebody waits", seconds=30)
    turns.release()
    # As a thread that comes at the moment at which a turn is given back.
    assert not turns.acquire(0)
    waiter.join(30)
    assert taken == ["who waited"]
    turns.release()
    assert turns.acquire(0)


# Where people meet it


def test_the_api_says_when_to_send_the_picture_again(all_turns_taken: ExitStack, owner: Any) -> None:
    def upload() -> Any:
        headers = {"Authorization": f"Bearer {owner.token}"}
        file = SimpleUploadedFile("shirt.png", LARGE)
        return Client().post("/api/v1/uploads", {"file": file}, headers=headers)

    answer = upload()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert answer.json()["detail"].startswith("“shirt.png” could not be looked at yet")
    all_turns_taken.close()
    assert upload().status_code == 201


def test_the_page_says_which_picture_to_send_again(all_turns_taken: ExitStack, owner: Any, upload: Any) -> None:
    files = [upload("shirt.png", LARGE), upload("small.jpg")]
    page = owner.submit(image=files).content.decode()
    assert "“shirt.png” could not be looked at yet" in page
    assert [upscale.source_name for upscale in Upscale.objects.all()] == ["small.jpg"]
    assert owner.balance == 99


def test_a_request_waits_once_for_all_of_its_pictures(
    all_turns_taken: ExitStack, monkeypatch: pytest.MonkeyPatch, owner: Any, upload: Any
) -> None:
    """Of twenty large pictures each would else wait anew, for five minutes in all."""
    waits: list[float | None] = []
    acquire = decoding._turns.acquire

    def acquired(timeout: float | None = None) -> bool:
        waits.append(timeout)
        return acquire(timeout)

    monkeypatch.setattr(decoding._turns, "acquire", acquired)
    monkeypatch.setattr(decoding, "MAX_WAIT", 0.3)
    files = [upload(f"{number}.png", LARGE) for number in range(5)] + [upload("small.jpg")]
    page = owner.submit(image=files).content.decode()
    assert len(waits) == 5
    assert 0.2 < sum(wait or 0 for wait in waits) <= 0.3
    assert all(f"“{number}.png” could not be looked at yet" in page for number in range(5))
    assert [upscale.source_name for upscale in Upscale.objects.all()] == ["small.jpg"]


# Memory

MEMORY = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake
from upscaler.imaging.sandbox import client

def highest():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

children = []
ask = client._ask
def asked(*arguments):
    answer = ask(*arguments)
    children.append(answer[0]["used"]["memory"])
    return answer
client._ask = asked

def examine(path):
    with open(path, "rb") as file:
        try:
            return intake.examine_source(file, name="x")
        except PublicError as error:
            return error

# So that all of them are decoded, however slow the machine.
decoding.MAX_WAIT = decoding.MAX_WAIT_TO_WAIT = 600
folder = sys.argv[1]
examine(folder + "/small")
before = highest()
with ThreadPoolExecutor(16) as pool:
    # Kept, as a form keeps its errors until the page is made.
    kept = list(pool.map(examine, [folder + name for name in ("/sound", "/broken") * 8]))
print(json.dumps([highest() - before + 2 * max(children), [getattr(one, "code", "sound") for one in kept]]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux")
def test_sixteen_threads_with_the_largest_pictures_take_the_memory_of_two(tmp_path: Path) -> None:
    size = (8000, settings.MAX_SOURCE_PIXELS // 8000)
    sound = pictures.encoded(Image.new("RGBA", size, "red"), "PNG", compress_level=1)
    for name, content in (("small", SMALL), ("sound", sound), ("broken", sound[: len(sound) * 9 // 10])):
        (tmp_path / name).write_bytes(content)
    environment = os.environ | {"MAX_LARGE_DECODES": "2"}
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    grown, found = json.loads(done.stdout)
    assert found == ["sound", "damaged"] * 8
    # The process itself and the two that decode at once, each as large as the largest of them all.
    assert grown < 2 * 1.5 * 4 * size[0] * size[1]
