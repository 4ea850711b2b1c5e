"""Output megapixels per second of each network, in this engine and with the same weights elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import report, results, rivals, roofline
from bench.photographs import named, whole
from upscaler.engines.local.networks import CUNET, DAT_4X, PHOTO, SRMD_CLEAN_4X, X4PLUS, Network

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

ROUNDS = 3
BURST = 1.0
"""Seconds that one runner works in a round, tile after tile, as in a picture: after a pause the first is slower."""
PAUSE = 0.3
"""Seconds between two runners: the threads of some wait actively for a while after their work."""
COMPARED = (CUNET, PHOTO, X4PLUS)
"""Those that the others run with the same weights; neither takes SRMD's planes or DAT's file as they are."""
ALONE = (DAT_4X, SRMD_CLEAN_4X)
NCNN_MOST = {X4PLUS.name: 160}
"""The largest tile for ncnn, where a larger one takes too much memory: x4plus at 312 took 15 GB, which grow with the
tile's area."""
NCNN_TILES = (0.6, 1.4)
"""Tile sizes tried with ncnn, as shares of this engine's."""
NCNN_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"use_bf16_storage": True},
    {"use_winograd_convolution": False},
    {"use_sgemm_convolution": False},
)
NCNN_CLEARLY = 1.03
"""By how much other settings of ncnn must win to be a runner of their own."""


@dataclass
class Entrant:
    """One runner at its tile size, and what was measured."""

    name: str
    runner: rivals.Runner | None
    """None once it has run: each holds gigabytes."""
    tile: int
    psnr: float
    megapixels: float
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Output megapixels per second, of the median round."""
        return self.megapixels / median(self.seconds)


def run() -> dict[str, Any]:
    """All networks, one after the other, and the share of the machine's peak."""
    measured: list[tuple[Network, list[Entrant], list[str]]] = []
    peaks: dict[str, tuple[float, int]] = {}
    for network in (*COMPARED, *ALONE):
        entrants, left_out = _entrants(network)
        for number in range(ROUNDS):
            report.progress(f"{network.name}: round {number + 1} of {ROUNDS}, {len(entrants)} runners")
            for entrant in entrants:
                entrant.seconds.append(_seconds(entrant.runner, _tile(entrant.tile)))
        for name in {_precision(entrant) for entrant in entrants}:
            # the best of several moments: something else may run at one of them
            peaks[name] = max(peaks.get(name, (0.0, 0)), roofline.matmul(name))
        for entrant in entrants:
            entrant.runner = None
        measured.append((network, entrants, left_out))
    networks = {}
    for network, entrants, left_out in measured:
        flops = None
        if network in COMPARED:
            multiply_adds = roofline.multiply_adds(rivals.model(network, network.tile))
            flops = 2 * multiply_adds / _megapixels(network, network.tile) / 1e9
        networks[network.name] = {"rows": _rows(entrants, flops, peaks), "left_out": left_out}
    best = "; ".join(f"{name}: {rate:.0f} GFLOP/s at {size} × {size}" for name, (rate, size) in sorted(peaks.items()))
    return {"networks": networks, "best": best, "timed": f"tiles back to back, {BURST:g} s at a time, as in a picture"}


def render(by_kind: Mapping[str, dict[str, Any]]) -> str:
    """The rows of each kind of processor, side by side."""
    lines: list[str] = []
    columns = {"MP/s": "rate", "this engine is": "times", "PSNR dB": "psnr", "of the best matmul": "share"}
    for name in dict.fromkeys(name for found in by_kind.values() for name in found["networks"]):
        here = {kind: found["networks"][name] for kind, found in by_kind.items() if name in found["networks"]}
        heads, cells = results.side_by_side({kind: found["rows"] for kind, found in here.items()}, columns)
        lines += [f"### {name}", "", report.table(["", *heads], [[row, *found] for row, found in cells.items()]), ""]
        for kind, found in here.items():
            lines += [f"{results.title(kind)}: {line}\n" for line in found["left_out"]]
    timed = "; ".join(f"{results.title(kind)}: {found['timed']}" for kind, found in by_kind.items())
    best = "; ".join(f"{results.title(kind)}: {found['best']}" for kind, found in by_kind.items())
    return "\n".join(
        [
            "Output megapixels per second, without the border of each tile that is thrown away. Timed were: "
            f"{timed}. All take turns, {ROUNDS} rounds after a warm-up, and the "
            "median counts. “this engine is” compares the first line with the others, round by round, and takes the "
            "median. PSNR is against this engine in f32, on a tile of a photograph. This engine's time includes "
            "turning bytes into numbers; the others' leaves out the way back from numbers to a picture. ncnn runs "
            "with its default options at the same tile size, or a smaller one where that takes too much memory; other "
            f"options and tile sizes were tried, and where some were faster by {NCNN_CLEARLY - 1:.0%} or more the best "
            "are a line of their own. DAT and SRMD are this engine's alone.",
            "",
            *lines,
            f"The machines' best matrix products through OpenVINO: {best}. The share of them counts the "
            "multiplications and additions that the convolutions ask for; ncnn and others make fewer where they use "
            "Winograd's algorithm for 3 × 3 kernels, so that their share is no measure of how busy they keep the "
            "processor.",
        ]
    )


def _entrants(network: Network) -> tuple[list[Entrant], list[str]]:
    """Everybody who runs this network here, warmed up, and a line for each who can't."""
    report.progress(f"{network.name}: warming up, and looking for the best settings of ncnn")
    left_out = []
    auto = rivals.engine(network, "auto")
    entrants = [_entrant(network, auto, network.tile)]
    if "f32" not in auto.name:
        entrants.append(_entrant(network, rivals.engine(network, "f32"), network.tile))
    for name, add in (("ncnn", _ncnn), ("onnxruntime", _onnxruntime)) if network in COMPARED else ():
        try:
            entrants += add(network)
        except ImportError as error:
            line = f"**{name} IS LEFT OUT: it is not installed ({error}).**"
            print(line, file=sys.stderr)
            left_out += [line, ""]
    return entrants, left_out


def _ncnn(network: Network) -> list[Entrant]:
    usual = rivals.ncnn(network)
    most = NCNN_MOST.get(network.name, round(max(NCNN_TILES) * network.tile))
    first = min(network.tile, most)
    tiles = {first} | {min(most, round(share * network.tile)) // 4 * 4 for share in NCNN_TILES}
    rates = {tile: _tried(network, usual, tile) for tile in tiles}
    tile = max(rates, key=rates.__getitem__)
    best, options = rates[tile], NCNN_OPTIONS[0]
    for others in NCNN_OPTIONS[1:]:
        # one at a time: each holds gigabytes while it lives
        rate = _tried(network, rivals.ncnn(network, **others), tile)
        if rate > best:
            best, options = rate, others
    entrants = [_entrant(network, usual, first)]
    if best > NCNN_CLEARLY * rates[first]:
        entrants.append(_entrant(network, rivals.ncnn(network, **options), tile))
    return entrants


def _onnxruntime(network: Network) -> list[Entrant]:
    return [_entrant(network, rivals.onnxruntime(network, network.tile), network.tile)]


def _tried(network: Network, runner: rivals.Runner, tile: int) -> float:
    """Megapixels per second."""
    return _megapixels(network, tile) / _seconds(runner, _tile(tile))


def _entrant(network: Network, runner: rivals.Runner, tile: int) -> Entrant:
    result = runner(_tile(tile))
    return Entrant(runner.name, runner, tile, _psnr(result, _reference(network, tile)), _megapixels(network, tile))


@cache
def _tile(size: int) -> Bytes:
    return np.ascontiguousarray(np.asarray(whole(named("astronaut")))[:size, 60 : 60 + size])


@cache
def _reference(network: Network, tile: int) -> Floats:
    return rivals.engine(network, "f32")(_tile(tile))


def _megapixels(network: Network, tile: int) -> float:
    """What is kept of what the network gives for a tile."""
    return ((tile - 2 * network.crop) * network.scale) ** 2 / 1e6


def _seconds(runner: rivals.Runner | None, pixels: Bytes) -> float:
    """For one tile of a burst."""
    assert runner is not None
    time.sleep(PAUSE)
    runner.run(pixels)
    count, began = 0, time.perf_counter()
    while not count or time.perf_counter() - began < BURST:
        runner.run(pixels)
        count += 1
    return (time.perf_counter() - began) / count


def _psnr(result: Floats, reference: Floats) -> float:
    error = float(np.mean((result.clip(0, 255) - reference.clip(0, 255)) ** 2))
    return 10 * np.log10(255**2 / error) if error else np.inf


def _precision(entrant: Entrant) -> str:
    return "bf16" if "bf16" in entrant.name else "f32"


def _rows(
    entrants: list[Entrant], gflop_per_megapixel: float | None, peaks: dict[str, tuple[float, int]]
) -> list[dict[str, str]]:
    first = entrants[0]
    rows = []
    for entrant in entrants:
        times = median(
            theirs / entrant.megapixels / (ours / first.megapixels)
            for ours, theirs in zip(first.seconds, entrant.seconds, strict=True)
        )
        share = ""
        if gflop_per_megapixel is not None:
            of_best = entrant.rate * gflop_per_megapixel / peaks[_precision(entrant)][0]
            share = f"{of_best:.0%} of {_precision(entrant)}"
        rows.append(
            {
                "row": f"{entrant.name}, tile {entrant.tile}",
                "rate": f"{entrant.rate:.3g}",
                "times": "" if entrant is first else f"{times:.2f} times",
                "psnr": "reference" if np.isinf(entrant.psnr) else f"{entrant.psnr:.1f}",
                "share": share,
            }
        )
    return rows
