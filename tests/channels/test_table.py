"""The table of channels: whole, sound, and the same in the manual."""

from __future__ import annotations

import dataclasses
import io
import json
from datetime import date
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from upscaler.channels import names, reach, table
from upscaler.channels.encode import WRITTEN
from upscaler.channels.table import CHANNELS, Channel
from upscaler.errors import PublicError
from upscaler.management.commands.channel_table import BEGIN, END, PAGE
from upscaler.picture_formats import FORMATS


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=list(CHANNELS))
def test_each_row_is_sound(channel: Channel) -> None:
    assert channel.source.startswith("https://")
    assert set(channel.formats) <= set(FORMATS)
    assert set(channel.formats) & set(WRITTEN)
    names.check_rule(channel.name_rule)
    for small, large in ((channel.min_width, channel.best_width), (channel.best_width, channel.max_width)):
        assert not small or not large or small <= large
    if channel.background in (table.WHITE, table.LIGHT_GREY):
        assert channel.background_colour is not None
    assert table.from_row(json.loads(json.dumps(table.to_row(channel)))) == channel


def test_an_unknown_channel_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(PublicError, match=r"There is no channel “zalndo”\. Channels: zalando, aboutyou, amazon"):
        table.channel("zalndo")


def test_a_row_is_stale_after_a_year() -> None:
    row = dataclasses.replace(CHANNELS["zalando"], read_on=date(2026, 1, 1))
    assert not table.is_stale(row, date(2027, 1, 1))
    assert table.is_stale(row, date(2027, 1, 2))


def test_the_manual_has_the_table_as_it_is() -> None:
    out = io.StringIO()
    call_command("channel_table", stdout=out)
    page = (Path(settings.BASE_DIR) / PAGE).read_text(encoding="utf-8")
    kept = page.partition(BEGIN)[2].partition(END)[0].strip()
    assert kept == out.getvalue().strip(), "manage.py channel_table --write brings the manual up to date"


@pytest.mark.parametrize(
    ("channel", "size", "state", "factor"),
    [
        ("zalando", (1801, 2600), reach.ALREADY, 1),
        ("zalando", (2600, 1000), reach.ALREADY, 1),
        ("zalando", (400, 600), reach.ENOUGH, 6),
        ("zalando", (800, 1300), reach.ENOUGH, 2),
        ("zalando", (902, 1300), reach.ENOUGH, 2),
        ("zalando", (130, 190), reach.JUST_ENOUGH, 6),
        ("zalando", (100, 100), reach.TOO_SMALL, None),
        ("google", (1500, 200), reach.ALREADY, 1),
        ("google", (400, 600), reach.ENOUGH, 4),
        ("otto", (10, 10), reach.ALREADY, 1),
        ("aboutyou", (750, 1000), reach.ENOUGH, 2),
    ],
)
def test_the_smallest_factor_that_reaches_the_best_size(
    channel: str, size: tuple[int, int], state: str, factor: int | None
) -> None:
    found = reach.reach(*size, CHANNELS[channel])
    assert (found.state, found.factor) == (state, factor)
    assert found.in_words
