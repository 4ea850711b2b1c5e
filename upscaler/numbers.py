"""Numbers as people and programs write them. Without Django: the settings and the engine's child read some too.

Python's own ``int`` and ``float`` also take ``1_000`` and the digits of every script, and so read a slip as a number.
"""

from __future__ import annotations


def whole_number(text: str) -> int:
    """``text`` as a whole number in the digits 0 to 9, with or without a sign; blanks around it don't count.

    Raises ValueError.
    """
    return int(_plain(text))


def any_number(text: str) -> float:
    """``text`` as a number like ``0.5`` or ``1e-3``, by the same rules. ``inf`` and ``nan`` are numbers here.

    Raises ValueError.
    """
    return float(_plain(text))


def _plain(text: str) -> str:
    if "_" in text or not text.isascii():
        raise ValueError(f"not a number: {text[:100]!r}")
    return text
