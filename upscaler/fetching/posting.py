"""Telling a program at an address that somebody typed, without reaching into the operator's own network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import requests

from upscaler.fetching import addresses, connections, failures, judging
from upscaler.fetching.connections import run_with_deadline

CONNECT_TIMEOUT = 5


@dataclass(frozen=True)
class Answer:
    """What the other side said."""

    status: int
    text: str
    """How its body begins."""
    retry_after: float | None
    """Seconds for which it asked to be left alone."""


def post(url: str, body: bytes, *, headers: Mapping[str, str], time_limit: float, max_answer: int) -> Answer:
    """Send ``body`` to ``url`` and read at most ``max_answer`` bytes of the answer, within ``time_limit`` seconds.

    The address is checked and looked up anew each time; a redirect is an answer like others, and not followed. Raises
    PublicError where no answer came, or the address leads into a private network.
    """
    deadline = time.monotonic() + time_limit
    normal = addresses.checked(url)
    host = addresses.place(normal)[0]

    heads: list[Answer] = []

    def ask() -> Answer:
        with (
            connections.session_for(normal, connections.new_cookies()) as session,
            closing(
                session.post(
                    normal,
                    data=body,
                    headers={**headers, "Accept-Encoding": "identity"},
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_TIMEOUT, time_limit),
                )
            ) as answer,
        ):
            head = Answer(answer.status_code, "", judging.retry_after(answer))
            heads.append(head)
            text = connections.error_text(answer, deadline, max_answer).decode("utf-8", "replace")
            return replace(head, text=text.replace("\0", ""))

    with failures.in_words(lambda: host):
        try:
            return run_with_deadline(deadline, ask)
        except requests.Timeout:
            # What the status says holds, however slowly the body drips.
            if heads:
                return heads[0]
            raise
        except requests.exceptions.InvalidHeader:
            raise requests.RequestException from None
