"""A network over a whole picture, in overlapping tiles that fade into one another.

The tiles come out one after the other as rectangles that do not overlap and need no further work, so that nobody has to
hold the whole picture as floating point numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from upscaler.engines.local.inference import Means, Networks
from upscaler.engines.local.networks import Network
from upscaler.engines.local.resample import reflected, smoothstep
from upscaler.imaging.samples import Floats, Samples, to_floats

PROBES = 3
"""How many squares there are along each side of a picture from which its channel means are taken."""


@dataclass(frozen=True)
class Block:
    """A finished rectangle of the enlarged picture, in enlarged pixels."""

    top: int
    left: int
    pixels: Floats
    """RGB from 0 to 255, unrounded, (height, width, 3)."""

    @property
    def area(self) -> tuple[slice, slice]:
        """Where it belongs, to index an array with."""
        height, width = self.pixels.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True)
class Axis:
    """How one side of a picture is cut. Lengths in source pixels."""

    length: int
    core: int
    """What one tile contributes; the last may reach beyond the picture."""
    overlap: int
    count: int

    @classmethod
    def cut(cls, length: int, network: Network) -> Axis:
        """As few tiles as the network's tile size allows, all of one size and that no larger than needed."""
        longest, overlap = network.tile - 2 * network.crop, network.feather
        count = max(1, -(-(length - overlap) // (longest - overlap)))
        needed = -(-(length + (count - 1) * overlap) // count)
        inputs = -(-(needed + 2 * network.crop) // network.step) * network.step
        return cls(length, min(inputs, network.tile) - 2 * network.crop, overlap, count)

    def inputs(self, network: Network) -> int:
        """The side of what the network is given for one tile."""
        return self.core + 2 * network.crop

    def start(self, number: int) -> int:
        """The first source pixel of a tile."""
        return number * (self.core - self.overlap)

    def stop(self, number: int) -> int:
        """The source pixel at which the next tile takes over, or the end of the picture."""
        return self.length if number == self.count - 1 else self.start(number + 1)


def enlarge(
    source: Samples,
    network: Network,
    networks: Networks,
    wanted: Callable[[slice, slice], bool] = lambda rows, columns: True,
) -> Iterator[Block]:
    """The blocks of ``source``, RGB (height, width, 3), enlarged by ``network``: row by row, one for each tile.

    Before a tile is run, ``wanted`` is asked with its rows and columns in the source. Where it says no, the network is
    spared and that tile counts as black: for callers that give those pixels no weight. It is spared, too, where all of
    a tile is of one colour, which stays as it is.
    """
    height, width = source.shape[:2]
    down, across = Axis.cut(height, network), Axis.cut(width, network)
    scale = network.scale
    feather = network.feather * scale
    ramp = smoothstep((np.arange(feather) + 0.5) / feather)
    means = _means(source, network, networks) if takes_means(down, across, network) else ()
    above: list[Floats] = []
    for row in range(down.count):
        top, bottom = down.start(row), down.stop(row)
        below: list[Floats] = []
        beside: Floats | None = None
        for column in range(across.count):
            left, right = across.start(column), across.stop(column)
            rows, columns = slice(top, min(top + down.core, height)), slice(left, min(left + across.core, width))
            pixels = with_border(source, top, left, down.core, across.core, network.crop)
            if not wanted(rows, columns):
                tile = np.zeros((down.core * scale, across.core * scale, 3), np.float32)
            elif (pixels == pixels[0, 0]).all():
                tile = np.full((down.core * scale, across.core * scale, 3), to_floats(pixels[0, 0]))
            else:
                tile = networks.run(network, to_floats(pixels), means)
            if beside is not None:
                tile[:, : len(ramp)] = _fade(beside, tile[:, : len(ramp)], ramp[None, :, None])
            beside = tile[:, (right - left) * scale :][:, : len(ramp)].copy()
            visible = tile[:, : (right - left) * scale]
            if row:
                visible[: len(ramp)] = _fade(above[column], visible[: len(ramp)], ramp[:, None, None])
            below.append(visible[(bottom - top) * scale :][: len(ramp)].copy())
            yield Block(top * scale, left * scale, visible[: (bottom - top) * scale])
        above = below


def work(height: int, width: int, network: Network) -> float:
    """Megapixels that ``network`` makes of a picture of that size, with its tiles' borders and the looks for means."""
    down, across = Axis.cut(height, network), Axis.cut(width, network)
    pixels = down.count * across.count * down.inputs(network) * across.inputs(network)
    if takes_means(down, across, network):
        pixels += (PROBES * (network.probe + 2 * network.crop)) ** 2
    return pixels * network.scale**2 / 1e6


def needed(
    source: Samples,
    network: Network,
    wanted: Callable[[slice, slice], bool] = lambda rows, columns: True,
    *,
    enlarged: int = 1,
) -> float:
    """Of the megapixels of ``work``, those that ``enlarge`` will have the network make of ``source``.

    With ``enlarged``, of the source so many times its size, as an earlier network gives it: about so, since that draws
    beyond an edge by a pixel or two.
    """
    height, width = source.shape[0] * enlarged, source.shape[1] * enlarged
    down, across = Axis.cut(height, network), Axis.cut(width, network)
    tile, pixels, border = down.inputs(network) * across.inputs(network), 0, -(-network.crop // enlarged)
    for row in range(down.count):
        for column in range(across.count):
            top, left = down.start(row), across.start(column)
            rows, columns = slice(top, min(top + down.core, height)), slice(left, min(left + across.core, width))
            if wanted(rows, columns):
                sides = -(-down.core // enlarged), -(-across.core // enlarged)
                seen = with_border(source, top // enlarged, left // enlarged, *sides, border)
                pixels += 0 if (seen == seen[0, 0]).all() else tile
    if takes_means(down, across, network):
        pixels += (PROBES * (network.probe + 2 * network.crop)) ** 2
    return pixels * network.scale**2 / 1e6


def takes_means(down: Axis, across: Axis, network: Network) -> bool:
    """Whether the network's means are taken over the whole picture before its tiles: one tile takes its own."""
    return network.pools and down.count * across.count > 1


def _means(source: Samples, network: Network, networks: Networks) -> Means:
    """The channel means for all tiles of a picture: each taking its own, they would differ where they meet."""
    height, width = source.shape[:2]
    squares = [
        with_border(source, top, left, network.probe, network.probe, network.crop)
        for top in _spread(height, network.probe)
        for left in _spread(width, network.probe)
    ]
    return networks.means(network, to_floats(np.stack(squares)))


def _spread(length: int, probe: int) -> list[int]:
    return [max(0, round((length - probe) * number / (PROBES - 1))) for number in range(PROBES)]


def _fade(before: Floats, after: Floats, ramp: Floats) -> Floats:
    faded: Floats = before + (after - before) * ramp
    return faded


def with_border(source: Samples, top: int, left: int, height: int, width: int, border: int) -> Samples:
    """A rectangle of ``source`` and what is around it, mirrored where the picture ends."""
    rows = np.arange(top - border, top + height + border)
    columns = np.arange(left - border, left + width + border)
    inside = rows[0] >= 0 and columns[0] >= 0 and rows[-1] < source.shape[0] and columns[-1] < source.shape[1]
    if inside:
        return np.ascontiguousarray(source[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return source[np.ix_(reflected(rows, source.shape[0]), reflected(columns, source.shape[1]))]
