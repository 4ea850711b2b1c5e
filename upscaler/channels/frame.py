"""Where a picture lies in a channel's frame, and how large the frame is: numbers alone, no pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from upscaler.channels.table import Channel
from upscaler.imaging.surroundings import Box

PLAIN_RATIO = 100
"""Ratios of such small numbers are met exactly, by frames of whole multiples."""
ROOM = 1.01
"""A trimmed product fills a little more than the channel asks for, so that rounding takes nothing from it."""


@dataclass(frozen=True)
class Frame:
    """How a picture becomes a channel's file."""

    window: Box
    """What of the picture is taken: left, top, right, bottom."""
    content: tuple[int, int]
    """The size at which that is shown, in the file's pixels; never larger than the window."""
    size: tuple[int, int]
    """Width and height of the file."""

    @property
    def offset(self) -> tuple[int, int]:
        """Where the content lies in the file: in its middle."""
        return (self.size[0] - self.content[0]) // 2, (self.size[1] - self.content[1]) // 2


def plan(size: tuple[int, int], channel: Channel, box: Box | None, *, crop: bool = False, trim: bool = False) -> Frame:
    """The frame for a picture of that ``size``, with the product at ``box`` where that is known.

    ``trim``: whether empty margin is taken off until the product fills what the channel asks for. ``crop``: whether the
    ratio is met by cropping as far as the product lets it; the rest is padded. Without a box nothing is cropped.
    """
    window = (0, 0, *size)
    if trim and box and channel.fill:
        window = _trimmed(size, box, channel.fill)
    if crop and box and channel.ratio:
        window = _cropped(window, box, channel.ratio)
    taken = window[2] - window[0], window[3] - window[1]
    around = padded(taken, channel.ratio)
    made = _limited(around, channel)
    scale = min(made[0] / around[0], made[1] / around[1], 1.0)
    content = tuple(max(1, min(side, round(side * scale))) for side in taken)
    fitting = min(content[0], made[0]), min(content[1], made[1])
    return Frame(window, fitting, made)


def smaller(frame: Frame, channel: Channel, scale: float) -> Frame | None:
    """The frame made smaller by about ``scale``; None where it would be smaller than the channel's best, or least.

    For files that have too many bytes.
    """
    width, height = _multiple((frame.size[0] * scale, frame.size[1] * scale), channel.ratio)
    least_width = min(channel.best_width or channel.min_width, frame.size[0])
    least_height = min(channel.best_height or channel.min_height, frame.size[1])
    if width < max(1, least_width) or height < max(1, least_height) or (width, height) == frame.size:
        return None
    true = min(width / frame.size[0], height / frame.size[1])
    content = max(1, round(frame.content[0] * true)), max(1, round(frame.content[1] * true))
    return Frame(frame.window, (min(content[0], width), min(content[1], height)), (width, height))


def _trimmed(size: tuple[int, int], box: Box, fill: float) -> Box:
    width, height = size
    now = max((box[2] - box[0]) / width, (box[3] - box[1]) / height)
    share = now / min(1.0, fill * ROOM)
    if share >= 1:
        return (0, 0, *size)
    across = _placed(box[0], box[2], math.ceil(width * share), width)
    down = _placed(box[1], box[3], math.ceil(height * share), height)
    return across[0], down[0], across[1], down[1]


def _cropped(window: Box, box: Box, ratio: tuple[int, int]) -> Box:
    left, top, right, bottom = window
    width, height = right - left, bottom - top
    wanted = ratio[0] / ratio[1]
    if width / height > wanted:
        length = max(round(height * wanted), box[2] - box[0])
        start, end = _placed(box[0] - left, box[2] - left, length, width)
        return left + start, top, left + end, bottom
    length = max(round(width / wanted), box[3] - box[1])
    start, end = _placed(box[1] - top, box[3] - top, length, height)
    return left, top + start, right, top + end


def _placed(start: int, end: int, length: int, most: int) -> tuple[int, int]:
    """So long a stretch with the product in its middle, within 0 and ``most``."""
    length = min(length, most)
    first = min(max(0, round((start + end - length) / 2)), most - length)
    return first, first + length


def padded(taken: tuple[int, int], ratio: tuple[int, int] | None) -> tuple[int, int]:
    """The smallest frame of the ratio around what is taken, in the picture's own pixels."""
    if ratio is None:
        return taken
    across, down = ratio
    if max(ratio) <= PLAIN_RATIO:
        times = max(math.ceil(taken[0] / across), math.ceil(taken[1] / down))
        return times * across, times * down
    return max(taken[0], math.ceil(taken[1] * across / down)), max(taken[1], math.ceil(taken[0] * down / across))


def _limited(around: tuple[int, int], channel: Channel) -> tuple[int, int]:
    """The file's size: the best where the picture reaches it, else its own within the channel's limits."""
    width, height = around
    best_width, best_height = channel.best_width, channel.best_height
    if channel.shrink_to_best and best_width and best_height:
        if not channel.ratio:
            scale = min(1.0, best_width / width, best_height / height)
            width, height = max(1, round(width * scale)), max(1, round(height * scale))
        elif width >= best_width and height >= best_height:
            return best_width, best_height
    scale = min(1.0, (channel.max_width or width) / width, (channel.max_height or height) / height)
    if channel.max_megapixels:
        scale = min(scale, math.sqrt(channel.max_megapixels * 1e6 / (width * height)))
    if scale < 1:
        width, height = _multiple((width * scale, height * scale), channel.ratio)
    if channel.ratio is None and not channel.size_without_margin:
        # A narrow picture gets margin; one that is small both ways stays as it is, and is said to be too small.
        if width >= channel.min_width:
            height = max(height, channel.min_height)
        elif height >= channel.min_height:
            width = max(width, channel.min_width)
    return width, height


def _multiple(size: tuple[float, float], ratio: tuple[int, int] | None) -> tuple[int, int]:
    """The size rounded down, in whole multiples of a plain ratio."""
    if ratio is None:
        return max(1, int(size[0])), max(1, int(size[1]))
    across, down = ratio
    if max(ratio) <= PLAIN_RATIO:
        times = max(1, int(min(size[0] / across, size[1] / down) + 1e-9))
        return times * across, times * down
    width = max(1, int(size[0]))
    return width, max(1, round(width * down / across))
