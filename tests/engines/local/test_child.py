"""The child process: warm between jobs, killed, too slow, cancelled, orphaned."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from PIL import Image

from tests.engines.local.conftest import crop, png
from tests.support import pictures
from upscaler.engines.base import EngineError, Finished, Order
from upscaler.engines.local import networks
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.tiles import Axis

pytestmark = pytest.mark.engine


def watched(engine: LocalEngine, order: Order) -> tuple[Finished, list[float]]:
    seen: list[float] = []
    return engine.advance(order, lambda fraction, text: seen.append(fraction)), seen


def test_progress_rises_after_every_tile(engine: LocalEngine, order: Callable[..., Order]) -> None:
    finished, seen = watched(engine, order(pictures.jpeg((700, 60)), "recraft"))
    passes = ((60, 700, networks.CUNET_DENOISE_0), (120, 1400, networks.PHOTO))
    expected = sum(Axis.cut(height, net).count * Axis.cut(width, net).count for height, width, net in passes)
    assert len(seen) > expected > 5
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert finished.provenance["networks"] == ["waifu2x-cunet-denoise0", "waifu2x-photo"]


def test_the_child_stays_warm_between_jobs(engine: LocalEngine, order: Callable[..., Order]) -> None:
    watched(engine, order(pictures.jpeg((16, 16))))
    pid = engine.child_pid
    watched(engine, order(pictures.jpeg((16, 16))))
    assert engine.child_pid == pid


def test_the_child_works_as_its_parent_was_set_up(order: Callable[..., Order]) -> None:
    engine = LocalEngine(threads=1, precision="f32")
    try:
        before = dict(os.environ)
        made, _ = watched(engine, order(pictures.jpeg((16, 16))))
        process = Path(f"/proc/{engine.child_pid}")
        environment = process.joinpath("environ").read_text().split("\0")
        arguments = process.joinpath("cmdline").read_text().split("\0")
    finally:
        engine.close()
    assert made.provenance["precision"] == "f32"
    assert "--threads=1" in arguments
    assert {"OPENBLAS_NUM_THREADS=1", "VIPS_CONCURRENCY=1"} <= set(environment)
    assert dict(os.environ) == before


class Lost(Exception):
    """What a report raises when another worker has taken the job over."""


def test_a_killed_child_costs_one_attempt_only(engine: LocalEngine, order: Callable[..., Order]) -> None:
    def kill(fraction: float, text: str) -> None:
        assert engine.child_pid is not None
        os.kill(engine.child_pid, signal.SIGKILL)

    with pytest.raises(EngineError) as caught:
        engine.advance(order(pictures.jpeg((120, 120)), enhance_model="Standard V2"), kill)
    assert (caught.value.code, caught.value.permanent) == ("engine_crashed", False)
    assert watched(engine, order(pictures.jpeg((16, 16))))[0].width == 64


def test_a_job_past_its_time_is_stopped(order: Callable[..., Order]) -> None:
    engine = LocalEngine(time_limit=0.01)
    with pytest.raises(EngineError) as caught:
        engine.advance(order(pictures.jpeg((64, 64)), "recraft"), lambda fraction, text: None)
    assert (caught.value.code, caught.value.permanent) == ("too_slow", True)
    assert engine.child_pid is None


def test_what_report_raises_stops_the_work(engine: LocalEngine, order: Callable[..., Order]) -> None:
    seen = []

    def lost(fraction: float, text: str) -> None:
        seen.append(fraction)
        raise Lost

    work = order(pictures.jpeg((900, 60)), "recraft")
    with pytest.raises(Lost):
        engine.advance(work, lost)
    assert len(seen) == 1
    assert not list(work.work_dir.iterdir())
    assert watched(engine, order(pictures.jpeg((16, 16))))[0].width == 64


@pytest.mark.parametrize("content", [b"", b"no picture", pictures.jpeg((300, 300))[:9000], png(crop())[:2000]])
def test_an_unreadable_file(engine: LocalEngine, order: Callable[..., Order], content: bytes) -> None:
    with pytest.raises(EngineError) as caught:
        engine.advance(order(content), lambda fraction, text: None)
    assert (caught.value.code, caught.value.permanent) == ("unreadable", True)


def test_a_large_result_stays_under_a_gigabyte(order: Callable[..., Order]) -> None:
    # Mostly white, which spares the networks their time, not the rest its memory.
    product = Image.new("RGB", (2450, 2450), "white")
    product.paste(pictures.photograph(size=(230, 230)), (1000, 1000))
    engine = LocalEngine(precision=settings.LOCAL_PRECISION)
    try:
        work = order(png(product), upscale_factor="2x", enhance_model="Low Resolution V2")
        finished, _ = watched(engine, work)
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{engine.child_pid}/status").read_text())
    finally:
        engine.close()
    assert finished.width * finished.height > 24e6
    assert "realesrgan-x4plus" in finished.provenance["networks"]
    assert peak is not None
    assert int(peak[1]) * 1024 < 1e9


def test_two_threads_take_turns(engine: LocalEngine, order: Callable[..., Order], tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    one = order(pictures.jpeg((20, 20)))
    with ThreadPoolExecutor(3) as pool:
        jobs = [replace(one, work_dir=tmp_path / str(number)) for number in range(3)]
        results = list(pool.map(lambda job: watched(engine, job)[0], jobs))
    assert [result.path.parent.name for result in results] == ["0", "1", "2"]


PARENT = """
import os, signal, sys
from pathlib import Path
from upscaler import upscaling_models
from upscaler.engines.base import Order
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.tiles import Axis

engine = LocalEngine()

def report(fraction, text):
    print(engine.child_pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

settings = upscaling_models.MODELS["topaz"].defaults | {"enhance_model": "Standard V2"}
engine.advance(Order(1, "topaz", settings, Path(sys.argv[1]), Path(sys.argv[2])), report)
"""


def test_the_child_does_not_outlive_its_parent(order: Callable[..., Order]) -> None:
    work = order(pictures.jpeg((150, 150)))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, work.source_path, work.work_dir], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.wait(30) == -signal.SIGKILL
    try:
        process = os.pidfd_open(child)
    except ProcessLookupError:
        return
    assert select.select([process], [], [], 30)[0], "the child is still there"


def test_the_child_ignores_a_stop_and_keeps_stdout_clean(order: Callable[..., Order]) -> None:
    work = order(pictures.jpeg((40, 40)), "recraft")
    child = subprocess.Popen(
        [sys.executable, "-m", "upscaler.engines.local"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    request = {
        "source": str(work.source_path),
        "output_dir": str(work.work_dir),
        "model_name": "recraft",
        "settings": {},
    }
    replies = []
    for number in (1, 2):
        child.stdin.write(json.dumps({"id": number, **request}) + "\n")
        child.stdin.flush()
        while "finished" not in (reply := json.loads(child.stdout.readline())):
            replies.append(reply)
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
    assert all("progress" in reply for reply in replies)
    child.stdin.close()
    assert child.wait(30) == 0
    assert child.stdout.read() == ""


def test_openvino_comes_without_its_telemetry_and_the_child_without_django() -> None:
    code = """
import sys
import upscaler.engines.local.worker
assert sys.modules["openvino_telemetry"] is None
assert not [name for name in sys.modules if name.partition(".")[0] == "django"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
