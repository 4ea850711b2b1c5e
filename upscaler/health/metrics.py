"""What `/metrics` tells Prometheus: all of it read from the database, so that each web process gives the same figures,
and those of the workers, wherever they are."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from upscaler.health.overview import lanes, storage
from upscaler.models import (
    Email,
    EngineState,
    NetworkSpeed,
    Team,
    UsageDay,
    UsageTime,
    WebhookDelivery,
)
from upscaler.queue import workers as processes
from upscaler.storage import team_room
from upscaler.usage.counts import BOUNDS

KEEP_FOR = 5.0
"""Seconds for which a process gives the figures that it read last: whoever asks often costs no more."""
TIME_BOUNDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds at which the histogram of times to a result is cut."""

_last: tuple[float, bytes] | None = None
_reading = threading.Lock()


def recent_text() -> bytes:
    """The figures in Prometheus' text format, read a moment ago at most."""
    global _last
    with _reading:
        if _last is None or time.monotonic() - _last[0] >= KEEP_FOR:
            _last = (time.monotonic(), text())
        return _last[1]


def text() -> bytes:
    """The figures as they are now, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Desk())
    return generate_latest(registry)


class _Desk(Collector):
    def collect(self) -> Iterator[Metric]:
        """Every family, each from one query or two."""
        for of in FAMILIES:
            yield from of()


def _queue() -> Iterator[Metric]:
    waiting = GaugeMetricFamily("upscaler_waiting_upscales", "Upscales that wait for a worker.", labels=["lane"])
    oldest = GaugeMetricFamily(
        "upscaler_oldest_waiting_seconds", "How long ago the oldest of them was ordered.", labels=["lane"]
    )
    running = GaugeMetricFamily("upscaler_running_upscales", "Upscales that a worker has in hand.", labels=["lane"])
    now = timezone.now()
    for lane in lanes():
        waiting.add_metric([lane.name], lane.waiting)
        running.add_metric([lane.name], lane.running)
        oldest.add_metric([lane.name], (now - lane.oldest).total_seconds() if lane.oldest else 0)
    yield from (waiting, oldest, running)


def _ended() -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "upscaler_upscales", "Upscales that ended.", labels=["status", "engine", "model", "error_code"]
    )
    pixels = CounterMetricFamily("upscaler_result_megapixels", "Megapixels of results.", labels=["engine", "model"])
    made = Counter[tuple[str, str]]()
    by = ("status", "engine", "model_name", "error_code")
    for *labels, upscales, of_results in (
        UsageDay.objects.order_by().values_list(*by).annotate(Sum("upscales"), Sum("pixels")).iterator()
    ):
        ended.add_metric(labels, upscales)
        made[labels[1], labels[2]] += of_results
    for key, total in sorted(made.items()):
        pixels.add_metric(key, total / 1e6)
    yield from (ended, pixels)


def _times() -> Iterator[Metric]:
    times = HistogramMetricFamily(
        "upscaler_time_to_result_seconds",
        "From the order to the stored result; the buckets are exact to a tenth.",
        labels=["model"],
    )
    found: dict[str, Counter[int]] = {}
    rows = UsageTime.objects.order_by().values_list("model_name", "bucket").annotate(Sum("upscales"))
    for model, bucket, upscales in rows:
        found.setdefault(model, Counter())[bucket] += upscales
    for model, buckets in sorted(found.items()):
        longest = {bucket: BOUNDS[min(bucket, len(BOUNDS) - 1)] for bucket in buckets}
        below = [
            (str(float(bound)), float(sum(count for bucket, count in buckets.items() if longest[bucket] <= bound)))
            for bound in TIME_BOUNDS
        ]
        total = sum(longest[bucket] * count for bucket, count in buckets.items())
        times.add_metric([model], [*below, ("+Inf", float(sum(buckets.values())))], total)
    yield times


def _credits() -> Iterator[Metric]:
    moved = CounterMetricFamily(
        "upscaler_credits", "Credits of upscales that ended: charged, and given back.", labels=["kind"]
    )
    # From the counts: the ledger has a row or two for each upscale.
    for kind, amount in UsageDay.objects.aggregate(charge=Sum("credits"), refund=Sum("refunded")).items():
        moved.add_metric([kind], amount or 0)
    balance = GaugeMetricFamily("upscaler_balance_credits", "Credits that all teams have left.")
    balance.add_metric([], Team.objects.aggregate(total=Sum("balance"))["total"] or 0)
    yield from (moved, balance)


def _engines() -> Iterator[Metric]:
    up = GaugeMetricFamily("upscaler_engine_up", "Whether the remote engine answers.", labels=["engine"])
    failures = GaugeMetricFamily(
        "upscaler_engine_failed_calls", "Calls in a row that got no answer.", labels=["engine"]
    )
    for state in EngineState.objects.order_by("engine"):
        up.add_metric([state.engine], 0 if state.retry_at else 1)
        failures.add_metric([state.engine], state.failures)
    speed = GaugeMetricFamily(
        "upscaler_network_seconds_per_unit",
        "What a unit of a step's work takes, mostly a megapixel, in the latest jobs.",
        labels=["processor", "step", "precision", "threads"],
    )
    for row in NetworkSpeed.objects.exclude(work=0):
        speed.add_metric([row.processor, row.step, row.precision, str(row.threads)], row.rate)
    yield from (up, failures, speed)


def _messages() -> Iterator[Metric]:
    webhooks = GaugeMetricFamily("upscaler_waiting_webhooks", "Deliveries that are still to be sent or tried again.")
    webhooks.add_metric([], WebhookDelivery.objects.filter(due_at__isnull=False).count())
    emails = GaugeMetricFamily("upscaler_waiting_emails", "E-mails that are still to be sent or tried again.")
    emails.add_metric([], Email.objects.filter(sent_at=None, expires_at__gt=timezone.now()).count())
    yield from (webhooks, emails)


def _workers() -> Iterator[Metric]:
    alive = GaugeMetricFamily("upscaler_alive_workers", "Worker processes that are alive.", labels=["queue"])
    counts = Counter(processes.alive().values_list("queue", flat=True))
    for queue in settings.QUEUES:
        alive.add_metric([queue], counts[queue])
    yield alive


def _storage() -> Iterator[Metric]:
    kept = GaugeMetricFamily(
        "upscaler_storage_bytes", "Of the disk with the pictures; none of a bucket.", labels=["state"]
    )
    place = storage("")
    if place.total_bytes is not None and place.used_bytes is not None:
        kept.add_metric(["used"], place.used_bytes)
        kept.add_metric(["free"], place.total_bytes - place.used_bytes)
    files = GaugeMetricFamily("upscaler_kept_bytes", "Of files that are kept for all teams.", labels=["kind"])
    for kind, amount in team_room.of_desk().items():
        files.add_metric([kind], amount)
    full = GaugeMetricFamily("upscaler_full_teams", "Teams that keep as many files as they may, or more.")
    full.add_metric([], team_room.full_teams())
    yield from (kept, files, full)


FAMILIES: tuple[Callable[[], Iterator[Metric]], ...] = (
    _queue,
    _ended,
    _times,
    _credits,
    _engines,
    _messages,
    _workers,
    _storage,
)
