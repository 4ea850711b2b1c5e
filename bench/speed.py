"""Output megapixels per second of each network, in this engine and with the same weights elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from functools import cache
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import report, rivals, roofline
from bench.photographs import named, whole
from upscaler.engines.local.networks import CUNET, PHOTO, X4PLUS, Network

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

ROUNDS = 5
PAUSE = 0.3
"""Seconds between two runners: the threads of some wait actively for a while after their work."""
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


def run() -> str:
    """All networks, one after the other, and the share of the machine's peak."""
    measured: list[tuple[Network, list[Entrant], list[str]]] = []
    peaks: dict[str, tuple[float, int]] = {}
    for network in (CUNET, PHOTO, X4PLUS):
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
    lines: list[str] = []
    for network, entrants, left_out in measured:
        flops = (
            2 * roofline.multiply_adds(rivals.model(network, network.tile)) / _megapixels(network, network.tile) / 1e9
        )
        lines += [f"### {network.name}", "", _table(entrants, flops, peaks), "", *left_out]
    best = "; ".join(f"{name}: {rate:.0f} GFLOP/s at {size} × {size}" for name, (rate, size) in sorted(peaks.items()))
    return "\n".join(
        [
            f"Output megapixels per second of one tile, without the border that is thrown away. All take turns, "
            f"{ROUNDS} rounds after a warm-up, and the median counts. “this engine is” compares the first line with "
            "the others, round by round, and takes the median. PSNR is against this engine in f32, on a tile of a "
            "photograph. This engine's time includes turning bytes into numbers; the others' leaves out the way back "
            "from numbers to a picture. ncnn runs with its default options at the same tile size; other options and "
            f"tile sizes were tried, and where some were faster by {NCNN_CLEARLY - 1:.0%} or more the best are a line "
            "of their own.",
            "",
            *lines,
            "",
            f"The machine's best matrix products through OpenVINO: {best}. GFLOP/s counts the multiplications and "
            "additions that the convolutions ask for; ncnn and others make fewer where they use Winograd's algorithm "
            "for 3 × 3 kernels, so that their share is no measure of how busy they keep the processor.",
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
    for name, add in (("ncnn", _ncnn), ("onnxruntime", _onnxruntime)):
        try:
            entrants += add(network)
        except ImportError as error:
            line = f"**{name} IS LEFT OUT: it is not installed ({error}).**"
            print(line, file=sys.stderr)
            left_out += [line, ""]
    return entrants, left_out


def _ncnn(network: Network) -> list[Entrant]:
    usual = rivals.ncnn(network)
    tiles = {network.tile} | {round(share * network.tile / 4) * 4 for share in NCNN_TILES}
    rates = {tile: _tried(network, usual, tile) for tile in tiles}
    tile = max(rates, key=rates.__getitem__)
    best, options = rates[tile], NCNN_OPTIONS[0]
    for others in NCNN_OPTIONS[1:]:
        # one at a time: each holds gigabytes while it lives
        rate = _tried(network, rivals.ncnn(network, **others), tile)
        if rate > best:
            best, options = rate, others
    entrants = [_entrant(network, usual, network.tile)]
    if best > NCNN_CLEARLY * rates[network.tile]:
        entrants.append(_entrant(network, rivals.ncnn(network, **options), tile))
    return entrants


def _onnxruntime(network: Network) -> list[Entrant]:
    return [_entrant(network, rivals.onnxruntime(network, network.tile), network.tile)]


def _tried(network: Network, runner: rivals.Runner, tile: int) -> float:
    """Megapixels per second of the second of two runs."""
    runner.run(_tile(tile))
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


def _seconds(runner: rivals.Runner, pixels: Bytes) -> float:
    time.sleep(PAUSE)
    began = time.perf_counter()
    runner.run(pixels)
    return time.perf_counter() - began


def _psnr(result: Floats, reference: Floats) -> float:
    error = float(np.mean((result.clip(0, 255) - reference.clip(0, 255)) ** 2))
    return 10 * np.log10(255**2 / error) if error else np.inf


def _precision(entrant: Entrant) -> str:
    return "bf16" if "bf16" in entrant.name else "f32"


def _table(entrants: list[Entrant], gflop_per_megapixel: float, peaks: dict[str, tuple[float, int]]) -> str:
    first = entrants[0]
    rows = []
    for entrant in entrants:
        times = median(
            theirs / entrant.megapixels / (ours / first.megapixels)
            for ours, theirs in zip(first.seconds, entrant.seconds, strict=True)
        )
        achieved = entrant.rate * gflop_per_megapixel
        share = achieved / peaks[_precision(entrant)][0]
        rows.append(
            [
                entrant.name,
                entrant.tile,
                f"{entrant.rate:.3g}",
                "" if entrant is first else f"{times:.2f} times",
                "reference" if np.isinf(entrant.psnr) else f"{entrant.psnr:.1f}",
                f"{achieved:.0f}",
                f"{share:.0%} of {_precision(entrant)}",
            ]
        )
    head = ["", "tile", "MP/s", "this engine is", "PSNR dB", "GFLOP/s", "of the best matmul"]
    return report.table(head, rows)
