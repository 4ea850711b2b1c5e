"""Pictures that a channel's rule gives no name, as where a code is missing: told before anything is ordered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upscaler.channels import names, teams
from upscaler.channels.names import Picture
from upscaler.channels.table import Channel
from upscaler.models import Team


@dataclass(frozen=True)
class Unnamed:
    """One picture, and one channel whose files of it keep the picture's own name."""

    index: int
    """Which of the pictures, from 0."""
    channel: Channel
    message: str
    """What is missing and what to do, for people."""


def unnamed(team: Team, channels: Sequence[Channel], pictures: Sequence[Picture]) -> list[Unnamed]:
    """Those of the pictures that go together to the channels, channel by channel and in their order."""
    if not channels:
        return []
    codes = teams.codes_of(team, [picture.sku for picture in pictures if picture.sku])
    return [
        Unnamed(index, channel, name.problem)
        for channel in channels
        for index, name in enumerate(names.names(channel, pictures, codes))
        if name.problem
    ]
