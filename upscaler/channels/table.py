"""The table of channels: each shop's rules for pictures as our notes have them, their day, and where to check."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from upscaler.errors import PublicError
from upscaler.picture_formats import FORMATS

logger = logging.getLogger(__name__)

TABLE = Path(__file__).with_name("table.toml")
STALE_DAYS = 365
"""A row whose numbers are older says so."""
WHITE, LIGHT_GREY = "white", "light grey"
RGB = tuple[int, int, int]
SIDES = ("min_width", "min_height", "best_width", "best_height", "max_width", "max_height")
NO_RULES = {"source", "read_on", "compared_on", "compared", "notes", "name_rule", "max_number"}
"""What of a row changes no file: names are given when a file is downloaded."""


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
    """``white``, ``light grey``, or empty where the shop asks for none."""
    background_colour: RGB | None = None
    """What ``background`` means in numbers; the colour of the padding."""
    transparency: bool = False
    """Whether a file may be transparent."""
    colour_space: str = ""
    """``sRGB`` where the shop asks for it, else empty."""
    fill: float | None = None
    """The share of the frame's longer extent that the product must reach, 0 to 1."""
    dpi: int | None = None
    """The least that the shop takes, and what the desk writes."""
    shrink_to_best: bool = False
    """Whether a larger picture is shrunk to the best size; else it keeps its own, up to the largest."""
    size_without_margin: bool = False
    """Whether the shop judges a picture's size without its white margin."""
    name_rule: str = "{sku}_{number}"
    max_number: int | None = None
    """How many pictures of one product have a name."""
    notes: str = ""
    compared_on: date | None = None
    """The day on which ``compared`` was compared with a public page; None where all is from notes."""
    compared: str = ""
    """Which numbers were compared, and with whose page, in words."""

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


def rules(channel: Channel) -> str:
    """A sum of what a file is made and judged by: one of another sum is out of date."""
    row = {name: value for name, value in to_row(channel).items() if name not in NO_RULES}
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def from_kept(row: Mapping[str, Any]) -> Channel | None:
    """A channel from a row that the desk kept before, perhaps in another version: rules that this one does not know
    are left out. None, which is logged, for one that can't be read."""
    known = {one.name for one in dataclasses.fields(Channel)}
    try:
        found = from_row({name: value for name, value in row.items() if name in known})
        _ensure_sound(found)
    except (TypeError, ValueError, KeyError, AttributeError):
        logger.exception("a channel's row can't be read and is left out: %s", str(row)[:200])
        return None
    return found


def _ensure_sound(found: Channel) -> None:
    """Raises ValueError for values of a wrong kind, on which a page would stumble later."""
    for name in ("id", "title", "source", "background", "colour_space", "name_rule", "notes", "compared"):
        if not isinstance(getattr(found, name), str):
            raise ValueError(name)
    if not isinstance(found.read_on, date) or not isinstance(found.compared_on, date | None):
        raise ValueError("read_on")
    for name in (*SIDES, "max_bytes", "min_bytes", "max_megapixels", "fill", "dpi", "max_number"):
        if not isinstance(getattr(found, name), int | float | None):
            raise ValueError(name)
    for name, length in (("ratio", 2), ("background_colour", 3)):
        given = getattr(found, name)
        if given is not None and not (len(given) == length and all(isinstance(one, int) for one in given)):
            raise ValueError(name)
    if not found.formats or not set(found.formats) | set(found.max_bytes_by_format) <= set(FORMATS):
        raise ValueError("formats")


def from_row(row: Mapping[str, Any]) -> Channel:
    """A channel from a row as TOML or JSON hold it. Raises TypeError for an unknown key, KeyError for a missing one."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    for name in ("read_on", "compared_on"):
        if isinstance(values.get(name), str):
            values[name] = date.fromisoformat(values[name])
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
