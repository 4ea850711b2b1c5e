"""How often each host is asked: a few at a time, with the pause that its robots.txt asks for, and not in vain."""

from __future__ import annotations

import logging
import time
from urllib.parse import urlsplit

from django.conf import settings
from protego import Protego

from upscaler.errors import PublicError
from upscaler.feeds import probe
from upscaler.fetching.beginnings import Visitor

logger = logging.getLogger(__name__)

ROBOTS_BYTES = 500_000
"""Of a robots.txt, as RFC 9309 (2.5) has it."""
ROBOTS_SECONDS = 10
MAX_DELAY = 60.0
"""Seconds between two requests at most: a host that asks for more is asked once a minute."""
IN_VAIN = 10
"""Failures in a row after which the rest of a host's pictures is not tried."""
UNANSWERED = ("fetch_timeout", "fetch_unreachable")


def delay_of(visitor: Visitor, url: str) -> float:
    """Seconds between two requests that the host of an address asks for (``Crawl-delay``); 0 where it asks for none.

    What robots.txt forbids is for programs that look around by themselves. Here a person names the pictures of their
    own shop, so only its pace is kept.
    """
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc}/robots.txt"
    deadline = time.monotonic() + ROBOTS_SECONDS
    # Whatever is wrong with a host's robots.txt, its pictures are looked at.
    try:
        found = visitor.read(
            address, first=ROBOTS_BYTES, needed=lambda _: ROBOTS_BYTES, most=ROBOTS_BYTES, deadline=deadline
        )
        robots = Protego.parse(found.content.decode("utf-8", "replace"))
        delay = robots.crawl_delay(probe.user_agent())
        if delay is not None and delay > 0:
            return min(float(delay), MAX_DELAY)
    except PublicError:
        return 0.0
    except Exception:
        logger.exception("the robots.txt of %s could not be read", parts.netloc)
    return 0.0


class Host:
    """One host during a slice of work."""

    def __init__(self, name: str, delay: float) -> None:
        self.name, self.delay = name, delay
        self.at_once = 1 if delay else settings.FEED_PER_HOST
        self.next_at = 0.0
        """When it may be asked again, of the monotonic clock."""
        self.at_work = 0
        self.in_vain = 0

    def is_free(self, now: float) -> bool:
        """Whether it may be asked now."""
        return self.at_work < self.at_once and now >= self.next_at

    def begin(self, now: float) -> None:
        """It is asked."""
        self.at_work += 1
        self.next_at = max(self.next_at, now + self.delay)

    def end(self, problem: str) -> None:
        """It has answered, or has not."""
        self.at_work -= 1
        self.in_vain = self.in_vain + 1 if problem in UNANSWERED else 0

    def pause(self, seconds: float) -> None:
        """It asks to be left alone."""
        self.next_at = max(self.next_at, time.monotonic() + seconds)

    @property
    def is_hopeless(self) -> bool:
        """Whether so many in a row went unanswered that the rest would be too."""
        return self.in_vain >= IN_VAIN
