"""Files that are small, or soon made, and would keep a careless reader busy: built of very many parts, or of parts that
say that they are huge."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

from PIL import Image

from tests.support import pictures


@cache
def base(format_name: str, mode: str = "RGB", **options: object) -> bytes:
    return pictures.encoded(pictures.photograph("coffee", (48, 32)).convert(mode), format_name, **options)


def count(chance: random.Random, most: int) -> int:
    """A number of parts, of any magnitude."""
    return int(10 ** chance.uniform(1, len(str(most)) - 1))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def jpeg_segments(chance: random.Random) -> bytes:
    segment = chance.choice([b"\xff\xe1\0\2", b"\xff\xfe\0\2", b"\xff\xe2\0\x0eICC_PROFILE\0", b"\xff\xd0", b"\xff"])
    return b"\xff\xd8" + segment * count(chance, 10_000_000) + base("JPEG")[2:]


def jpeg_passes(chance: random.Random) -> bytes:
    content = base("JPEG", "L", progressive=True)
    last = content.rindex(b"\xff\xda")
    bomb = bytearray(content[:last] + content[last:-2] * count(chance, 10_000) + content[-2:])
    start = bomb.index(b"\xff\xc2")
    bomb[start + 5 : start + 9] = struct.pack(">HH", chance.randint(1, 8000), chance.randint(1, 8000))
    return bytes(bomb)


def png_chunks(chance: random.Random) -> bytes:
    content = base("PNG")
    part = chance.choice([chunk(b"tEXt", b""), chunk(b"IDAT", b""), chunk(b"abCd", b"x"), chunk(b"eXIf", b"II*\0")])
    at = chance.choice([33, len(content) - 12])
    return content[:at] + part * count(chance, 1_000_000) + content[at:]


def png_deflated(chance: random.Random) -> bytes:
    kind = chance.choice([b"zTXt", b"iCCP", b"iTXt"])
    packed = zlib.compress(bytes(count(chance, 100_000_000)))
    head = b"k\0\1\0\0\0" if kind == b"iTXt" else b"k\0\0"
    content = base("PNG")
    return content[:33] + chunk(kind, head + packed) * chance.randint(1, 20) + content[33:]


def png_pixels(chance: random.Random) -> bytes:
    width, height = chance.randint(1, 12_000), chance.randint(1, 12_000)
    head = struct.pack(">IIBBBBB", width, height, chance.choice([1, 8, 16]), chance.choice([0, 2, 4, 6]), 0, 0, 0)
    pixels = zlib.compress(bytes(count(chance, 100_000_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif_blocks(chance: random.Random) -> bytes:
    content = base("GIF", "P")
    head = content[: 13 + (3 << ((content[10] & 7) + 1))]
    frame = content[len(head) : -1]
    remark = b"\x21\xfe" + b"\x01x" * count(chance, 1_000_000) + b"\0"
    long_remark = b"\x21\xfe" + (b"\xff" + b"x" * 255) * count(chance, 100_000) + b"\0"
    many = chance.choice([frame, b"\x21\xfe\x01x\0", b"\0", b"\x21\xf9\x04\0\0\0\0\0"]) * count(chance, 1_000_000)
    tiny = frame[:11] + b"\x01\0" * count(chance, 1_000_000) + b"\0"
    return head + chance.choice([remark, long_remark, many[:5_000_000], tiny]) + frame + b";"


def tiff_directories(chance: random.Random) -> bytes:
    """Directories in a chain, one behind the other, or all leading to one."""
    number, tags = count(chance, 1_000_000), chance.choice([0, 1, 12])
    order = chance.choice("<>")
    length = 6 + 12 * tags
    entries = struct.pack(order + "HHII", 254, 4, 1, chance.choice([0, 1, 4])) * tags
    parts = []
    for index in range(min(number, 300_000)):
        following = chance.choice([8, 8 + length]) if chance.random() < 0.00001 else 8 + (index + 1) * length
        parts.append(struct.pack(order + "H", tags) + entries + struct.pack(order + "I", following))
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + b"".join(parts)


def tiff_tags(chance: random.Random) -> bytes:
    """Very many tags that share the same bytes, or numbers without end."""
    content = base("TIFF")
    (first,) = struct.unpack_from("<I", content, 4)
    (tags,) = struct.unpack_from("<H", content, first)
    known = content[first + 2 : first + 2 + 12 * tags]
    number = min(60_000, count(chance, 100_000))
    long = count(chance, 10_000_000)
    kind = chance.choice([1, 2, 3, 4, 5, 7, 12, 16])
    more = b"".join(struct.pack("<HHII", 40_000 + index % 20_000, kind, long, 8) for index in range(number))
    start = len(content) + len(content) % 2
    directory = struct.pack("<H", tags + number) + known + more + bytes(4)
    return b"II*\0" + struct.pack("<I", start) + content[8:].ljust(start - 8, b"\0") + directory + bytes(long // 4)


def webp_chunks(chance: random.Random) -> bytes:
    content = base("WEBP")
    flags = chance.choice([0, 2, 0x3E])
    extended = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + b"\x2f\0\0\x1f\0\0"
    part = chance.choice([b"abcd\0\0\0\0", b"ANMF\0\0\0\0", b"EXIF\2\0\0\0xx", b"ICCP\0\0\0\0", content[12:]])
    body = extended + part * min(count(chance, 1_000_000), 5_000_000 // len(part)) + content[12:]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def boxes(chance: random.Random) -> bytes:
    content = base("AVIF")
    (length,) = struct.unpack_from(">I", content)
    head, rest = content[:length], content[length:]
    nested = b""
    for _ in range(chance.randint(1, 2000)):
        nested = box(chance.choice([b"meta", b"iprp", b"moov", b"trak"]), bytes(4) + nested)
    flat = box(chance.choice([b"free", b"mdat", b"uuid", b"meta"]), b"") * count(chance, 1_000_000)
    entries = box(b"infe", struct.pack(">IHH4s", 0x02000000, 1, 0, b"av01") + b"\0") * min(
        65_535, count(chance, 100_000)
    )
    listed = box(b"meta", bytes(4) + box(b"iinf", struct.pack(">IH", 0, 65_535) + entries))
    brand = chance.choice([head, box(b"ftyp", b"heic\0\0\0\0mif1heic"), b"\0\0\0\x0cJXL \r\n\x87\n"])
    return brand + chance.choice([nested, flat, listed]) + rest


def pages_of_a_tiff(chance: random.Random) -> bytes:
    buffer = io.BytesIO()
    page = Image.new("1", (8, 8))
    page.save(buffer, "TIFF", save_all=True, append_images=[page] * chance.randint(1, 120))
    return buffer.getvalue()


def large_bitmaps(chance: random.Random) -> bytes:
    width, height = chance.randint(1, 40_000), chance.randint(1, 40_000)
    compression = chance.choice([0, 1])
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8 if compression else 24, compression, 0, 0, 0, 256, 0)
    runs = bytes([255, 1]) * count(chance, 1_000_000)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(runs), 0, 0, 54 + 1024) + head + bytes(1024) + runs


BOMBS: tuple[Callable[[random.Random], bytes], ...] = (
    jpeg_segments, jpeg_passes, png_chunks, png_deflated, png_pixels, gif_blocks, tiff_directories, tiff_tags,
    webp_chunks, boxes, pages_of_a_tiff, large_bitmaps,
)  # fmt: skip


def bomb(chance: random.Random) -> tuple[str, bytes]:
    """Some bomb, and what kind it is of."""
    make = chance.choice(BOMBS)
    return make.__name__, make(chance)
