"""Which factor a picture needs for a channel: what is ordered, and what needs no network at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upscaler.channels import frame
from upscaler.channels.table import Channel
from upscaler.upscaling_models import FACTORS

ALREADY, ENOUGH, JUST_ENOUGH, TOO_SMALL = "already_large_enough", "enough", "just_enough", "too_small"


@dataclass(frozen=True)
class Reach:
    """What a channel can have of one picture."""

    state: str
    """``already_large_enough``: it is only fitted. ``enough``: the factor reaches the best size. ``just_enough``: the
    largest factor reaches the smallest size that is taken. ``too_small``: none does."""
    factor: int | None
    """The smallest factor that does it; 1 for none needed, None where none does."""

    @property
    def in_words(self) -> str:
        """For people."""
        if self.state == ALREADY:
            return "already large enough: nothing to pay, only fitted"
        if self.state == ENOUGH:
            return f"enough at {self.factor}x"
        return f"just enough at {self.factor}x" if self.state == JUST_ENOUGH else f"too small even at {max(FACTORS)}x"


@dataclass(frozen=True)
class Plan:
    """How much one picture is enlarged for all of its channels together."""

    factor: int
    """1 where it is large enough for all of them as it is."""
    states: Sequence[tuple[Channel, str]]
    """What each channel has of it then."""
    is_largest: bool
    """Whether no larger factor is to be had."""

    @property
    def in_words(self) -> str:
        """For people: ``Enough at 4x: Zalando, Etsy. Too small even at 4x: Walmart.``"""
        words = {
            ALREADY: "Large enough already" if self.factor > 1 else "Large enough already, only fitted",
            ENOUGH: f"Enough at {self.factor}x",
            JUST_ENOUGH: f"Just enough at {self.factor}x",
            TOO_SMALL: f"Too small {'even ' if self.is_largest else ''}at {self.factor}x",
        }
        named = {state: [channel.title for channel, had in self.states if had == state] for state in words}
        return " ".join(f"{words[state]}: {', '.join(titles)}." for state, titles in named.items() if titles)


def reach(width: int, height: int, channel: Channel) -> Reach:
    """What the channel can have of a picture of that size in pixels, with padding and without cropping."""
    wanted = factor(width, height, channel, *_best(channel))
    if wanted == 1:
        return Reach(ALREADY, 1)
    if wanted is not None:
        return Reach(ENOUGH, wanted)
    largest = max(FACTORS)
    if factor(width, height, channel, *_least(channel)) is not None:
        return Reach(JUST_ENOUGH, largest)
    return Reach(TOO_SMALL, None)


def is_best(width: int, height: int, channel: Channel) -> bool:
    """Whether a picture reaches the channel's best size as it is, with the margin that fitting lays around it."""
    if not channel.best_width or not channel.best_height:
        return True
    return factor(width, height, channel, channel.best_width, channel.best_height) == 1


def plan(
    size: tuple[int, int],
    channels: Sequence[Channel],
    factors: Sequence[int],
    *,
    wanted: int | None = None,
    product_share: float = 1.0,
) -> Plan:
    """How much to enlarge a picture of ``size`` (pixels) that goes to the channels: as little as all of them need.

    ``factors``: those to be had. Where none reaches every best size, the largest is taken. ``wanted``: the factor that
    somebody chose, whatever the channels need. ``product_share``: the product's longer side in the picture's, 0 to 1,
    for channels that judge a size without its margin.
    """

    def reaches(channel: Channel, wanted_size: tuple[int, int], by: int) -> bool:
        return _reaches(_judged(size, channel, product_share), channel, *wanted_size, by)

    enough = (one for one in (1, *factors) if all(reaches(channel, _best(channel), one) for channel in channels))
    chosen = wanted or next(enough, max(factors))
    states = []
    for channel in channels:
        if reaches(channel, _best(channel), 1):
            state = ALREADY
        elif reaches(channel, _best(channel), chosen):
            state = ENOUGH
        else:
            state = JUST_ENOUGH if reaches(channel, _least(channel), chosen) else TOO_SMALL
        states.append((channel, state))
    return Plan(chosen, states, chosen >= max(factors))


def factor(width: int, height: int, channel: Channel, wanted_width: int, wanted_height: int) -> int | None:
    """The smallest factor, 1 among them, by which the channel's frame around a picture has a size in pixels.

    None where no factor reaches it. Where the channel has a ratio, the frame is padded to it; else the picture's longer
    side counts, since the shorter one gets margin.
    """
    size = max(1, width), max(1, height)
    tried = (1, *sorted(FACTORS))
    return next((one for one in tried if _reaches(size, channel, wanted_width, wanted_height, one)), None)


def _reaches(size: tuple[int, int], channel: Channel, wanted_width: int, wanted_height: int, by: int) -> bool:
    width, height = size[0] * by, size[1] * by
    if channel.ratio:
        width, height = frame.padded((width, height), channel.ratio)
        return width >= wanted_width and height >= wanted_height
    return width >= wanted_width or height >= wanted_height


def _judged(size: tuple[int, int], channel: Channel, product_share: float) -> tuple[int, int]:
    """The size that counts for the channel: the picture's, or its product's longer side."""
    if not channel.size_without_margin:
        return size
    side = max(1, int(max(size) * product_share))
    return side, side


def _least(channel: Channel) -> tuple[int, int]:
    return channel.min_width, channel.min_height


def _best(channel: Channel) -> tuple[int, int]:
    return channel.best_width or channel.min_width, channel.best_height or channel.min_height
