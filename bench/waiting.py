"""How soon another team's picture is taken up where ten thousand wait, and how much the sweep says meanwhile."""

from __future__ import annotations

import os
import statistics
import time

from bench import report
from bench.whole_desk import asked, in_each_mode, order_many, whole_desk
from tests.support import pictures
from tests.support.live_server import Desk, until

WAITING = int(os.environ.get("WAITING_PICTURES", "10000"))
MODES = tuple(os.environ.get("WAITING_MODES", "embedded,cluster").split(","))
PICTURES, TEAMS = 12, 3
"""Of others, one after the other."""
BEYOND_GOAL, LINES_GOAL = 2.0, 10
STARTS = """
import json
from upscaler.models import Upscale
ended = Upscale.objects.exclude(started_at=None).order_by("started_at")
at = lambda moment: moment and moment.timestamp()
print(json.dumps([[row.pk, at(row.created_at), at(row.started_at), at(row.completed_at)] for row in ended]))
"""


def run() -> str:
    """Measure all; Markdown."""
    about = (
        f"`make bench PART=waiting`. One team orders {WAITING:,} pictures of 24 × 20 pixels in batches over the API, "
        f"and the workers begin. Then {PICTURES} other pictures, each of a team of which nothing else waits, are "
        "ordered one after the other, each when the one before has ended. How long one waited beyond the pictures that "
        "were at hand when it was ordered: from the end of the first of those, or from its order where none was, to "
        "its own begin. Lines are those of the desk's log in the same time; the sweep runs every 10 s."
    )
    return "\n\n".join([about, *in_each_mode(MODES, _measured)])


def _measured(mode: str) -> str:
    with whole_desk(mode, credits=2 * WAITING) as desk:
        token = desk.token()
        began = time.monotonic()
        order_many(desk, token, WAITING)
        ordering = time.monotonic() - began
        others = [desk.token_of_new_team() for _ in range(TEAMS)]
        desk.start_worker()
        until(lambda: _is_any_done(desk), what="the first is done", seconds=300)
        lines_before, began = desk.log.read_text().count("\n"), time.monotonic()
        ordered = [_ordered(desk, others[number % TEAMS], number) for number in range(PICTURES)]
        minutes = (time.monotonic() - began) / 60
        lines = desk.log.read_text().splitlines()[lines_before:]
        starts = {pk: (created, started, ended) for pk, created, started, ended in asked(desk, STARTS)}
        desk.stop_worker()
    beyond = [_beyond(number, starts) for number in ordered]
    sweeps = sum("sweep" in line for line in lines) / minutes
    done = len([ended for _, _, ended in starts.values() if ended])
    rows = [
        [f"{WAITING:,} pictures ordered", f"{ordering:.1f} s", ""],
        [
            "begun after the picture at hand, the latest of all",
            f"{max(beyond):.2f} s, half of them {statistics.median(beyond):.2f} s",
            f"{BEYOND_GOAL:g} s: {report.verdict(max(beyond), BEYOND_GOAL, at_most=True)}",
        ],
        [
            "lines of the sweep a minute",
            f"{sweeps:.1f}",
            f"under {LINES_GOAL}: {report.verdict(sweeps, LINES_GOAL, at_most=True)}",
        ],
        ["all lines a minute, and how many belong to pictures", _all_lines(lines, minutes), ""],
        ["pictures done meanwhile, of which one team's waited", f"{done:,}", ""],
    ]
    return report.table(["what", "measured", "goal"], rows)


def _is_any_done(desk: Desk) -> bool:
    rows = desk.api("get", "generations?status=Done&items_per_page=1", desk.token(), timeout=120).json()
    return bool(rows["total_count"])


def _ordered(desk: Desk, token: str, number: int) -> int:
    """One picture, once it has ended."""
    one = desk.submit(token, pictures.jpeg((24, 20)) + b"other %d" % number, model_name="recraft")
    until(lambda: desk.generation(token, one)["status"] == "Done", what="another team's picture ends", seconds=600)
    report.progress(f"{desk.mode}: {number + 1} of {PICTURES}")
    return one


def _beyond(number: int, starts: dict[int, tuple[float, float, float | None]]) -> float:
    """Seconds from when a worker was free for it to its begin."""
    created, started, _ = starts[number]
    at_hand = [
        ended or started
        for pk, (_, begun, ended) in starts.items()
        if pk != number and begun < created and (ended is None or ended > created)
    ]
    return started - (min(at_hand) if at_hand else created)


def _all_lines(lines: list[str], minutes: float) -> str:
    about = sum("upscale " in line for line in lines)
    return f"{len(lines) / minutes:.0f}, {about / minutes:.0f}"
