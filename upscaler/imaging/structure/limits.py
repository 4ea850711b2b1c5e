"""Limits that several formats share."""

from __future__ import annotations

MAX_PICTURES = 100
"""Frames or pages that are counted: a file of more is refused all the same, and the number is said as "more than"."""
MAX_PARTS = 20_000
"""Segments, chunks or boxes of a small file. Cameras and programs write some ten, with camera data and profiles some
hundreds; what holds pixels comes on top, by the file's size."""


class TooMuch(Exception):
    """A file has more of something than pictures have; the text says what of it, after "The file"."""
