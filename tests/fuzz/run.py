"""Sends files through the door, and measures what reading each took."""

from __future__ import annotations

import io
import logging
import random
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.bombs import bomb
from tests.fuzz.mutations import mutated
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.imaging.sandbox import client

MAX_CPU, MAX_MEMORY = 5.5, 600_000_000
"""Seconds, of which the system counts whole ones, and bytes."""
REFUSALS = (
    "empty", "not_a_picture", "animated", "too_many_pixels", "damaged", "too_large", "out_of_memory",
    "unsupported_kind",
)  # fmt: skip


@dataclass
class Figures:
    """What came of it."""

    files: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    max_cpu: tuple[float, str] = (0.0, "")
    max_memory: tuple[int, str] = (0, "")
    servers: int = 0
    faults: list[str] = field(default_factory=list)
    """Errors that are no refusals: each would be a 500."""

    @property
    def is_good(self) -> bool:
        return not self.faults and self.max_cpu[0] <= MAX_CPU and self.max_memory[0] <= MAX_MEMORY and self.servers == 1

    def __str__(self) -> str:
        lines = [
            f"{self.files:,} files in {self.seconds:,.0f} s, {self.files / max(1e-9, self.seconds):.0f} per second",
            f"outcomes: {dict(self.outcomes.most_common())}",
            f"children that were ended: {sum(self.ended.values())} {dict(self.ended.most_common())}",
            f"most CPU for one file: {self.max_cpu[0]:.2f} s ({self.max_cpu[1]})",
            f"most memory of one process: {self.max_memory[0] / 1e6:.0f} MB ({self.max_memory[1]})",
            f"servers started: {self.servers}",
            f"faults: {len(self.faults)}",
            *self.faults[:5],
        ]
        return "\n".join(lines)


def run(mutations: int, bombs: int, *, seed: int, threads: int = 2, say: bool = False) -> Figures:
    """Send so many files of each sort through `intake.examine_source`."""
    figures = Figures()
    lock = threading.Lock()
    local = threading.local()
    servers: set[int] = set()
    ask = client._ask
    logging.getLogger("upscaler.imaging.intake").setLevel(logging.ERROR)

    def asked(*arguments: Any) -> Any:
        try:
            answer = ask(*arguments)
        except client.Stopped as stopped:
            local.stopped = str(stopped)
            local.used.append(getattr(stopped, "used", {}) or {})
            raise
        local.used.append(answer[0].get("used", {}))
        return answer

    def one(number: int) -> None:
        # Of its own for each file, so that any can be made again.
        chance = random.Random(f"{seed} {number}")
        name, content = mutated(chance) if number < mutations else bomb(chance)
        local.used, local.stopped = [], ""
        outcome = fault = ""
        try:
            intake.examine_source(io.BytesIO(content), name="x")
            outcome = "taken"
        except PublicError as error:
            outcome = error.code
            if error.code not in REFUSALS:
                fault = f"{name} ({number}): {error.code} {error.message}"
        except Exception:
            fault = f"{name} ({number}): {traceback.format_exc()}"
        with lock:
            figures.files += 1
            figures.outcomes[outcome] += 1
            if fault:
                figures.faults.append(fault)
            if local.stopped:
                figures.ended[name] += 1
            for used in local.used:
                label = f"{name} ({number}, {len(content):,} bytes)"
                figures.max_cpu = max(figures.max_cpu, (used.get("cpu", 0.0), label))
                figures.max_memory = max(figures.max_memory, (used.get("memory", 0), label))
            servers.add(client._pool.server_pid() or 0)
            if say and figures.files % 5000 == 0:
                figures.seconds = time.monotonic() - began
                print(figures, flush=True)

    client._ask = asked
    began = time.monotonic()
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, range(mutations + bombs)))
    finally:
        client._ask = ask
    figures.seconds = time.monotonic() - began
    figures.servers = len(servers)
    return figures
