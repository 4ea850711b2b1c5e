"""A slice of the work of measuring a check's pictures: many hosts side by side, each at its own pace.

What was found out is written every few moments, so that a worker that is killed loses no more than that.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from upscaler.feeds import hosts, probe, turns
from upscaler.feeds.hosts import Host
from upscaler.feeds.probe import ComeAgain
from upscaler.feeds.records import Hold, Measured
from upscaler.fetching.beginnings import Visitor
from upscaler.models import FeedPicture

logger = logging.getLogger(__name__)

SLICE = 20.0
"""Seconds after which nothing new is begun: others wait for this worker too."""
SHARED_SLICE = 5.0
"""The same where another check could be worked on."""
THREADS = 16
HOSTS = 64
"""Hosts side by side."""
REFILL = 100
FLUSH_EVERY = 2.0
FLUSH_AT = 200
MAX_ATTEMPTS = 3
"""Times that a host may ask to come again for the same picture."""
MAX_DELAYS = 2_000
"""Hosts whose pace is remembered."""
MAX_WAIT = 0.3
"""Seconds of a host's pause that are waited for within a slice; for longer ones the worker does something else."""
ASKED_BY_OTHERS = 20.0
"""Seconds until hosts are tried again that another check asks; that one's end wakes this one before."""


def measure(hold: Hold, *, seconds: float = SLICE) -> float | None:
    """Measure what can be in about ``seconds``. Returns in how many seconds to go on; None where nothing is left.

    Raises records.Lost.
    """
    slice_ = _Slice(hold, time.monotonic() + seconds)
    try:
        due_in = slice_.run()
        slice_.release()
        return due_in
    finally:
        slice_.visitor.close()


class _Slice:
    def __init__(self, hold: Hold, ends_at: float) -> None:
        self.hold, self.ends_at = hold, ends_at
        self.visitor: Visitor = probe.new_visitor()
        self.waiting = FeedPicture.objects.filter(check_of=hold.check, status=FeedPicture.Status.WAITING)
        self.hosts: dict[str, Host] = {}
        self.queues: dict[str, deque[FeedPicture]] = {}
        self.last_ids: dict[str, int] = {}
        self.exhausted: set[str] = set()
        self.asked_by_others: set[str] = set()
        self.are_all_open = False
        self.seen: set[int] = set()
        self.found: list[Measured] = []
        self.began_at = self.flushed_at = time.monotonic()
        self.is_shared = False
        self.noted = [0, 0]
        self.delays = dict(hold.check.delays)

    def run(self) -> float | None:
        pending: dict[Future[Measured], FeedPicture] = {}
        # Not in a `with`: that would wait for all of them, also where the check is lost.
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="picture")
        try:
            while True:
                is_over = time.monotonic() >= (self.began_at + SHARED_SLICE if self.is_shared else self.ends_at)
                if not is_over:
                    self._open_hosts(pool)
                    for picture in self._next(THREADS - len(pending)):
                        pending[pool.submit(probe.measure, self.visitor, picture)] = picture
                if not pending and (is_over or self._pause() is None):
                    break
                if not pending:
                    time.sleep(self._pause() or 0.01)
                    continue
                done, _ = wait(pending, timeout=min(1.0, self._pause() or 1.0), return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(pending.pop(future), future)
                if len(self.found) >= FLUSH_AT or time.monotonic() - self.flushed_at > FLUSH_EVERY:
                    self._flush()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        self._flush()
        if not self.waiting.exists():
            return None
        if not self.are_all_open:
            return 0.0
        waits_for = turns.waited_for(self.hold.check, MAX_WAIT).exclude(name__in=self.hosts)
        now = timezone.now()
        resting = dict(waits_for.values_list("name", "next_at")[:HOSTS])
        turns.wait_for_rested(self.hold.check, resting)
        pauses = [*self._pauses(), *((next_at - now).total_seconds() for next_at in resting.values() if next_at)]
        return max(0.0, min(pauses, default=ASKED_BY_OTHERS if self.asked_by_others else 0.0))

    def release(self) -> None:
        """Let others ask the hosts, each when its pause is over."""
        passed = time.monotonic()
        now = timezone.now()
        turns.release_hosts(
            self.hold.check,
            {host.name: now + timedelta(seconds=max(0.0, host.next_at - passed)) for host in self.hosts.values()},
        )

    def _open_hosts(self, pool: ThreadPoolExecutor) -> None:
        """Begin with hosts that were not asked yet, where there is a place for them."""
        room = HOSTS - sum(pause <= MAX_WAIT for pause in self._pauses())
        if self.are_all_open or room <= 0:
            return
        known = [*self.hosts, *self.asked_by_others]
        names = self.waiting.exclude(host__in=known).exclude(host__in=turns.resting(MAX_WAIT).values("name"))
        found = list(names.order_by("host").values_list("host", flat=True).distinct()[:room])
        self.are_all_open = len(found) < room
        taken = turns.take_hosts(self.hold.check, found) if found else {}
        fresh = [name for name in found if name in taken]
        self.asked_by_others.update(name for name in found if name not in taken)
        unknown = [name for name in fresh if name not in self.delays]
        asked = [self.waiting.filter(host=name).values_list("url", flat=True)[0] for name in unknown]
        paces = pool.map(lambda url: hosts.delay_of(self.visitor, url), asked)
        self.delays.update(zip(unknown, paces, strict=True))
        if unknown:
            self.hold.renew(delays=dict(list(self.delays.items())[:MAX_DELAYS]))
        for name in fresh:
            self.hosts[name], self.queues[name] = Host(name, self.delays.get(name, 0.0)), deque()
            # The pace goes on where the last slice, the last worker or another check has left it.
            rests_until = taken[name]
            if rests_until is not None:
                self.hosts[name].pause((rests_until - timezone.now()).total_seconds())

    def _next(self, number: int) -> list[FeedPicture]:
        """At most so many pictures whose hosts may be asked now, one of each host after the other."""
        chosen: list[FeedPicture] = []
        now = time.monotonic()
        is_any = True
        while is_any and len(chosen) < number:
            is_any = False
            for host in self.hosts.values():
                if len(chosen) < number and host.is_free(now) and (picture := self._of_host(host.name)) is not None:
                    host.begin(now)
                    chosen.append(picture)
                    is_any = True
        return chosen

    def _of_host(self, name: str) -> FeedPicture | None:
        queue = self.queues[name]
        while True:
            if not queue:
                rows = self.waiting.filter(host=name, pk__gt=self.last_ids.get(name, 0)).order_by("pk")
                queue.extend(rows[:REFILL])
                if not queue:
                    self.exhausted.add(name)
                    return None
                self.last_ids[name] = queue[-1].pk
            picture = queue.popleft()
            # Another row of the same address: what is found out is noted for both.
            if picture.url_key not in self.seen:
                self.seen.add(picture.url_key)
                return picture

    def _pauses(self) -> list[float]:
        """Seconds until each host may be asked again of which something waits."""
        now = time.monotonic()
        waiting = [host for host in self.hosts.values() if self.queues[host.name] or host.name not in self.exhausted]
        return [max(0.0, host.next_at - now) for host in waiting]

    def _pause(self) -> float | None:
        """The least of them that is worth waiting for here; None where there is none."""
        return min((pause for pause in self._pauses() if pause <= MAX_WAIT), default=None)

    def _take(self, picture: FeedPicture, future: Future[Measured]) -> None:
        host = self.hosts[picture.host]
        try:
            measured = future.result()
        except ComeAgain as again:
            host.end("")
            if picture.attempts + 1 < MAX_ATTEMPTS:
                host.pause(max(1.0, again.seconds))
                self.hold.count_attempt(picture)
                picture.attempts += 1
                self.queues[host.name].append(picture)
                return
            message = f"{host.name} asked {MAX_ATTEMPTS} times to come again later. Check again tomorrow."
            measured = Measured(picture, problem="fetch_status", message=message)
        except Exception:
            # One picture stops none of the others.
            logger.exception("check %s: the picture %s could not be measured", self.hold.check.pk, picture.pk)
            host.end("")
            measured = Measured(picture, problem="error", message="The desk could not read this picture.")
        else:
            host.end(measured.problem)
        self.found.append(measured)
        if host.is_hopeless:
            self._flush()
            self.queues[host.name].clear()
            self.exhausted.add(host.name)
            self.last_ids[host.name] = 2**62
            host.in_vain = 0
            self.hold.give_up(
                host.name,
                "host_unreachable",
                f"{host.name} did not answer {hosts.IN_VAIN} times in a row, so this picture was not tried. Check "
                "again when the host is back.",
            )

    def _flush(self) -> None:
        now, visitor = time.monotonic(), self.visitor
        requests, bytes_read = visitor.requests - self.noted[0], visitor.bytes - self.noted[1]
        found, self.found = self.found, []
        self.hold.note(
            found,
            requests=F("requests") + requests,
            bytes_read=F("bytes_read") + bytes_read,
            seconds=F("seconds") + (now - self.flushed_at),
            pauses={host.name: time.time() + host.next_at - now for host in self.hosts.values() if host.next_at > now},
        )
        self.noted = [self.noted[0] + requests, self.noted[1] + bytes_read]
        self.flushed_at = now
        self.is_shared = turns.is_one_kept_waiting()
