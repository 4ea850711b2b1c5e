"""What befalls the desk's processes and lines, one thing after the other, and how soon the work goes on after it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from tests.chaos.desks import ENGINES, ChaosDesk
from tests.support.cutting_proxy import AFTER, BEFORE
from tests.support.full_disk import SmallDisk
from tests.support.live_server import command_of, descendants

FROZEN_FOR = 5.0
"""Seconds, more than the desk's lease of 3."""
FULL_FOR = 3.0
READ_ONLY_TRIES = 40
LOST_ANSWERS = 3
HELD = "SELECT id, failures FROM upscaler_upscale WHERE lease_until IS NOT NULL AND status = 'Ongoing'"
LOOK_EVERY = 0.2


@dataclass
class Lost:
    """An upscale that was in a worker's hand as that was killed or frozen."""

    upscale: int
    failures: int
    at: float


@dataclass
class Watch:
    """How long those that lost their worker waited for another, in seconds."""

    waiting: list[Lost] = field(default_factory=list)
    resumed: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, held: dict[int, int]) -> None:
        """A worker is about to be lost; these upscales are in hand now, with so many failures each."""
        now = time.monotonic()
        with self.lock:
            known = {lost.upscale for lost in self.waiting}
            self.waiting += [Lost(pk, failures, now) for pk, failures in held.items() if pk not in known]

    def look(self, rows: dict[int, tuple[str, int, bool]]) -> None:
        """How they stand: status, failures, and whether a worker holds them."""
        now = time.monotonic()
        with self.lock:
            for lost in list(self.waiting):
                status, failures, is_held = rows.get(lost.upscale, ("Done", 0, False))
                if failures > lost.failures:
                    # Only a claim of one whose lease ran out counts a failure while it is held.
                    if is_held:
                        self.resumed.append(now - lost.at)
                    self.waiting.remove(lost)
                elif status in ("Done", "Error") or (not is_held and failures <= lost.failures):
                    self.waiting.remove(lost)  # Its worker was another one.


class Faults(threading.Thread):
    """Does harm every ``pause`` seconds until `stop`; ``done`` counts what, ``errors`` holds what it could not do."""

    def __init__(self, desk: ChaosDesk, chance: random.Random, *, pause: float) -> None:
        super().__init__(name="faults", daemon=True)
        self._desk = desk
        self._chance = chance
        self._pause = pause
        self._ended = threading.Event()
        self.done: Counter[str] = Counter()
        self.kills = 0
        self.errors: list[str] = []
        self.watch = Watch()
        self._watching = True
        self._deeds = self._all_deeds()
        self._watcher = threading.Thread(target=self._look, name="watch", daemon=True)

    def run(self) -> None:
        self._watcher.start()
        order: list[str] = []
        while not self._ended.wait(self._pause):
            # Each of them in every round, in another order.
            order = order or self._chance.sample(sorted(self._deeds), len(self._deeds))
            name = order.pop()
            try:
                if self._deeds[name]():
                    self.done[name] += 1
            except Exception as error:
                self.errors.append(f"{name}: {error!r}")

    def stop(self) -> None:
        """Do no more harm; what was frozen is thawed, what was killed is back."""
        self._ended.set()
        self.join()
        if self._desk.commits is not None:
            self._desk.commits.pass_on()
        self._desk.start_web()

    def end_watching(self) -> None:
        """Once all upscales have ended."""
        self._watching = False
        self._watcher.join()

    def _all_deeds(self) -> dict[str, Callable[[], bool]]:
        deeds: dict[str, Callable[[], bool]] = {
            "kill a worker of the cpu queue": lambda: self._kill_workers("queue_worker cpu"),
            "kill a worker of the io queue": lambda: self._kill_workers("queue_worker io", "celery"),
            "kill another worker": lambda: self._kill_workers("queue_worker"),
            "kill an engine's child": lambda: self._kill_workers("upscaler.engines.local"),
            "kill a process that reads pictures": lambda: self._kill_one("upscaler.imaging.sandbox"),
            "kill a web worker": self._kill_web_worker,
            "kill a web server": self._kill_web_server,
            "kill all workers": self._kill_all_workers,
            "freeze a worker past its lease": self._freeze,
        }
        if self._desk.mode == "cluster":
            deeds["drop all lines to the broker"] = lambda: (
                self._desk.broker is not None and self._desk.broker.drop() > 0
            )
            deeds["end sessions of the database"] = lambda: self._desk.end_sessions(2) > 0
            deeds["lose answers to COMMIT"] = self._lose_answers
        return deeds | self._deeds_to_disks()

    def _deeds_to_disks(self) -> dict[str, Callable[[], bool]]:
        disks = {disk.folder.name: disk for disk in self._desk.disks}
        deeds: dict[str, Callable[[], bool]] = {
            f"fill the disk of {name}": partial(self._fill, disk) for name, disk in disks.items()
        }
        if "media" in disks:
            # The other one never can be: the web server keeps a file open there.
            deeds["make the disk of media read-only"] = partial(self._make_read_only, disks["media"])
        return deeds

    # --- What is done -----------------------------------------------------------------------------

    def _workers(self, *words: str) -> list[int]:
        worker = self._desk.worker
        if worker is None:
            return []
        return [pid for pid in descendants(worker.pid) if any(word in command_of(pid) for word in words)]

    def _kill_workers(self, *words: str) -> bool:
        found = self._workers(*words)
        if not found:
            return False
        self.watch.note(self._held())
        return self._killed(self._chance.choice(found))

    def _kill_one(self, word: str) -> bool:
        webs = [pid for web in self._desk.webs.values() for pid in descendants(web.pid) if word in command_of(pid)]
        found = self._workers(word) + webs
        return bool(found) and self._killed(self._chance.choice(found))

    def _kill_web_worker(self) -> bool:
        web = self._desk.webs[self._chance.choice(ENGINES)]
        found = [pid for pid in descendants(web.pid) if "gunicorn" in command_of(pid)]
        return bool(found) and self._killed(self._chance.choice(found))

    def _kill_web_server(self) -> bool:
        self._desk.kill_web(self._chance.choice(ENGINES))
        self.kills += 1
        self._desk.start_web()
        return True

    def _kill_all_workers(self) -> bool:
        self.watch.note(self._held())
        self._desk.kill_worker()
        self.kills += 1
        self._desk.start_worker()
        return True

    def _freeze(self) -> bool:
        found = self._workers("queue_worker", "celery")
        if not found:
            return False
        pid = self._chance.choice(found)
        frozen = [pid, *descendants(pid)]
        self.watch.note(self._held())
        for one in frozen:
            _send(one, signal.SIGSTOP)
        # Also where the run ends meanwhile: nothing may stay frozen.
        threading.Event().wait(FROZEN_FOR)
        for one in frozen:
            _send(one, signal.SIGCONT)
        return True

    def _lose_answers(self) -> bool:
        assert self._desk.commits is not None
        when = self._chance.choice([BEFORE, AFTER])
        self._desk.commits.cut(lambda commit: commit.number <= LOST_ANSWERS, when)
        return True

    def _fill(self, disk: SmallDisk) -> bool:
        ends = time.monotonic() + FULL_FOR
        pause = threading.Event()
        while time.monotonic() < ends:
            # Again and again, since the desk removes files meanwhile.
            disk.fill()
            pause.wait(0.1)
        disk.make_room()
        return True

    def _make_read_only(self, disk: SmallDisk) -> bool:
        pause = threading.Event()
        for _ in range(READ_ONLY_TRIES):
            # It can't be while a file is being written there.
            with suppress(subprocess.CalledProcessError):
                disk.make_read_only(True)
                pause.wait(FULL_FOR)
                disk.make_read_only(False)
                return True
            pause.wait(0.1)
        return False

    def _killed(self, pid: int) -> bool:
        is_there = _send(pid, signal.SIGKILL)
        self.kills += is_there
        return is_there

    # --- How it goes on ---------------------------------------------------------------------------

    def _held(self) -> dict[int, int]:
        return dict(self._desk.rows(HELD))

    def _look(self) -> None:
        pause = threading.Event()
        with self._desk.connection() as run:
            while self._watching:
                with self.watch.lock:
                    numbers = ",".join(str(lost.upscale) for lost in self.watch.waiting)
                if numbers:
                    found = run(
                        "SELECT id, status, failures, lease_until IS NOT NULL FROM upscaler_upscale"
                        f" WHERE id IN ({numbers})"
                    )
                    self.watch.look({pk: (status, failures, bool(held)) for pk, status, failures, held in found})
                pause.wait(LOOK_EVERY)


def _send(pid: int, number: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
