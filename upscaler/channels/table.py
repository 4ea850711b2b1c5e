"""The table of channels: each shop's rules for pictures as our notes have them, their day, and where to check."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from upscaler.errors import PublicError

TABLE = Path(__file__).with_name("table.toml")
STALE_DAYS = 365
"""A row whose numbers are older says so."""
WHITE, LIGHT_GREY, TRANSPARENT = "white", "light grey", "transparent"
RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Channel:
    """One shop. Sides are in pixels; None (0 for a least one) is a limit that it does not name."""

    id: str
    title: str
    source: str
    """Where to check with the shop; not necessarily where the numbers are from."""
    read_on: date
    """The day as of which the numbers hold."""
    formats: tuple[str, ...]
    """Pillow's names (JPEG, PNG, TIFF, WEBP, GIF), the one to be preferred first."""
    ratio: tuple[int, int] | None = None
    """Width and height."""
    min_width: int = 0
    min_height: int = 0
    best_width: int | None = None
    best_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    max_megapixels: float | None = None
    max_bytes: int | None = None
    max_bytes_by_format: Mapping[str, int] = field(default_factory=dict)
    """Where a format has a limit of its own."""
    min_bytes: int | None = None
    background: str = ""
    """``white``, ``light grey``, ``transparent``, or empty where the shop asks for none."""
    background_colour: RGB | None = None
    """What ``background`` means in numbers; the colour of the padding."""
    background_must_be: bool = False
    """Whether a picture on another background is refused, not only padded in the shop's colour."""
    transparency: bool = False
    """Whether a file may be transparent."""
    colour_space: str = ""
    """``sRGB`` where the shop asks for it, else empty."""
    fill: float | None = None
    """The share of the frame's longer extent that the product must reach, 0 to 1."""
    dpi: int | None = None
    shrink_to_best: bool = False
    """Whether a larger picture is shrunk to the best size; else it keeps its own, up to the largest."""
    size_without_margin: bool = False
    """Whether the shop judges a picture's size without its white margin."""
    name_rule: str = "{sku}_{number}"
    max_number: int | None = None
    """How many pictures of one product have a name."""
    notes: str = ""

    @property
    def padding(self) -> RGB:
        """The colour that is laid around and behind a picture where it has none of its own."""
        return self.background_colour or (255, 255, 255)

    def most_bytes(self, format_: str) -> int | None:
        """The largest file in a format, by Pillow's name."""
        return self.max_bytes_by_format.get(format_, self.max_bytes)


def channel(id_: str, channels: Mapping[str, Channel] | None = None) -> Channel:
    """The channel of that id, among the table's or among ``channels``. Raises PublicError that names the ids."""
    known = CHANNELS if channels is None else channels
    try:
        return known[id_]
    except KeyError:
        raise PublicError(
            f"There is no channel “{id_[:60]}”. Channels: {', '.join(known)}.", code="unknown_channel"
        ) from None


def is_stale(channel: Channel, today: date) -> bool:
    """Whether the row's numbers are more than a year old."""
    return (today - channel.read_on).days > STALE_DAYS


def from_row(row: Mapping[str, Any]) -> Channel:
    """A channel from a row as TOML or JSON hold it. Raises TypeError for an unknown key, KeyError for a missing one."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    if isinstance(values["read_on"], str):
        values["read_on"] = date.fromisoformat(values["read_on"])
    if values.get("background") == WHITE:
        values.setdefault("background_colour", (255, 255, 255))
    return Channel(**values)


def to_row(channel: Channel) -> dict[str, Any]:
    """The channel as JSON holds it: what differs from an empty row."""
    row: dict[str, Any] = {}
    for known in dataclasses.fields(channel):
        value = getattr(channel, known.name)
        default = {} if known.name == "max_bytes_by_format" else known.default
        if value == default:
            continue
        if isinstance(value, date):
            value = value.isoformat()
        row[known.name] = list(value) if isinstance(value, tuple) else value
    return row


def _read(rows: Iterable[Mapping[str, Any]]) -> dict[str, Channel]:
    found = [from_row(row) for row in rows]
    return {channel.id: channel for channel in found}


CHANNELS: dict[str, Channel] = _read(tomllib.loads(TABLE.read_text(encoding="utf-8"))["channel"])
"""By id, in the table's order."""
