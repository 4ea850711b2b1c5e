"""Every channel and every kind of picture, judged by ImageMagick and exiftool instead of the desk's own code.

`CHANNEL_GRID=full` tries all pairs, some minutes; without it each channel gets two other pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.channels import grid
from upscaler.channels.fit import Fitted, fit
from upscaler.channels.table import CHANNELS, WHITE, Channel
from upscaler.picture_formats import FORMATS

IS_FULL = os.environ.get("CHANNEL_GRID") == "full"
EACH = 2


def _dealt(number: int) -> list[str]:
    every = list(grid.PICTURES)
    return every if IS_FULL else every[number :: len(CHANNELS)][:EACH]


@grid.needs_checkers
@pytest.mark.parametrize("number", range(len(CHANNELS)), ids=list(CHANNELS))
def test_what_the_desk_calls_right_others_call_right(number: int, tmp_path: Path) -> None:
    channel = list(CHANNELS.values())[number]
    made: list[tuple[str, Path, Fitted]] = []
    for name in _dealt(number):
        source, target = tmp_path / "source", tmp_path / f"{len(made)}.fitted"
        source.write_bytes(grid.content(name))
        made.append((name, target, fit(source, target, channel)))
    facts = grid.outside_facts([target for _, target, _ in made])
    faults = []
    for (name, target, fitted), outside in zip(made, facts, strict=True):
        assert (fitted.width, fitted.height) == (outside["width"], outside["height"]), name
        assert fitted.format == outside["format"], name
        assert all(len(problem) > 20 for problem in fitted.problems), name
        wrong = _wrong(outside, channel, target)
        always = {"private", "grey"}
        faults += [f"{name}: {what}" for what in wrong if not fitted.problems or what in always]
        if not wrong and fitted.problems:
            # What other programs can't see: the product's share of the frame, and a background seen in the source.
            assert any(word in problem for problem in fitted.problems for word in ("fill", "background", "margin")), (
                name
            )
    assert not faults
    if IS_FULL:
        right = [name for name, _, fitted in made if not fitted.problems]
        print(f"{channel.id}: {len(made)} files, {len(right)} right, {len(made) - len(right)} say why not")


def _wrong(outside: dict[str, Any], channel: Channel, target: Path) -> list[str]:
    width, height, tags = outside["width"], outside["height"], outside["tags"]
    wrong = []
    if outside["format"] not in channel.formats or outside["format"] not in FORMATS:
        wrong.append("format")
    longest_counts = channel.size_without_margin
    if longest_counts and max(width, height) < channel.min_width:
        wrong.append("too small")
    if not longest_counts and (width < channel.min_width or height < channel.min_height):
        wrong.append("too small")
    if width > (channel.max_width or width) or height > (channel.max_height or height):
        wrong.append("too large")
    if channel.max_megapixels and width * height > channel.max_megapixels * 1e6:
        wrong.append("too many pixels")
    if channel.ratio and abs(width * channel.ratio[1] - height * channel.ratio[0]) > max(channel.ratio) * 1.01:
        wrong.append("ratio")
    most = channel.most_bytes(outside["format"])
    if (most and outside["bytes"] > most) or outside["bytes"] < (channel.min_bytes or 0):
        wrong.append("bytes")
    if channel.dpi and abs(outside["dpi"] - channel.dpi) > 0.6:
        wrong.append("dpi")
    if outside["alpha"] not in ("False", "Undefined") and not channel.transparency:
        wrong.append("transparent")
    if outside["space"] != "sRGB" and not _is_all_grey(outside):
        wrong.append("grey")
    if channel.background == WHITE and grid.white_share(target) < 0.99:
        wrong.append("background")
    if any("GPS" in tag or "SerialNumber" in tag or "OwnerName" in tag for tag in tags):
        wrong.append("private")
    return wrong


def _is_all_grey(outside: dict[str, Any]) -> bool:
    """ImageMagick calls an RGB file Gray whose pixels all are; exiftool counts its channels."""
    tags = outside["tags"]
    return (
        tags.get("File:ColorComponents") == 3 or tags.get("PNG:ColorType") in (2, 6) or "IFD0:SamplesPerPixel" in tags
    )
