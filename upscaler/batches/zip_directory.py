"""What a ZIP says of itself, looked at before anything is read from it: its kind, its size, and how it is laid out."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import IO

from upscaler.errors import PublicError

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s24x3H12x")
_MAX_COMMENT = 65_535
_LOCAL_HEADER = 30
_ENTRY_BYTES = 1000
_OTHER_KINDS = (
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\0", "an XZ file"),
    (0, b"MSCF", "a CAB archive"),
    (257, b"ustar", "a TAR archive"),
)


def opened(file: IO[bytes], *, max_entries: int) -> zipfile.ZipFile:
    """The ZIP, looked through: at most ``max_entries`` entries, in one part, none of which lies in another.

    Raises PublicError with code ``archive_empty``, ``archive_kind``, ``archive_damaged``, ``archive_split``,
    ``archive_too_many`` or ``archive_bomb``.
    """
    # A storage's files don't all say where they went.
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.seek(0)
    head = file.read(512)
    if not head:
        raise PublicError("The ZIP is empty: it has 0 bytes. Choose it again.", code="archive_empty")
    _refuse_other_kinds(head)
    _check_entries(file, size, max_entries)
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, struct.error, OSError, NotImplementedError, OverflowError):
        raise damaged() from None
    if len(archive.infolist()) > max_entries:
        raise too_many(len(archive.infolist()), max_entries)
    _refuse_overlaps(archive)
    return archive


def too_many(found: int, allowed: int) -> PublicError:
    """The refusal of an archive of too many files."""
    return PublicError(
        f"The ZIP holds {found:,} files; at most {allowed:,} are read from one. Split it into several, and upload one "
        "after the other.",
        code="archive_too_many",
    )


def damaged() -> PublicError:
    """The refusal of an archive that can't be read."""
    return PublicError(
        "The ZIP is damaged or not whole, so it can't be read. Pack it again, or upload the pictures without packing.",
        code="archive_damaged",
    )


def _split() -> PublicError:
    return PublicError(
        "This is one part of a ZIP that was split into several. Pack the pictures into one ZIP, or into several whole "
        "ones, and upload those.",
        code="archive_split",
    )


def _refuse_other_kinds(head: bytes) -> None:
    for place, mark, kind in _OTHER_KINDS:
        if head[place : place + len(mark)] == mark:
            raise PublicError(
                f"This is {kind}, which the desk does not open. Pack the pictures as ZIP, or upload them without "
                "packing.",
                code="archive_kind",
            )


def _check_entries(file: IO[bytes], size: int, max_entries: int) -> None:
    """Count the entries where they stand. zipfile makes an object of each first, however many there are."""
    start = max(0, size - _MAX_COMMENT - _END.size)
    file.seek(start)
    tail = file.read()
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise _split() if _begins_split(file) else damaged()
    _, disk, first_disk, here, entries, length, _, _ = _END.unpack_from(tail, at)
    end = start + at
    located = at - _LOCATOR_64.size
    if located >= 0 and tail[located : located + 4] == b"PK\6\7":
        *_, disks = _LOCATOR_64.unpack_from(tail, located)
        if disks > 1:
            raise _split()
        end -= _LOCATOR_64.size + _END_64.size
        file.seek(max(0, end))
        record = file.read(_END_64.size)
        if len(record) < _END_64.size or record[:4] != b"PK\6\6":
            raise damaged()
        _, _, _, _, disk, first_disk, here, entries, length, _ = _END_64.unpack(record)
    if disk or first_disk or here != entries:
        raise _split()
    if entries > max_entries:
        raise too_many(entries, max_entries)
    # zipfile takes it into memory whole.
    if length > _ENTRY_BYTES * max_entries:
        raise damaged()
    _count_entries(file, end - length, length, max_entries)


def _begins_split(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(4) == b"PK\7\x08"


def _count_entries(file: IO[bytes], start: int, length: int, max_entries: int) -> None:
    if start < 0:
        raise damaged()
    at, count = start, 0
    while at + _ENTRY.size <= start + length:
        file.seek(at)
        header = file.read(_ENTRY.size)
        if len(header) < _ENTRY.size or header[:4] != b"PK\1\2":
            raise damaged()
        count += 1
        if count > max_entries:
            raise too_many(count, max_entries)
        _, name, extra, comment = _ENTRY.unpack(header)
        at += _ENTRY.size + name + extra + comment


def _refuse_overlaps(archive: zipfile.ZipFile) -> None:
    end = 0
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise PublicError(
                "The ZIP is built so that the same bytes unpack again and again, so it is not opened. Pack the "
                "pictures anew, or upload them without packing.",
                code="archive_bomb",
            )
        end = member.header_offset + _LOCAL_HEADER + member.compress_size
    if archive.infolist() and end > archive.start_dir:
        raise damaged()
