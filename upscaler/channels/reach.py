"""Which factor a picture needs for a channel: what is ordered, and what needs no network at all."""

from __future__ import annotations

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


def reach(width: int, height: int, channel: Channel) -> Reach:
    """What the channel can have of a picture of that size in pixels, with padding and without cropping."""
    least = channel.min_width, channel.min_height
    best = channel.best_width or least[0], channel.best_height or least[1]
    wanted = factor(width, height, channel, *best)
    if wanted == 1:
        return Reach(ALREADY, 1)
    if wanted is not None:
        return Reach(ENOUGH, wanted)
    largest = max(FACTORS)
    if factor(width, height, channel, *least) is not None:
        return Reach(JUST_ENOUGH, largest)
    return Reach(TOO_SMALL, None)


def factor(width: int, height: int, channel: Channel, wanted_width: int, wanted_height: int) -> int | None:
    """The smallest factor, 1 among them, by which the channel's frame around a picture has a size in pixels.

    None where no factor reaches it. Where the channel has a ratio, the frame is padded to it; else the picture's longer
    side counts, since the shorter one gets margin.
    """
    width, height = max(1, width), max(1, height)
    if channel.ratio:
        width, height = frame.padded((width, height), channel.ratio)
        needed = max(wanted_width / width, wanted_height / height)
    else:
        needed = min(wanted_width / width, wanted_height / height)
    return next((one for one in (1, *sorted(FACTORS)) if one >= needed), None)
