"""Names inside a ZIP as the program that packed it meant them.

The standard knows UTF-8 (said by a flag) and the code page 437. Programs also write UTF-8 without the flag (Finder,
Info-ZIP on Unix), their own system's code page (Windows), or the true name beside the plain one (Info-ZIP's "Unicode
Path").
"""

from __future__ import annotations

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from itertools import pairwise

_UTF_8 = 0x800
_UNICODE_PATH = 0x7075
# Which of two equally likely ones is taken: the standard's first.
_CODE_PAGES = ("cp437", "cp850", "cp1252", "cp932", "gb18030")
_SAMPLES = 200
_SAMPLE_BYTES = 300
_PUNCTUATION = frozenset("«»¿¡°·–—‘’“”„…©®€£§&×")


def names_of(members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The name of each member, with its folders. Those in a system's code page are all read in the likeliest one."""
    names: list[str | None] = [_certain_name(member) for member in members]
    raw = {at: _raw(members[at]) for at, name in enumerate(names) if name is None}
    page = _likeliest_page(list(raw.values())[:_SAMPLES]) if raw else "cp437"
    for at, name in raw.items():
        names[at] = name.decode(page, "replace")
    return [name or "" for name in names]


def _certain_name(member: zipfile.ZipInfo) -> str | None:
    name: str = member.orig_filename
    if name.isascii() and not member.extra:
        return name
    if member.flag_bits & _UTF_8:
        return name
    raw = _raw(member)
    if (meant := _unicode_path(member.extra, raw)) is not None:
        return meant
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _raw(member: zipfile.ZipInfo) -> bytes:
    # zipfile reads what has no flag in this code page, in which each byte is one letter.
    return member.orig_filename.encode("cp437")


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + length]
        at += 4 + length
        if kind != _UNICODE_PATH or len(field) < 5 or field[0] != 1:
            continue
        # A program that knew nothing of the field may have changed the plain name since.
        if int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
            try:
                return field[5:].decode()
            except UnicodeDecodeError:
                return None
    return None


def _likeliest_page(names: list[bytes]) -> str:
    return min(_CODE_PAGES, key=lambda page: sum(_strangeness(name, page) for name in names))


def _strangeness(name: bytes, page: str) -> float:
    text = name[:_SAMPLE_BYTES].decode(page, "replace")
    return sum(_letter_cost(letter, before) for before, letter in pairwise(f" {text}"))


def _letter_cost(letter: str, before: str) -> float:
    # “cafÚ” was “café” in another code page, and two accents side by side are rare.
    case = 2.0 if letter.isupper() and before.islower() and not (letter + before).isascii() else 0.0
    if letter.isascii():
        return case
    if letter in _PUNCTUATION:
        return 0.5
    kind, name = unicodedata.category(letter), unicodedata.name(letter, "")
    if name.startswith("LATIN") and kind in ("Ll", "Lu"):
        return case + (0.5 if before.isalpha() and not before.isascii() else 0.0)
    if name.startswith(("HIRAGANA", "KATAKANA")):
        return 0.0
    if name.startswith("CJK UNIFIED"):
        # The usual letters are in GB 2312; a wrong reading gives mostly rare ones.
        mixed = 1.0 if before.isascii() and before.isalpha() else 0.0
        return mixed + (0.4 if _is_usual(letter) else 1.5)
    return 3.0


def _is_usual(letter: str) -> bool:
    try:
        return letter.encode("gb2312")[0] < 0xD8
    except UnicodeEncodeError:
        return False
