"""A feed's bytes as text, piece by piece: unpacked, and in whichever encoding they are."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from typing import IO, Any

from django.conf import settings

from upscaler.errors import PublicError

CHUNK = 1 << 16
GZIP = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16's, which begins the same.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OF_FILES = ("ascii", "iso8859", "cp", "koi8", "mac", "tis", "big5", "euc", "gb", "shift_jis")
"""How Python's names of the encodings begin that files are in, besides UTF."""
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")


class CutOff(PublicError):
    """The feed ends in the middle. What came before it counts."""


def cut_off(row: int) -> CutOff:
    """What is said where the feed ends after ``row`` whole ones."""
    return CutOff(
        f"The feed ends in the middle, after row {row:,}: it was cut off when it was exported or sent. The rows before "
        "are checked. Export it again for the rest.",
        code="cut_off",
    )


class Source:
    """The text of a feed, read as it is asked for; a line's end is any of the three that there are.

    Bytes that mean nothing in UTF-8 are read as Windows-1252, which is what they are in practice.
    """

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        is_packed = file.read(2) == GZIP
        file.seek(0)
        self._unpacked = _Unpacked(file) if is_packed else None
        self.stream = _opened(self._unpacked or file)

    @property
    def fault(self) -> CutOff | None:
        """Why the text ended before its end, once it has. It ends quietly, so that all before it is read."""
        return self._unpacked.fault if self._unpacked else None


def _opened(source: Any) -> IO[str]:
    reader = io.BufferedReader(_Raw(source), CHUNK)
    head = reader.peek(CHUNK)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            reader.read(len(mark))
            return _text(reader, encoding)
    return _text(reader, _guessed(head[:4096]))


def _text(reader: Any, encoding: str) -> IO[str]:
    return io.TextIOWrapper(reader, encoding=encoding, errors=FALLBACK, newline=None)


def _guessed(head: bytes) -> str:
    odd, even = head[1::2].count(0), head[0::2].count(0)
    if max(odd, even) > 4 * min(odd, even) + len(head) // 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    if match := _DECLARED.match(head.lstrip()):
        try:
            name = codecs.lookup(match[1].decode()).name
        except LookupError:
            return "utf-8"
        # UTF-16 would have been seen above, and Python also knows what is no encoding of files, such as rot13.
        return "cp1252" if name == "iso8859-1" else name if name.startswith(_OF_FILES) else "utf-8"
    return "utf-8"


def _fallback(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding not in ("utf-8", "ascii"):
        return "�", error.end
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


FALLBACK = "upscaler-feed-fallback"
codecs.register_error(FALLBACK, _fallback)


class _Unpacked:
    """A packed feed's content, no more of it than a feed may have."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = gzip.GzipFile(fileobj=file), settings.FEED_MAX_BYTES
        self.fault: CutOff | None = None

    def read(self, size: int) -> bytes:
        if self.fault is not None:
            return b""
        try:
            # As much as there is: what comes before a fault counts.
            content = self._file.read1(size)
        except (EOFError, zlib.error, OSError):
            self.fault = CutOff(
                "The packed feed is damaged or ends in the middle. The rows before are checked. Send it again for the "
                "rest.",
                code="cut_off",
            )
            return b""
        self._left -= len(content)
        if self._left < 0:
            self.fault = CutOff(
                f"The feed unpacks to more than {settings.FEED_MAX_BYTES / 1e6:,.0f} MB. The rows before are checked. "
                "Split it into several.",
                code="too_large",
            )
            return b""
        return content


class _Raw(io.RawIOBase):
    """What Python's readers ask of a source."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._source.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
