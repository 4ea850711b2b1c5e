"""Whether two workers of one core each enlarge nearly twice as many pictures as one."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from functools import partial

from bench import machine, report
from bench.whole_desk import asked, in_each_mode, order_many, whole_desk
from tests.support.live_server import ROOT, Desk, until

SECONDS = float(os.environ.get("WORKERS_SECONDS", "60"))
"""Of each turn."""
ROUNDS = int(os.environ.get("WORKERS_ROUNDS", "3"))
ALONE_SECONDS = 20
MODES = tuple(os.environ.get("WORKERS_MODES", "embedded,cluster").split(","))
SIZE = (160, 200)
ORDERED = 4_000
"""More than are done in all turns."""
GOAL = 1.9
ENDED = """
import json
from upscaler.models import Upscale
ended = Upscale.objects.exclude(completed_at=None).values_list("completed_at", flat=True)
print(json.dumps([moment.timestamp() for moment in ended]))
"""


def run() -> str:
    """Measure all; Markdown."""
    if machine.cores() < 2 or not hasattr(os, "sched_setaffinity"):
        return "**Not measured: there are no two cores here that workers can be bound to.**"
    about = (
        f"`make bench PART=workers`. {ORDERED:,} pictures of {SIZE[0]} × {SIZE[1]} pixels wait. One `runworker` on the "
        f"first core and two on a core each, every one a whole set of workers, take turns of {SECONDS:g} s, {ROUNDS} "
        "times, from the moment on when each has done its first pictures. On a machine of two cores the web server, "
        "the database and the queue share these cores, so that two workers have less to themselves than one has. The "
        "median counts, and that of each round's ratio. Cores of a virtual machine are often halves of one: what two "
        "of them can do at most is told by the engine alone, in one process and in two, on the same pictures."
    )
    first, second = _cores()
    alone = [(_alone((first,)), _alone((first, second))) for _ in range(ROUNDS)]
    limit = statistics.median(two / one for one, two in alone)
    rates = [statistics.median(turn) for turn in zip(*alone, strict=True)]
    of_engine = report.table(
        ["the engine alone", "measured"],
        [["one process", f"{rates[0]:.2f}/s"], ["two processes", f"{rates[1]:.2f}/s"], ["ratio", f"{limit:.2f}"]],
    )
    return "\n\n".join([about, of_engine, *in_each_mode(MODES, partial(_measured, limit))])


def _measured(limit: float, mode: str) -> str:
    with whole_desk(mode, credits=ORDERED) as desk:
        order_many(desk, desk.token(), ORDERED, size=SIZE)
        first, second = _cores()
        turns = [(_turn(desk, cores=(first,)), _turn(desk, cores=(first, second))) for _ in range(ROUNDS)]
    rates = [[_rate(desk_turn) for desk_turn in pair] for pair in turns]
    ratio = statistics.median(two / one for one, two in rates)
    rows = [
        ["one worker", f"{statistics.median(one for one, _ in rates):.2f}/s", ""],
        ["two workers", f"{statistics.median(two for _, two in rates):.2f}/s", ""],
        ["ratio", f"{ratio:.2f}", f"{GOAL:g}: {report.verdict(ratio, GOAL)}"],
        ["of what the engine alone gains", f"{ratio / limit:.0%}", ""],
    ]
    return report.table(["", "measured", "goal"], rows)


def _cores() -> tuple[int, int]:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    return first, second


def _alone(cores: tuple[int, ...]) -> float:
    """Pictures a second of as many processes, each on its core, that do nothing but enlarge."""
    asked = [sys.executable, "-m", "bench.alone", *map(str, SIZE), f"{ALONE_SECONDS}"]
    environment = {**os.environ, "LOCAL_THREADS": "1"}
    processes = [
        subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *asked],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    done = [int(process.communicate()[0]) for process in _begun(processes)]
    return sum(done) / ALONE_SECONDS


def _begun(processes: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """All at the same time."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def _turn(desk: Desk, *, cores: tuple[int, ...]) -> list[float]:
    """When pictures ended while each worker was at work, in seconds after they all were."""
    workers = [_start(desk, core) for core in cores]
    try:
        before = _done(desk)
        until(lambda: _done(desk) >= before + 4 * len(cores), what="the first are done", seconds=300)
        began = time.time()
        time.sleep(SECONDS)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(timeout=120)
    ended = [moment - began for moment in asked(desk, ENDED)]
    found = [moment for moment in ended if 0 <= moment < SECONDS]
    report.progress(f"{desk.mode}, {len(cores)}: {len(found)} in {SECONDS:g} s")
    return found


def _start(desk: Desk, core: int) -> subprocess.Popen[bytes]:
    command = ["taskset", "--cpu-list", str(core), sys.executable, "manage.py", "runworker"]
    with desk.log.open("ab") as log:
        environment = {**desk.environment, "CPU_SLOTS": "1"}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)


def _done(desk: Desk) -> int:
    rows = desk.api("get", "generations?status=Done&items_per_page=1", desk.token(), timeout=120).json()
    return int(rows["total_count"])


def _rate(ended: list[float]) -> float:
    return len(ended) / SECONDS
