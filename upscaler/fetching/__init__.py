"""Downloading a picture from an address that a user typed, without reaching into the operator's own network.

::

    addresses    how it is asked for, and which are refused       share_links   links to pages that show a file
    connections  what ends with its time, and only goes out       judging       what an answer means, in words
    names        what the picture is called        failures      why none came, in words
    beginnings   how many files begin, and no more
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from django.conf import settings

from upscaler.errors import PublicError
from upscaler.fetching import addresses, connections, failures, judging, names, share_links
from upscaler.fetching.addresses import MAX_SIGNED_URL_LENGTH, MAX_URL_LENGTH, check_url, normal_form
from upscaler.fetching.connections import WatchedAdapter, chunks, run_with_deadline
from upscaler.fetching.names import of_address as file_name

__all__ = [
    "MAX_SIGNED_URL_LENGTH",
    "MAX_URL_LENGTH",
    "WatchedAdapter",
    "check_url",
    "chunks",
    "fetch",
    "file_name",
    "normal_form",
    "run_with_deadline",
]

CONNECT_TIMEOUT = 10
READ_TIMEOUT = 30
HEAD_TIME_LIMIT = 40
"""Seconds for one hop's answer to begin, however many headers it has."""
USER_AGENT = "Upscaler (picture download)"


@dataclass
class _Fetch:
    """One fetch under way."""

    given: str
    place: str
    """Where it has come to, in its normal form."""
    deadline: float
    accept: str

    @property
    def host(self) -> str:
        return urlsplit(self.place).hostname or ""


def fetch(
    url: str,
    target: Path,
    *,
    max_bytes: int,
    max_length: int = MAX_URL_LENGTH,
    refuse_pages: bool = True,
    time_limit: float | None = None,
    accept: str = "image/*",
) -> str:
    """Download ``url``, of at most ``max_length`` characters, into the file ``target``, at most ``max_bytes`` of it.

    Every hop of a redirect is checked again. Without ``refuse_pages`` a web page, or a storage's error, is a file like
    any other: for who examines what came and has words of their own. ``time_limit`` in seconds, by default
    ``FETCH_TIME_LIMIT``; ``accept``: what the host is asked for. Returns what the picture is called there. Raises
    PublicError; where its ``retry_after`` is set, the host asked to be left alone for so many seconds.
    """
    given = addresses.checked(url, max_length=max_length)
    deadline = time.monotonic() + (time_limit or settings.FETCH_TIME_LIMIT)
    under_way = _Fetch(given, share_links.direct(given), deadline, accept)
    with failures.in_words(lambda: under_way.host):
        return run_with_deadline(under_way.deadline, lambda: _follow(under_way, target, max_bytes, refuse_pages))


def _follow(under_way: _Fetch, target: Path, max_bytes: int, refuse_pages: bool) -> str:
    # Share links give a cookie at the first place and ask for it at the next.
    cookies = connections.new_cookies()
    first_host = under_way.host
    for _ in range(failures.MAX_REDIRECTS + 1):
        with connections.session_for(under_way.place, cookies) as session, closing(_ask(session, under_way)) as answer:
            if answer.is_redirect:
                under_way.place = addresses.next_place(under_way.place, answer.headers["Location"])
                continue
            if not judging.is_answer(answer):
                raise judging.refusal(
                    answer, connections.error_text(answer, under_way.deadline, judging.MAX_ERROR_BYTES), first_host
                )
            _save(answer, target, max_bytes=max_bytes, deadline=under_way.deadline)
            if refuse_pages:
                with target.open("rb") as file:
                    judging.check_content(answer, file.read(judging.BEGINNING), first_host)
            return names.of_download(answer.headers.get("Content-Disposition", ""), under_way.place, under_way.given)
    raise failures.too_many_redirects()


def _ask(session: requests.Session, under_way: _Fetch) -> requests.Response:
    """The answer's head. Raises what requests raises."""
    headers = {"User-Agent": USER_AGENT, "Accept": under_way.accept, "Accept-Encoding": "identity"}
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    return run_with_deadline(
        min(under_way.deadline, time.monotonic() + HEAD_TIME_LIMIT),
        lambda: session.get(under_way.place, stream=True, allow_redirects=False, timeout=timeout, headers=headers),
    )


def _save(response: requests.Response, target: Path, *, max_bytes: int, deadline: float) -> None:
    too_large = PublicError(
        f"The picture at this address is larger than {max_bytes / 1e6:.0f} MB. Upload a smaller file instead.",
        code="too_large",
    )
    whole = judging.size_of_whole(response)
    announced = response.headers.get("Content-Length", "")
    # Plain digits only: a header may hold a ², which counts as a digit and is no number.
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > max_bytes:
        raise too_large
    received = 0
    with target.open("wb") as out:
        for chunk in chunks(response, deadline):
            received += len(chunk)
            if received > max_bytes:
                raise too_large
            out.write(chunk)
    if whole is not None and received != whole and "Content-Encoding" not in response.headers:
        raise requests.ConnectionError("less than was announced")
