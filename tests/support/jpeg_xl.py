"""JPEG XL files in colours that Pillow's plugin does not write: the head of a file without loss is written anew."""

from __future__ import annotations

import numpy as np
import pillow_jxl
from PIL import Image

PQ, HLG = 16, 18
SIGNATURE = b"\xff\x0a"


def with_transfer(picture: Image.Image, transfer: int) -> bytes:
    """An RGB picture whose numbers are meant in BT.2100's primaries, by ``transfer`` (ISO/IEC 18181-1).

    Its sides are multiples of 8, at most 256, and not the same.
    """
    encoder = pillow_jxl.Encoder(mode="RGB", lossless=True, quality=100, use_container=False, use_original_profile=True)
    content = bytes(encoder(picture.tobytes(), picture.width, picture.height, jpeg_encode=False))
    assert content.startswith(SIGNATURE)
    bits = np.unpackbits(np.frombuffer(content[2:], np.uint8), bitorder="little")
    head = _size(picture)
    assert bits[: len(head)].tolist() == head
    plain = [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1]
    old = head + plain
    assert bits[: len(old)].tolist() == old, (bits[: len(old) + 8].tolist(), old)
    number = [0, 1, *_number(transfer - 2, 4)] if transfer < 18 else [1, 1, *_number(transfer - 18, 6)]
    # No default, no profile, RGB, D65, BT.2100, no gamma, the curve, relative.
    colours = [0, 0, 0, 0, 1, 0, 0, 1, *_number(9 - 2, 4), 0, *number, 1, 0]
    new = head + plain[:9] + colours + plain[10:]
    frames = content[2 + -(-len(old) // 8) :]
    return SIGNATURE + np.packbits(np.array(new, np.uint8), bitorder="little").tobytes() + frames


def _size(picture: Image.Image) -> list[int]:
    return [1, *_number(picture.height // 8 - 1, 5), 0, 0, 0, *_number(picture.width // 8 - 1, 5)]


def _number(value: int, count: int) -> list[int]:
    return [value >> place & 1 for place in range(count)]
