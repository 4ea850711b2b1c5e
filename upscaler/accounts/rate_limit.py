"""The cache that `CACHE_URL` chooses. It may be a server that is away, and then nobody is held up because of it."""

from __future__ import annotations

import logging
import time

from django.core.cache import cache

logger = logging.getLogger(__name__)

PAUSE = 10.0
"""Seconds in which a cache that failed is left alone, so that not every call waits for it."""
_away_until = 0.0


def count(key: str, *, seconds: int) -> int:
    """Add one to ``key`` and give its value, 0 where that can't be; it is forgotten after ``seconds``."""
    if _is_away():
        return 0
    try:
        try:
            return cache.incr(key)
        except ValueError:
            # The first one. Another may add it at the same moment, and a full cache may push it out.
            cache.add(key, 0, timeout=seconds)
            return cache.incr(key)
    except ValueError:
        return 0
    except Exception:
        _leave_alone()
        return 0


def current(key: str) -> int:
    """What ``key`` was counted to, 0 where that can't be known."""
    if _is_away():
        return 0
    try:
        return int(cache.get(key, 0))
    except Exception:
        _leave_alone()
        return 0


def _is_away() -> bool:
    return time.monotonic() < _away_until


def _leave_alone() -> None:
    # Whatever was raised: each library of a cache has errors of its own.
    global _away_until
    _away_until = time.monotonic() + PAUSE
    logger.exception("the cache does not answer and is left alone for %.0f s; calls are not counted meanwhile", PAUSE)
