"""The processes that read strangers' files: what they may, what they are told, and what becomes of them."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from tests.support import pictures
from tests.support.live_server import command_of, until
from upscaler.engines.local.child import Child
from upscaler.errors import PublicError
from upscaler.imaging import intake, sandbox
from upscaler.imaging.sandbox import client
from upscaler.imaging.sandbox.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
SMALL = pictures.jpeg((64, 48))

has_filters = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"), reason="seccomp is Linux's"
)

TRIES = """
import ctypes, json, os, resource, signal, socket, subprocess, threading
from upscaler.imaging.sandbox import limits

def outcome(action):
    try:
        action()
    except BaseException as error:
        return type(error).__name__
    return "done"

parent, own = socket.socketpair()
file = os.open("/dev/zero", os.O_RDONLY)
limits.confine_server()
limits.confine_child(limits.Limits(cpu_seconds=5, wall_seconds=30, memory=300_000_000))
thread = threading.Thread(target=lambda: None)
libc = ctypes.CDLL(None)
print(json.dumps({
    "network": outcome(socket.socket),
    "file": outcome(lambda: open("/etc/passwd")),
    "the desk's environment": outcome(lambda: open(f"/proc/{os.getppid()}/environ")),
    "new file": outcome(lambda: open("/tmp/made-by-a-picture", "w")),
    "program": outcome(lambda: os.execv("/bin/true", ["true"])),
    "process": outcome(os.fork),
    "signal": outcome(lambda: os.kill(os.getppid(), 0)),
    "more memory": outcome(lambda: bytearray(400_000_000)),
    "higher limit": outcome(lambda: resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))),
    "another's limit": outcome(lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU)),
    "core file": resource.getrlimit(resource.RLIMIT_CORE)[1],
    "dumpable": libc.prctl(3, 0, 0, 0, 0),
    "open file": outcome(lambda: os.read(file, 10)),
    "answer": outcome(lambda: own.sendall(b"x")),
    "thread": outcome(lambda: (thread.start(), thread.join())),
}))
"""


@has_filters
@pytest.mark.processes
def test_what_a_process_that_reads_a_picture_may_do() -> None:
    command = [sys.executable, "-c", TRIES]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {
        "network": "PermissionError",
        "file": "PermissionError",
        "the desk's environment": "PermissionError",
        "new file": "PermissionError",
        "program": "PermissionError",
        "process": "PermissionError",
        "signal": "PermissionError",
        "more memory": "MemoryError",
        "higher limit": "ValueError",
        "another's limit": "PermissionError",
        "core file": 0,
        "dumpable": 0,
        "open file": "done",
        "answer": "done",
        "thread": "done",
    }


@pytest.mark.processes
@pytest.mark.parametrize(
    ("limits", "work"),
    [("cpu_seconds=1, wall_seconds=60", "while True: pass"), ("cpu_seconds=60, wall_seconds=1", "signal.pause()")],
    ids=["of the processor", "on the clock"],
)
def test_a_process_ends_when_its_time_is_over(limits: str, work: str) -> None:
    script = f"""
import signal
from upscaler.imaging.sandbox import limits
limits.confine_child(limits.Limits({limits}, memory=300_000_000))
{work}
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, timeout=30)
    assert done.returncode in (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM)


def test_neither_readers_nor_engine_get_the_desk_s_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "UWEAR_API_KEY", "EMAIL_URL", "MEDIA_URL_S3", "SOMETHING_NEW"):
        monkeypatch.setenv(name, "a-secret")
    assert "a-secret" not in client.environment().values()
    made = Child(1, "f32", "CPU", None)
    try:
        # Empty for a moment, as long as the program is being loaded.
        environment = until(Path(f"/proc/{made.pid}/environ").read_text, what="the child has its environment")
    finally:
        made.kill()
    assert "a-secret" not in environment
    assert "VIPS_CONCURRENCY=1" in environment


RUNS = struct.pack("<IiiHHIIiiII", 40, 2800, 2800, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024) + b"\x01\x01" * 7_000_000
SLOW = b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + RUNS
"""A BMP that is unpacked pixel by pixel, for seconds."""
LARGE = pictures.encoded(Image.new("RGB", (2500, 2500)), "PNG")


@pytest.mark.parametrize(
    ("content", "limits", "code"),
    [(SLOW, Limits(1, 30, 10**9), "damaged"), (LARGE, Limits(5, 30, 1), "out_of_memory")],
    ids=["time", "memory"],
)
def test_a_picture_that_takes_too_much_is_refused_by_name(
    content: bytes, limits: Limits, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_source_limits", lambda pixels, size: limits)
    with pytest.raises(PublicError) as caught:
        intake.examine_source(io.BytesIO(content), name="shirt.jpg")
    assert (caught.value.code, caught.value.permanent) == (code, True)
    assert caught.value.message.startswith("“shirt.jpg” ")
    monkeypatch.undo()
    assert intake.examine_source(io.BytesIO(SMALL), name="shirt.jpg").width == 64


def test_a_server_that_was_killed_is_replaced() -> None:
    intake.examine_source(io.BytesIO(SMALL), name="a")
    before = client._pool.server_pid()
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert intake.examine_source(io.BytesIO(SMALL), name="a").width == 64
    assert client._pool.server_pid() != before


def test_the_server_stays_warm_and_its_children_are_gone() -> None:
    intake.examine_source(io.BytesIO(SMALL), name="a")
    before = client._pool.server_pid()
    for _ in range(5):
        intake.examine_source(io.BytesIO(SMALL), name="a")
    assert client._pool.server_pid() == before
    children = Path(f"/proc/{before}/task/{before}/children")
    until(lambda: not children.read_text().split(), what="the children are gone", seconds=30)


def test_a_file_is_handed_over_for_reading_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(SMALL)
    with path.open("rb+") as file, client._read_only(file) as handed:
        assert os.pread(handed.fileno(), 3, 0) == SMALL[:3]
        with pytest.raises(OSError):
            os.write(handed.fileno(), b"x")


def test_a_result_is_written_in_another_format(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(SMALL)
    intake.recode(tmp_path / "a", tmp_path / "b", "PNG")
    with (tmp_path / "b").open("rb") as file:
        assert intake.examine_source(file, name="b").format == "PNG"


def test_a_task_that_answers_nonsense_is_stopped() -> None:
    with pytest.raises(sandbox.Stopped):
        sandbox.read("no such task", io.BytesIO(SMALL), {}, limits=Limits(5, 30, 10**9))


FORKED = """
import io, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from upscaler.imaging import intake
from upscaler.imaging.sandbox import client
content = open(sys.argv[1], "rb").read()
look = lambda: intake.examine_source(io.BytesIO(content), name="a").width
assert look() == 64
first = client._pool.server_pid()
pid = os.fork()
if not pid:
    # As Celery's children, and gunicorn's with --preload.
    os._exit(0 if look() == 64 and client._pool.server_pid() != first else 1)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert look() == 64 and client._pool.server_pid() == first
print(code, first)
"""


@pytest.mark.processes
def test_a_forked_process_has_a_server_of_its_own_and_none_outlives_its_desk(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(SMALL)
    command = [sys.executable, "-c", FORKED, str(tmp_path / "a")]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    code, server = done.stdout.split()
    assert code == "0"
    until(lambda: "imaging.sandbox" not in command_of(int(server)), what="the server is gone", seconds=30)


SIDE = 4800
"""With a limit of as many pixels: what is taken for each pixel is the same up to a larger one."""
OWN = 90_000_000
TOO_MUCH = {
    ("AVIF", "RGBA"): "AVIF files with 8 bits a channel and transparency no more than 18",
    ("JXL", "RGBA"): "JPEG XL files with 8 bits a channel and transparency no more than 13",
}


def large(format_name: str, mode: str) -> bytes:
    """As large as may be, smooth and of two halves, so that it is soon made and still takes all that decoding takes."""
    plane = Image.linear_gradient("L").resize((SIDE, SIDE))
    bands = [plane, plane.rotate(90), plane.rotate(180), plane.rotate(270)][: len(mode)]
    options: dict[str, Any] = {"AVIF": {"speed": 10}, "JXL": {"effort": 1}}.get(format_name, {"method": 0})
    if format_name == "HEIF":
        return heif(Image.merge(mode, bands))
    return pictures.encoded(Image.merge(mode, bands), format_name, **options)


def heif(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=50, enc_params={"preset": "ultrafast"})
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("format_name", ["WEBP", "AVIF", "HEIF", "JXL"])
def test_no_sound_picture_takes_more_than_its_share_of_memory(
    format_name: str, mode: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """600 MB of one that has 64 megapixels. One of a kind that needs more is refused before it is decoded."""
    settings.MAX_SOURCE_PIXELS = SIDE * SIDE
    used: list[float] = []
    ask = client._ask

    def asked(*arguments: Any) -> Any:
        answer = ask(*arguments)
        used.append(answer[0]["used"]["memory"])
        return answer

    monkeypatch.setattr(client, "_ask", asked)
    content = large(format_name, mode)
    if (format_name, mode) in TOO_MUCH:
        with pytest.raises(PublicError) as caught:
            intake.examine_source(io.BytesIO(content), name="a")
        assert caught.value.code == "too_many_pixels"
        assert caught.value.message == (
            f"“a” is 4,800 × 4,800 pixels large; of {TOO_MUCH[format_name, mode]} megapixels can be read. Make it "
            "smaller, or save it as a JPEG or PNG, and upload that."
        )
        assert max(used) < 2 * OWN
        return
    assert intake.examine_source(io.BytesIO(content), name="a").width == SIDE
    assert max(used) < OWN + 8.5 * SIDE * SIDE
