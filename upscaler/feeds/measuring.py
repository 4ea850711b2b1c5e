"""A slice of the work of measuring a check's pictures: many hosts side by side, each at its own pace.

What was found out is written every few moments, so that a worker that is killed loses no more than that.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db.models import F

from upscaler.feeds import hosts, probe
from upscaler.feeds.hosts import Host
from upscaler.feeds.probe import ComeAgain
from upscaler.feeds.records import Hold, Measured
from upscaler.fetching.beginnings import Visitor
from upscaler.models import FeedPicture

logger = logging.getLogger(__name__)

SLICE = 20.0
"""Seconds after which nothing new is begun: others wait for this worker too."""
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
FORGOTTEN = 5.0
"""Seconds of a host's pause that are waited for within a slice; for longer ones the worker does something else."""


def measure(hold: Hold, *, seconds: float = SLICE) -> float | None:
    """Measure what can be in about ``seconds``. Returns in how many seconds to go on; None where nothing is left.

    Raises records.Lost.
    """
    slice_ = _Slice(hold, time.monotonic() + seconds)
    try:
        return slice_.run()
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
        self.are_all_open = False
        self.seen: set[int] = set()
        self.found: list[Measured] = []
        self.began_at = self.flushed_at = time.monotonic()
        self.noted = [0, 0]
        self.delays = dict(hold.check.delays)

    def run(self) -> float | None:
        pending: dict[Future[Measured], FeedPicture] = {}
        # Not in a `with`: that would wait for all of them, also where the check is lost.
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="picture")
        try:
            while True:
                is_over = time.monotonic() >= self.ends_at
                if not is_over:
                    self._open_hosts(pool)
                    for picture in self._next(THREADS - len(pending)):
                        pending[pool.submit(probe.measure, self.visitor, picture)] = picture
                if not pending and (is_over or self._pause() is None):
                    break
                if not pending:
                    time.sleep(min(1.0, self._pause() or 0.05, max(0.0, self.ends_at - time.monotonic())))
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
        return min(self._pauses(), default=0.0)

    def _open_hosts(self, pool: ThreadPoolExecutor) -> None:
        """Begin with hosts that were not asked yet, where there is a place for them."""
        room = HOSTS - len(self.hosts) + len(self.exhausted)
        if self.are_all_open or room <= 0:
            return
        names = self.waiting.exclude(host__in=list(self.hosts)).order_by("host").values_list("host", flat=True)
        fresh = list(names.distinct()[:room])
        self.are_all_open = len(fresh) < room
        unknown = [name for name in fresh if name not in self.delays]
        asked = [self.waiting.filter(host=name).values_list("url", flat=True)[0] for name in unknown]
        paces = pool.map(lambda url: hosts.delay_of(self.visitor, url), asked)
        self.delays.update(zip(unknown, paces, strict=True))
        if unknown:
            self.hold.renew(delays=dict(list(self.delays.items())[:MAX_DELAYS]))
        for name in fresh:
            self.hosts[name], self.queues[name] = Host(name, self.delays.get(name, 0.0)), deque()
            # The pace goes on where the last slice, or the last worker, has left it.
            self.hosts[name].pause(self.hold.check.pauses.get(name, 0.0) - time.time())

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
        return min((pause for pause in self._pauses() if pause <= FORGOTTEN), default=None)

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
