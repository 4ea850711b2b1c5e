"""File names as people gave them: kept whole, and cut only where there is no room."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

MAX_LENGTH = 255
"""Characters of a kept name: no file system takes longer ones."""
MAX_BYTES = 255
"""Of UTF-8: what most file systems take."""
PICTURE_ENDINGS = frozenset(
    (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "gif", "bmp", "dib", "avif", "heic", "heif"),
        *("hif", "jxl", "jp2", "j2k", "psd", "psb", "dng", "cr2", "cr3", "nef", "arw"),
    )
)
"""Of picture files. Nothing else is ever taken off a name: “SKU-12.5 red” ends in no picture's."""

# What could end a header, reach past its line, or turn the letters around it, and lone halves of surrogate pairs.
# Joiners and the marks of right-to-left scripts are part of how a name is written, and stay.
_SPOOFING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WINDOWS_PATH = re.compile(r"\A(?:[A-Za-z]:|\.{0,2})\\(?:.*\\)?", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9 ._()+-]+")
_LONGEST_ENDING = 16
_GAP = "…"


def cleaned(name: str, fallback: str = "picture") -> str:
    """The name as it is kept: without folders, and without characters that nobody sees and that spoof what is seen.

    At most `MAX_LENGTH` characters. ``fallback`` where nothing is left.
    """
    name = name.rpartition("/")[2]
    name = _WINDOWS_PATH.sub("", name)
    name = without_spoofing(name)
    if name.strip() in ("", ".", ".."):
        return fallback
    return shortened(name)


def without_spoofing(text: str) -> str:
    """The text in one line, without characters that nobody sees and that spoof what is seen."""
    return _SPOOFING.sub("", text)


def shortened(name: str, *, max_length: int = MAX_LENGTH, max_bytes: int | None = None) -> str:
    """The name within ``max_length`` characters and ``max_bytes`` of UTF-8, cut in the middle before its ending."""
    if _fits(name, max_length, max_bytes):
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > _LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    # From the most that may have room: letter by letter from the end of a very long one takes minutes.
    keep = min(len(stem), max(1, max_length - len(dot + ending)))
    while keep > 0:
        keep -= 1
        # The end tells most: “_front”, “(2)”.
        tail = keep // 3
        cut = _joined(stem[: keep - tail], stem[len(stem) - tail :]) + dot + ending
        if _fits(cut, max_length, max_bytes):
            return cut
    return cut


def for_file_system(name: str) -> str:
    """The name within what most file systems take."""
    return shortened(name, max_bytes=MAX_BYTES)


def stem(name: str) -> str:
    """The name without a picture's ending; nothing else is taken off."""
    return name.rpartition(".")[0] if is_picture(name) else name


def is_picture(name: str) -> bool:
    """Whether the name ends as those of pictures do."""
    stem, _, ending = name.rpartition(".")
    return bool(stem) and ending.lower() in PICTURE_ENDINGS


def for_address(name: str) -> str:
    """The name as the last part of an address: short, of plain letters alone, with its ending."""
    stem_, dot, ending = name.rpartition(".")
    letters = unicodedata.normalize("NFKD", stem_ or name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", letters).strip("-.")[:60].strip("-.") or "picture"
    return f"{plain}.{ending}" if stem_ and dot and ending.isascii() and ending.isalnum() else plain


def content_disposition(name: str, *, as_attachment: bool) -> str:
    """The header that names a file (RFC 6266), with a plain name beside the true one for programs that know no other.

    The header is ASCII, of one line, and has at most 1,200 bytes.
    """
    kind = "attachment" if as_attachment else "inline"
    name = for_file_system(cleaned(name))
    if _PLAIN.fullmatch(name):
        return f'{kind}; filename="{name}"'
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    # No quotes, backslashes or percent signs: programs differ in how they read them.
    plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", letters)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _fits(name: str, max_length: int, max_bytes: int | None) -> bool:
    return len(name) <= max_length and (max_bytes is None or len(name.encode()) <= max_bytes)


def _joined(head: str, tail: str) -> str:
    # Whoever cuts inside of what is read as one letter makes another letter of it.
    while tail and _is_continuation(tail[0]):
        tail = tail[1:]
    while head and head[-1] in "\u200c\u200d":
        head = head[:-1]
    return f"{head}{_GAP}{tail}"


def _is_continuation(letter: str) -> bool:
    return unicodedata.category(letter) in ("Mn", "Mc", "Me", "Cf") or "\U0001f3fb" <= letter <= "\U0001f3ff"
