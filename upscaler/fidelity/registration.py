"""Where a result lies over its source: turned, mirrored, shifted by parts of a pixel, cropped, padded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.fidelity.grids import around
from upscaler.imaging.reducing import Reduced
from upscaler.imaging.samples import Floats, Samples

THUMBNAIL = 128
"""Side of the squares by which it is told how a result is turned."""
TURNED_LIKENESS, TURNED_MARGIN = 0.75, 0.3
"""Correlation of the details from which a turned picture is taken for the source, and by how much it must be more than
that of the picture as it is: what is symmetric is not called mirrored."""
TURNS = (
    "",
    "turned left",
    "upside down",
    "turned right",
    "mirrored",
    "mirrored and turned right",
    "flipped",
    "mirrored and turned left",
)
"""What was done to a result, by how it is turned back: number of quarter turns, after a mirroring from 4 on."""
BLOCK = 64
"""Side of the squares that are looked for in the result, in pixels; in large pictures twice that."""
BLOCKS_A_SIDE = 7
MIN_BLOCKS = 5
SURE_PEAK = 0.12
"""Height of a square's peak, from 0 to 1, from which its shift counts."""
EVEN = 0.6
"""Deviation of brightness, L from 0 to 100, under which a square has nothing to be found by."""
STAYS = 0.12
"""Pixels: a shift smaller than that at all corners is none, and nothing is resampled."""
COARSE = 400
"""Pixels of the longest side in which the shift of all of a picture is looked for first."""
CLEARLY = 0.98
MAX_ZOOM = 0.3

Doubles = npt.NDArray[np.float64]
Affine = tuple[float, float, float, float]
"""``ax, bx, ay, by``: a source's pixel x, y lies at ax + bx * x, ay + by * y in the result's small copy. Centres of
pixels have whole numbers."""


@dataclass(frozen=True)
class Frame:
    """What became of the frame."""

    turned: str
    """One of ``TURNS``; empty where it stands as it did."""
    lost: tuple[float, float, float, float]
    """How much of the source is not in the result, at the left, top, right and bottom, in pixels of the pictures that
    are compared. Below 0 where the result has so much more than the source."""
    moved: float
    """How far the picture lies beside its place, in the same pixels, where it lies farthest from it."""


@dataclass(frozen=True)
class Aligned:
    """A result laid over its source."""

    result: Reduced
    """As large as the source's small copy, each pixel where the source has it."""
    seen: npt.NDArray[np.bool_]
    """(height, width): where the result has anything."""
    frame: Frame


def align(source: Reduced, result: Reduced) -> Aligned:
    """Lay ``result`` over ``source``."""
    turn = _turn(source, result)
    result = _turned_back(result, turn)
    shape = source.lab.shape[0], source.lab.shape[1]
    place = _stretched(source, result)
    luminance = _sampled(result.lab[..., 0], place, shape)
    off = _apart(source.lab[..., 0], luminance, _seen(place, shape, result))
    detail = _detail(source.lab[..., 0])
    for first in _first_guesses(source, result):
        found = _refined(detail, result, first)
        laid = _sampled(result.lab[..., 0], found, shape)
        # Clearly better: a place is not to be guessed from noise.
        if (apart := _apart(source.lab[..., 0], laid, _seen(found, shape, result))) < CLEARLY * off:
            place, off, luminance = found, apart, laid
    seen = _seen(place, shape, result)
    return Aligned(_laid(result, place, luminance), seen, Frame(TURNS[turn], *_framed(place, source, result)))


def _turn(source: Reduced, result: Reduced) -> int:
    one, other = (_thumbnail(picture) for picture in (source, result))
    likeness = [float((one * _back(other, turn)).mean()) for turn in range(8)]
    best = int(np.argmax(likeness))
    is_turned = likeness[best] >= TURNED_LIKENESS and likeness[best] >= likeness[0] + TURNED_MARGIN
    return best if is_turned else 0


def _thumbnail(picture: Reduced) -> Floats:
    """Details alone, with a mean of 0 and a deviation of 1; all 0 where there are none."""
    small = Image.fromarray(picture.lab[..., 0]).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    values = around(np.asarray(small, np.float32), 2)
    values = values - around(values, 40)
    deviation = float(values.std())
    return values / deviation if deviation > EVEN else np.zeros_like(values)


def _back(values: Samples, turn: int) -> Samples:
    if turn >= 4:
        values = values[:, ::-1]
    return np.rot90(values, -(turn % 4))


def _turned_back(picture: Reduced, turn: int) -> Reduced:
    if not turn:
        return picture
    width, height = (picture.width, picture.height) if turn % 2 == 0 else (picture.height, picture.width)
    lab, rgb = (np.ascontiguousarray(_back(values, turn)) for values in (picture.lab, picture.rgb))
    alpha = None if picture.alpha is None else np.ascontiguousarray(_back(picture.alpha, turn))
    return Reduced(width, height, lab, rgb, alpha)


def _stretched(source: Reduced, result: Reduced) -> Affine:
    """The result's edges on the source's."""
    (height, width), (tall, wide) = source.lab.shape[:2], result.lab.shape[:2]
    bx, by = wide / width, tall / height
    return (bx - 1) / 2, bx, (by - 1) / 2, by


def _first_guesses(source: Reduced, result: Reduced) -> Iterator[Affine]:
    """Enlarged as a whole; and by a whole factor, of which a part was cut off or added."""
    stretched = _stretched(source, result)
    yield stretched
    factor = max(1, round(max(result.width / source.width, result.height / source.height)))
    scale = factor * result.lab.shape[1] / result.width * source.width / source.lab.shape[1]
    if max(abs(scale / stretched[1] - 1), abs(scale / stretched[3] - 1)) * max(source.lab.shape[:2]) < 1.5:
        return
    rows, columns = (
        (there - 1) / 2 - scale * (here - 1) / 2
        for here, there in zip(source.lab.shape[:2], result.lab.shape[:2], strict=True)
    )
    yield columns, scale, rows, scale


def _refined(detail: Floats, result: Reduced, place: Affine) -> Affine:
    """A better place, by what shift each of some squares is found with."""
    shape = detail.shape[0], detail.shape[1]
    luminance = result.lab[..., 0]
    for step in range(3):
        laid = _detail(_sampled(luminance, place, shape))
        if step == 0:
            across, down = _whole_shift(detail, laid)
            if max(abs(across), abs(down)) > 3:
                place = _moved(place, (across, 0.0), (down, 0.0))
                laid = _detail(_sampled(luminance, place, shape))
        fitted = _fitted(list(_blocks(detail, laid)))
        if fitted is None:
            return place
        place = _moved(place, *fitted)
        if max(abs(value) for pair in fitted for value in (pair[0], pair[1] * max(shape))) < 0.05:
            break
    return place


def _whole_shift(one: Floats, other: Floats) -> tuple[float, float]:
    """How far all of a picture moved, to a few pixels."""
    times = -(-max(one.shape) // COARSE)
    if times > 1:
        one, other = (np.asarray(Image.fromarray(values).reduce(times), np.float32) for values in (one, other))
    across, down, _ = _shift(one, other, whole=True)
    return across * times, down * times


def _moved(place: Affine, across: tuple[float, float], down: tuple[float, float]) -> Affine:
    """``place`` after what lies at x is found at x + across[0] + across[1] * x, and the like downwards."""
    ax, bx, ay, by = place
    return ax + bx * across[0], bx * (1 + across[1]), ay + by * down[0], by * (1 + down[1])


Shift = tuple[float, float, float, float, float]
"""x and y of a square's centre, how far it moved, and how much that counts."""


def _blocks(detail: Floats, laid: Floats) -> Iterator[Shift]:
    height, width = detail.shape
    side = 2 * BLOCK if min(height, width) >= 12 * BLOCK else BLOCK
    tall, wide = min(side, height), min(side, width)
    for top in _starts(height - tall):
        for left in _starts(width - wide):
            rows, columns = slice(top, top + tall), slice(left, left + wide)
            one, other = detail[rows, columns], laid[rows, columns]
            if one.std() < EVEN or other.std() < EVEN:
                continue
            across, down, peak = _shift(one, other)
            if peak >= SURE_PEAK:
                yield left + wide / 2, top + tall / 2, across, down, peak


def _starts(last: int) -> list[int]:
    return sorted({int(at) for at in np.linspace(0, last, BLOCKS_A_SIDE)})


def _shift(one: Floats, other: Floats, *, whole: bool = False) -> tuple[float, float, float]:
    """How far ``one`` lies moved in ``other``, across and down, by phase correlation; and how clear that is, 0 to 1."""
    height, width = one.shape
    if min(height, width) < 8:
        return 0.0, 0.0, 0.0
    window = np.hanning(height)[:, None].astype(np.float32) * np.hanning(width)[None].astype(np.float32)
    spectrum = np.fft.rfft2(other * window) * np.conj(np.fft.rfft2(one * window))
    spectrum /= np.maximum(np.abs(spectrum), 1e-6) ** 0.8
    energy = float(np.abs(spectrum).sum() * 2) / (height * width)
    correlation = np.fft.irfft2(spectrum, s=(height, width))
    row, column = np.unravel_index(int(np.argmax(correlation)), correlation.shape)
    peak = float(correlation[row, column]) / max(energy, 1e-9)
    down = _vertex(correlation[:, column], int(row))
    across = _vertex(correlation[row], int(column))
    if not whole and (abs(across) > width / 4 or abs(down) > height / 4):
        return 0.0, 0.0, 0.0
    return (across, down, peak) if peak >= SURE_PEAK else (0.0, 0.0, 0.0)


def _vertex(values: Doubles, at: int) -> float:
    """The place of a peak between the values, as a shift: the latter half stands for shifts to the other side."""
    length = len(values)
    before, here, after = values[at - 1], values[at], values[(at + 1) % length]
    curve = before - 2 * here + after
    between = 0.0 if curve >= 0 else float(0.5 * (before - after) / curve)
    return (at - length if at > length / 2 else at) + max(-0.5, min(0.5, between))


def _fitted(shifts: list[Shift]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Shift and growth across, and down, that most of the squares agree on; None where too few do."""
    if len(shifts) < MIN_BLOCKS:
        return None
    found = np.array(shifts)
    x, y, across, down, weight = found.T
    kept = np.ones(len(found), bool)
    for _ in range(4):
        lines = [_line(at[kept], moved[kept], weight[kept]) for at, moved in ((x, across), (y, down))]
        off = np.hypot(across - lines[0][0] - lines[0][1] * x, down - lines[1][0] - lines[1][1] * y)
        within = off <= max(0.35, 2.5 * float(np.median(off[kept])))
        if within.sum() < MIN_BLOCKS:
            return None
        if (within == kept).all():
            break
        kept = within
    if kept.mean() < 0.4 or max(abs(growth) for _, growth in lines) > MAX_ZOOM:
        return None
    return lines[0], lines[1]


def _line(at: Doubles, moved: Doubles, weight: Doubles) -> tuple[float, float]:
    if np.ptp(at) < BLOCK / 2:
        return float(np.average(moved, weights=weight)), 0.0
    growth, shift = np.polyfit(at, moved, 1, w=weight)
    return float(shift), float(growth)


def _detail(luminance: Floats) -> Floats:
    return luminance - around(luminance, 6)


def _sampled(values: Floats, place: Affine, shape: tuple[int, int]) -> Floats:
    """One channel of the result where the source's pixels are."""
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(_transformed(image, place, shape), np.float32)


def _transformed(image: Image.Image, place: Affine, shape: tuple[int, int]) -> Image.Image:
    ax, bx, ay, by = place
    height, width = shape
    if _stays(place, shape) and image.size == (width, height):
        return image
    # Pillow counts from the corners of pixels, and has nothing beyond the edge.
    values = np.asarray(image)
    padded = Image.fromarray(np.pad(values, [(2, 2), (2, 2), (0, 0)][: values.ndim], mode="edge"))
    data = (bx, 0.0, ax + 0.5 - bx / 2 + 2, 0.0, by, ay + 0.5 - by / 2 + 2)
    return padded.transform((width, height), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)


def _stays(place: Affine, shape: tuple[int, int]) -> bool:
    ax, bx, ay, by = place
    height, width = shape
    far = (ax, ax + (bx - 1) * (width - 1), ay, ay + (by - 1) * (height - 1))
    return max(abs(value) for value in far) < STAYS


def _laid(result: Reduced, place: Affine, luminance: Floats) -> Reduced:
    """``result`` where ``place`` says; ``luminance``: its L, which is there already."""
    shape = luminance.shape[0], luminance.shape[1]
    if _stays(place, shape) and result.lab.shape[:2] == shape:
        return result

    def moved(values: Samples) -> Samples:
        return np.asarray(_transformed(Image.fromarray(values), place, shape))

    # Each on a core of its own, the slowest first: Pillow lets go of Python meanwhile.
    with ThreadPoolExecutor(2) as threads:
        rgb = threads.submit(moved, result.rgb)
        colours = [threads.submit(_sampled, result.lab[..., channel], place, shape) for channel in (1, 2)]
        alpha = None if result.alpha is None else threads.submit(moved, result.alpha)
    lab = np.stack([luminance, *(one.result() for one in colours)], axis=2)
    return dataclasses.replace(result, lab=lab, rgb=rgb.result(), alpha=None if alpha is None else alpha.result())


def _seen(place: Affine, shape: tuple[int, int], result: Reduced) -> npt.NDArray[np.bool_]:
    ax, bx, ay, by = place
    tall, wide = result.lab.shape[:2]
    down, across = ay + by * np.arange(shape[0]), ax + bx * np.arange(shape[1])
    rows, columns = (down > -0.3) & (down < tall - 0.7), (across > -0.3) & (across < wide - 0.7)
    return rows[:, None] & columns[None, :]


def _apart(source: Floats, laid: Floats, seen: npt.NDArray[np.bool_]) -> float:
    """How different the two are in lightness, the more the less of the source is ``seen``."""
    if not seen.any():
        return float("inf")
    difference = np.abs(around(laid - source))
    return float(difference[seen].mean() / seen.mean())


def _framed(place: Affine, source: Reduced, result: Reduced) -> tuple[tuple[float, float, float, float], float]:
    ax, bx, ay, by = place
    (height, width), (tall, wide) = source.lab.shape[:2], result.lab.shape[:2]
    left, top = (-0.5 - ax) / bx + 0.5, (-0.5 - ay) / by + 0.5
    right, bottom = width - 0.5 - (wide - 0.5 - ax) / bx, height - 0.5 - (tall - 0.5 - ay) / by
    lost = (left, top, right, bottom)
    return (round(left, 2), round(top, 2), round(right, 2), round(bottom, 2)), max(abs(side) for side in lost)
