"""Colour profiles for the tests: Display P3 and CMYK as libvips brings them, others made by ICC's definition."""

from __future__ import annotations

import struct

import numpy as np
import pyvips

P3: bytes = pyvips.Image.profile_load("p3")
"""Compact Display P3, made for libvips."""
CMYK: bytes = pyvips.Image.profile_load("cmyk")
"""“Chemical proof” by Graeme W. Gill, public domain: inks as a press prints them."""


def _tag(kind: bytes, content: bytes) -> bytes:
    return kind + bytes(4) + content


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 display profile (ICC.1:2001-04): header, table of tags, tags at multiples of four."""
    tags = {
        b"desc": _tag(b"desc", struct.pack(">I", 5) + b"test\0" + bytes(78)),
        b"cprt": _tag(b"text", b"none\0"),
        b"wtpt": _tag(b"XYZ ", _fixed(0.9642, 1, 0.8249)),
        **tags,
    }
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02100000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _gamma(gamma: float) -> bytes:
    return _tag(b"curv", struct.pack(">IH", 1, round(gamma * 256)))


def _to_d50(primaries: list[tuple[float, float]], white: tuple[float, float]) -> np.ndarray:
    """The primaries' XYZ as columns, Bradford-adapted from ``white`` to D50."""

    def xyz(x: float, y: float) -> np.ndarray:
        return np.array([x / y, 1, (1 - x - y) / y])

    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    columns = np.stack([xyz(*primary) for primary in primaries], axis=1)
    columns = columns * np.linalg.solve(columns, xyz(*white))
    scale = (bradford @ [0.9642, 1, 0.8249]) / (bradford @ xyz(*white))
    return np.linalg.inv(bradford) @ np.diag(scale) @ bradford @ columns


def adobe_rgb() -> bytes:
    """Adobe RGB (1998) by its specification: its primaries, D65, gamma 563/256."""
    red, green, blue = _to_d50([(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)], (0.3127, 0.3290)).T
    colorants = {b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue}
    curves = {name: _gamma(563 / 256) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(b"RGB ", {**{name: _tag(b"XYZ ", _fixed(*value)) for name, value in colorants.items()}, **curves})


def grey(gamma: float) -> bytes:
    """Grey with that gamma."""
    return _profile(b"GRAY", {b"kTRC": _gamma(gamma)})
