"""The pictures in a ZIP, one after the other, and what was left out of it and why."""

from __future__ import annotations

import itertools
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO

from upscaler import file_names
from upscaler.batches import zip_directory, zip_names
from upscaler.errors import PublicError
from upscaler.imaging.structure import formats

MAX_FOLDER_LENGTH = 255
"""Characters of a kept folder; of longer ones the inner folders are kept."""
MAX_DEPTH = 32
"""Folders in one another, down to which is looked whether they are empty."""
MAX_NAMES = 5
"""How many names are given of each kind that was left out."""
IN_MEMORY = 1_000_000
"""Bytes of a picture that are held in memory; a larger one lies in a temporary file."""
MAX_RATIO = 250
"""How many times its own size an archive may unpack to, once that is much: photographs hardly shrink at all."""
MUCH = 200_000_000
"""Bytes."""

_CHUNK = 256 * 1024
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 14: "LZMA", 93: "Zstandard", 95: "XZ", 96: "JPEG", 98: "PPMd"}
_UNIX = (3, 19)
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".cab", ".zipx")
_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".numbers")
_SYSTEM = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
_SYSTEM_FOLDERS = frozenset(("__macosx", "@eadir", "$recycle.bin", "system volume information"))
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    struct.error,
    OSError,
    NotImplementedError,
    RuntimeError,
)

REASONS = {
    "empty_folder": "Folders with nothing in them.",
    "system": "Files that a computer's system keeps for itself: there is no picture in them.",
    "no_picture": "No pictures, by their ending or by what is in them.",
    "archive": "Archives inside the ZIP are not opened. Unpack them, and upload what is in them.",
    "table": "Spreadsheets inside the ZIP are not read. Upload them by themselves.",
    "link": "Links to other files, without a picture of their own. Pack the pictures themselves.",
    "outside": "Their names lead out of the ZIP's own folders, as no honest program writes them. Pack them anew.",
    "encrypted": "Locked with a password. Pack them without one.",
    "compression": "Packed in a way that is not read here. Pack them as usual ZIP (Deflate).",
    "damaged": "Damaged in the ZIP. Pack them again, or upload them without packing.",
    "too_large": "Larger than one picture may be.",
}
"""What each kind of left out member means, and what to do."""


@dataclass(frozen=True)
class Member:
    """A picture in an archive."""

    name: str
    """Without its folders."""
    folder: str
    """Like ``a/b``; empty at the top."""
    file: IO[bytes]
    """At its start. It is closed when the next member is asked for."""
    size: int
    """Bytes."""


@dataclass
class LeftOut:
    """Members of one kind that are no pictures to be read."""

    kind: str
    """A key of `REASONS`."""
    reason: str
    count: int = 0
    names: list[str] = field(default_factory=list)
    """The first `MAX_NAMES`, with their folders."""


@dataclass(frozen=True)
class _Found:
    info: zipfile.ZipInfo
    name: str
    folder: str


class Archive:
    """An opened ZIP. Going through it gives its pictures; `left_out` is complete when that has come to its end."""

    def __init__(self, file: IO[bytes], *, max_members: int, max_bytes: int, max_total_bytes: int) -> None:
        self._max_bytes, self._max_total_bytes = max_bytes, max_total_bytes
        self._left_out: dict[str, LeftOut] = {}
        # Finder packs a second entry for each file, and folders are entries too.
        self._zip = zip_directory.opened(file, max_entries=2 * max_members + 1000)
        self._found = self._sorted_out()
        if len(self._found) > max_members:
            raise zip_directory.too_many(len(self._found), max_members)
        self._check_sizes()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def __len__(self) -> int:
        """How many pictures there may be: some may turn out to be damaged, or none."""
        return len(self._found)

    def __iter__(self) -> Iterator[Member]:
        """Each picture, in the archive's order. Raises PublicError ``archive_too_large`` or ``archive_empty``."""
        total = given = 0
        for found in self._found:
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as target:
                kind = self._unpack(found, target, self._max_total_bytes - total)
                size = target.tell()
                total += size
                if kind:
                    self._leave_out(kind, _path(found))
                    continue
                target.seek(0)
                given += 1
                yield Member(found.name, found.folder, target, size)
        if not given:
            raise self._nothing()

    @property
    def left_out(self) -> list[LeftOut]:
        """What was left out so far, the most telling first."""
        order = list(reversed(REASONS))
        return sorted(self._left_out.values(), key=lambda left: order.index(left.kind))

    def _sorted_out(self) -> list[_Found]:
        members = self._zip.infolist()
        found, folders = [], []
        used: set[int] = set()
        for info, path in zip(members, zip_names.names_of(members), strict=True):
            parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
            if path.endswith(("/", "\\")):
                folders.append(parts)
                continue
            used.update(_prefixes(parts[:-1]))
            name = _kept(parts[-1]) if parts else ""
            candidate = _Found(info, name, _kept_folder(parts[:-1]))
            kind = _kind(info, path, parts)
            if kind:
                self._leave_out(kind, _path(candidate), _METHODS.get(info.compress_type, ""))
            elif info.file_size > self._max_bytes and file_names.is_picture(name):
                self._leave_out("too_large", _path(candidate))
            else:
                found.append(candidate)
        # The innermost first: what holds another folder is not empty.
        for parts in sorted(folders, key=len, reverse=True):
            if parts and hash("/".join(parts[:MAX_DEPTH])) not in used and not is_system(parts):
                used.update(_prefixes(parts))
                self._leave_out("empty_folder", _kept_folder(parts))
        return found

    def _check_sizes(self) -> None:
        # What is read is never more than a member's entry says: zipfile ends there.
        unpacked = sum(found.info.file_size for found in self._found)
        packed = sum(found.info.compress_size for found in self._found)
        if unpacked > MUCH and unpacked > MAX_RATIO * packed:
            raise PublicError(
                f"The ZIP would unpack to {unpacked / max(1, packed):,.0f} times its size, which no pictures do, so it "
                "is not opened. Pack the pictures anew, or upload them without packing.",
                code="archive_bomb",
            )
        if unpacked > self._max_total_bytes:
            raise self._too_large()
        if not self._found:
            raise self._nothing()

    def _unpack(self, found: _Found, target: IO[bytes], room: int) -> str:
        """Why the member was left out; empty where it lies in ``target``."""
        is_named = file_names.is_picture(found.name)
        try:
            source = self._zip.open(found.info)
        except _DAMAGE:
            return "damaged"
        with source:
            while True:
                try:
                    chunk = source.read(_CHUNK)
                except _DAMAGE:
                    return "damaged"
                if not target.tell() and not is_named and formats.format_of(chunk[: formats.HEAD_LENGTH]) is None:
                    return "no_picture"
                if not chunk:
                    return ""
                if target.tell() + len(chunk) > room:
                    raise self._too_large()
                if target.tell() + len(chunk) > self._max_bytes:
                    return "too_large"
                target.write(chunk)

    def _leave_out(self, kind: str, path: str, method: str = "") -> None:
        left = self._left_out.setdefault(kind, LeftOut(kind, self._reason(kind)))
        left.count += 1
        if kind == "compression" and method and method not in left.reason:
            left.reason = f"{method}: {left.reason}"
        if len(left.names) < MAX_NAMES:
            left.names.append(path)

    def _reason(self, kind: str) -> str:
        if kind == "too_large":
            return f"Larger than {self._max_bytes / 1e6:.0f} MB, which is the most that one picture may have."
        return REASONS[kind]

    def _too_large(self) -> PublicError:
        return PublicError(
            f"The pictures in the ZIP have more than {_size(self._max_total_bytes)} together, which is the most for "
            "one ZIP. Split it into several, and upload one after the other.",
            code="archive_too_large",
        )

    def _nothing(self) -> PublicError:
        kinds = {left.kind for left in self.left_out} - {"system", "empty_folder"}
        if kinds == {"encrypted"}:
            return PublicError(
                "The ZIP is locked with a password, so nothing in it can be read. Pack the pictures without a "
                "password, and upload that ZIP.",
                code="archive_encrypted",
            )
        if kinds == {"compression"}:
            return PublicError(
                f"The ZIP is packed in a way that is not read here. {self._left_out['compression'].reason}",
                code="archive_compression",
            )
        if kinds == {"damaged"}:
            return zip_directory.damaged()
        why = "".join(
            f" {left.count:,} left out ({', '.join(left.names[:3])}{', …' if left.count > 3 else ''}): {left.reason}"
            for left in self.left_out[:3]
        )
        return PublicError(
            f"There is no picture in the ZIP.{why} Choose a ZIP with pictures in it.", code="archive_no_pictures"
        )


def read(file: IO[bytes], *, max_members: int, max_bytes: int, max_total_bytes: int) -> Archive:
    """Open a ZIP that a stranger packed, in constant memory. Close it by ``with``; ``file`` itself stays open.

    ``max_members``: pictures; ``max_bytes``: of one picture, a larger one is left out; ``max_total_bytes``: of all.
    Raises PublicError with a code of `zip_directory.opened`, or ``archive_too_large``, ``archive_encrypted``,
    ``archive_compression``, ``archive_no_pictures``.
    """
    return Archive(file, max_members=max_members, max_bytes=max_bytes, max_total_bytes=max_total_bytes)


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a ZIP. Workbooks are too: ask `spreadsheets.is_spreadsheet` first."""
    return head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08")


def _kind(info: zipfile.ZipInfo, path: str, parts: list[str]) -> str:
    """Why a member is left out by its entry alone; empty for one that may be a picture."""
    name = parts[-1].lower() if parts else ""
    if path.startswith(("/", "\\")) or ".." in parts or not parts or (len(parts[0]) > 1 and parts[0][1] == ":"):
        return "outside"
    if is_system(parts):
        return "system"
    if info.create_system in _UNIX and stat.S_ISLNK(info.external_attr >> 16):
        return "link"
    if name.endswith(_ARCHIVES):
        return "archive"
    if name.endswith(_TABLES):
        return "table"
    if not file_names.is_picture(name) and _has_ending(name):
        return "no_picture"
    if info.flag_bits & _ENCRYPTED or info.compress_type == 99:
        return "encrypted"
    return "" if info.compress_type in _READ else "compression"


def _has_ending(name: str) -> bool:
    """Whether the name ends as those of files do; “SKU-12.5 red” and “front” don't, and may be pictures."""
    stem, _, ending = name.rpartition(".")
    return bool(stem) and 2 <= len(ending) <= 5 and ending.isascii() and ending.isalnum() and not ending[0].isdigit()


def is_system(parts: list[str]) -> bool:
    """Whether a path names what a computer's system keeps for itself, or what is hidden."""
    *folders, name = (part.lower() for part in parts)
    return name in _SYSTEM or any(part.startswith(".") or part in _SYSTEM_FOLDERS for part in (*folders, name))


def _kept(part: str) -> str:
    # An entry may be called by 65,535 letters.
    part = part if len(part) <= 1000 else part[:500] + part[-500:]
    return file_names.cleaned(part, fallback="")


def _kept_folder(parts: list[str]) -> str:
    kept: list[str] = []
    length = -1
    for part in reversed(parts[-MAX_FOLDER_LENGTH:]):
        clean = _kept(part)
        length += len(clean) + 1
        if length > MAX_FOLDER_LENGTH:
            break
        if clean:
            kept.insert(0, clean)
    return "/".join(kept)


def _prefixes(parts: list[str]) -> Iterator[int]:
    """A number for each folder on the way, so that long paths don't take memory."""
    return map(hash, itertools.accumulate(parts[:MAX_DEPTH], "{}/{}".format))


def _path(found: _Found) -> str:
    return f"{found.folder}/{found.name}" if found.folder else found.name


def _size(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
