"""ZIP files as programs write them, and as those do who mean harm."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256))


def packed(members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    """A ZIP as Python writes it: UTF-8 names with their flag."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    file.seek(0)
    return file


def raw(
    members: list[tuple[bytes, bytes]],
    *,
    flags: int = 0,
    method: int = 0,
    extra: bytes = b"",
    claimed: int | None = None,
    disk: int = 0,
    entries: int | None = None,
    system: int = 0,
    attributes: int = 0,
) -> io.BytesIO:
    """A ZIP byte by byte, with names in any encoding. ``claimed``: the size that each entry says it unpacks to."""
    file, directory = io.BytesIO(), io.BytesIO()
    for name, content in members:
        stored = content
        if method == zipfile.ZIP_DEFLATED:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            stored = packer.compress(content) + packer.flush()
        size = len(content) if claimed is None else claimed
        checksum = zlib.crc32(content)
        facts = struct.pack("<4H3L2H", flags, method, 0, 0x21, checksum, len(stored), size, len(name), len(extra))
        at = file.tell()
        file.write(b"PK\3\4" + struct.pack("<H", 20) + facts + name + extra + stored)
        directory.write(b"PK\1\2" + struct.pack("<BBH", 20, system, 20) + facts)
        directory.write(struct.pack("<3H2L", 0, disk, 0, attributes, at) + name + extra)
    start = file.tell()
    file.write(directory.getvalue())
    count = len(members) if entries is None else entries
    file.write(struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, count, count, len(directory.getvalue()), start, 0))
    file.seek(0)
    return file


def unicode_path(plain: bytes, meant: str) -> bytes:
    """Info-ZIP's extra field with the true name."""
    field = b"\1" + struct.pack("<L", zlib.crc32(plain)) + meant.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field
