"""What channels ask of a picture's size and format, as conditions on what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Q

from upscaler.channels import teams
from upscaler.channels.table import Channel
from upscaler.models import FeedPicture, Team

DEFAULT = ("google",)
"""Google's new minimum of 500 × 500 from 31 January 2027 is why most people come."""
BELOW_MINIMUM, BELOW_BEST, WRONG_FORMAT, UNREACHABLE, GOOD = (
    "below_minimum",
    "below_best",
    "wrong_format",
    "unreachable",
    "good",
)
STATES = {
    BELOW_MINIMUM: "Too small",
    BELOW_BEST: "Below the best size",
    WRONG_FORMAT: "Wrong format",
    UNREACHABLE: "Not reached",
    GOOD: "Good",
}
NO_PICTURE = ("not_a_picture", "unreadable")
"""Problems of what came and is no picture: those are wrong formats, and were reached."""

_MEASURED = Q(status=FeedPicture.Status.MEASURED)
_FAILED = Q(status=FeedPicture.Status.FAILED)
BAD_ROW = _FAILED & Q(url="")
"""A row of the feed without a picture that could be asked for."""


def known(team: Team) -> Mapping[str, Channel]:
    """The channels that the team may choose, by their ids."""
    return teams.channels(team)


def chosen(team: Team, ids: Iterable[str]) -> list[Channel]:
    """The team's channels of these ids, in the table's order; unknown ones are left out."""
    wanted = set(ids)
    return [channel for channel in known(team).values() if channel.id in wanted]


def is_state(channel: Channel, state: str) -> Q:
    """Of which pictures this is to be said. One may be too small and of a wrong format at once."""
    smaller = Q(width__lt=channel.min_width) | Q(height__lt=channel.min_height)
    best = Q(width__lt=channel.best_width or 0) | Q(height__lt=channel.best_height or 0)
    wrong = _MEASURED & ~Q(format__in=channel.formats)
    return {
        BELOW_MINIMUM: _MEASURED & smaller,
        BELOW_BEST: _MEASURED & ~smaller & best,
        WRONG_FORMAT: wrong | (_FAILED & Q(problem__in=NO_PICTURE)),
        UNREACHABLE: _FAILED & ~Q(url="") & ~Q(problem__in=NO_PICTURE),
        GOOD: _MEASURED & ~smaller & ~best & Q(format__in=channel.formats),
    }[state]


def states_of(channel: Channel, picture: FeedPicture) -> list[str]:
    """The same of one picture; nothing of one that is not measured yet."""
    if picture.status == FeedPicture.Status.FAILED:
        if not picture.url:
            return []
        return [WRONG_FORMAT if picture.problem in NO_PICTURE else UNREACHABLE]
    if picture.width is None or picture.height is None:
        return []
    found = []
    if picture.width < channel.min_width or picture.height < channel.min_height:
        found.append(BELOW_MINIMUM)
    elif picture.width < (channel.best_width or 0) or picture.height < (channel.best_height or 0):
        found.append(BELOW_BEST)
    if picture.format not in channel.formats:
        found.append(WRONG_FORMAT)
    return found or [GOOD]


def in_words(channel: Channel) -> str:
    """What the channel asks for: “at least 500 × 500, best 1,500 × 1,500”."""
    parts = []
    if channel.min_width or channel.min_height:
        parts.append(f"at least {channel.min_width:,} × {channel.min_height:,}")
    if channel.best_width and channel.best_height:
        parts.append(f"best {channel.best_width:,} × {channel.best_height:,}")
    return ", ".join(parts) or "no size of its own"
