"""The directories of a TIFF file: which of its pages are pictures of their own, found without reading any.

Bounded: a file can have millions of directories, or ones that go in a circle.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

MAX_DIRECTORIES = 2000
"""More than any pyramid or scan has; beyond, nobody counts."""
MAX_ENTRIES = 2000
NEW_SUBFILE_TYPE, SUBFILE_TYPE, WIDTH, LENGTH, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 259, 262
TILE_WIDTH, SUB_IFDS, DNG_VERSION = 322, 330, 50706
WANTED = (NEW_SUBFILE_TYPE, SUBFILE_TYPE, WIDTH, LENGTH, COMPRESSION, PHOTOMETRIC, TILE_WIDTH, SUB_IFDS, DNG_VERSION)
REDUCED, MASK = 1, 4
"""Bits of NewSubfileType."""
OLD_REDUCED = 2
SENSOR_PHOTOMETRICS, SENSOR_COMPRESSIONS = (32803, 34892), (32767, 34713)
"""What a sensor saw before it was a picture: colour filter arrays, linear raw; Sony's and Nikon's packing."""
SIZES = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
"""Bytes of TIFF's whole numbers by their type."""


@dataclass
class Directory:
    """What is asked of one page."""

    values: dict[int, list[int]] = field(default_factory=dict)

    def first(self, tag: int) -> int:
        """The first value of a tag, 0 where it is missing."""
        return (self.values.get(tag) or [0])[0]

    @property
    def is_reduced(self) -> bool:
        """Whether it is marked as a smaller copy of another page, or as a mask of one."""
        return bool(self.first(NEW_SUBFILE_TYPE) & (REDUCED | MASK)) or self.first(SUBFILE_TYPE) == OLD_REDUCED

    @property
    def is_sensor(self) -> bool:
        """Whether it is what a camera's sensor saw."""
        return (
            DNG_VERSION in self.values
            or self.first(PHOTOMETRIC) in SENSOR_PHOTOMETRICS
            or self.first(COMPRESSION) in SENSOR_COMPRESSIONS
        )

    def is_half_of(self, other: Directory) -> bool:
        """Whether it looks like the next step of a pyramid whose steps are not marked."""
        if not self.first(TILE_WIDTH):
            return False
        return all(self.first(tag) in (other.first(tag) // 2, -(-other.first(tag) // 2)) for tag in (WIDTH, LENGTH))


@dataclass(frozen=True)
class Pages:
    """What a file holds."""

    main: int
    """The number of the page to be read, from 0 on."""
    count: int
    """How many pages are pictures of their own."""
    is_raw: bool
    """Whether it is a camera's raw file."""


def find_pages(file: IO[bytes]) -> Pages:
    """Counted from the directories alone. Raises struct.error for a file that ends within one."""
    directories = list(_chain(file))
    own: list[int] = []
    for number, directory in enumerate(directories):
        is_step = number > 0 and directory.is_half_of(directories[number - 1])
        if not directory.is_reduced and not is_step:
            own.append(number)
    is_raw = any(one.is_sensor for one in directories[:4])
    for inner in directories[0].values.get(SUB_IFDS, [])[:8] if directories else []:
        is_raw = is_raw or _read(file, inner)[0].is_sensor
    return Pages(own[0] if own else 0, max(1, len(own)), is_raw)


def _chain(file: IO[bytes]) -> Iterator[Directory]:
    order, is_big = _header(file)
    file.seek(8 if is_big else 4)
    (at,) = struct.unpack(f"{order}{'Q' if is_big else 'I'}", file.read(8 if is_big else 4))
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MAX_DIRECTORIES:
        seen.add(at)
        try:
            directory, at = _read(file, at)
        except struct.error:
            # What follows the first page may be cut off: no reason to lose that one.
            return
        yield directory


def _header(file: IO[bytes]) -> tuple[str, bool]:
    file.seek(0)
    head = file.read(4)
    order = "<" if head[:2] == b"II" else ">"
    return order, struct.unpack(f"{order}H", head[2:4])[0] == 43


def _read(file: IO[bytes], at: int) -> tuple[Directory, int]:
    """A directory and where the next one is. Raises struct.error."""
    order, is_big = _header(file)
    entry, count_code, count_size = (20, "Q", 8) if is_big else (12, "H", 2)
    place = "Q" if is_big else "I"
    file.seek(at)
    (count,) = struct.unpack(f"{order}{count_code}", file.read(count_size))
    if count > MAX_ENTRIES:
        raise struct.error("too many entries")
    content = file.read(count * entry)
    (following,) = struct.unpack(f"{order}{place}", file.read(struct.calcsize(place)))
    directory = Directory()
    for start in range(0, len(content) - entry + 1, entry):
        tag, kind = struct.unpack_from(f"{order}HH", content, start)
        if tag in WANTED:
            directory.values[tag] = _values(file, order, place, kind, content[start + 4 : start + entry])
    return directory, following


def _values(file: IO[bytes], order: str, place: str, kind: int, rest: bytes) -> list[int]:
    (count,) = struct.unpack_from(f"{order}{place}", rest)
    size, room = SIZES.get(kind), rest[struct.calcsize(place) :]
    if size is None:
        return [0]
    count = min(count, 8)
    data = room
    if count * size > len(room):
        file.seek(struct.unpack(f"{order}{place}", room)[0])
        data = file.read(count * size)
    return [int.from_bytes(data[size * i : size * (i + 1)], "little" if order == "<" else "big") for i in range(count)]
