"""Downloading a picture from an address that a user typed, without reaching into the operator's own network.

::

    addresses    how it is asked for, and which are refused       share_links   links to pages that show a file
    connections  what ends with its time, and only goes out       judging       what an answer means, in words
    names        what the picture is called
"""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from django.conf import settings
from requests_hardened.ip_filter import InvalidIPAddress

from upscaler.errors import PublicError
from upscaler.fetching import addresses, connections, judging, names, share_links
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

MAX_REDIRECTS = 10
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

    @property
    def host(self) -> str:
        return urlsplit(self.place).hostname or ""


def fetch(
    url: str, target: Path, *, max_bytes: int, max_length: int = MAX_URL_LENGTH, refuse_pages: bool = True
) -> str:
    """Download ``url``, of at most ``max_length`` characters, into the file ``target``, at most ``max_bytes`` of it.

    Every hop of a redirect is checked again. Without ``refuse_pages`` a web page, or a storage's error, is a file like
    any other: for who examines what came and has words of their own. Returns what the picture is called there. Raises
    PublicError; where its ``retry_after`` is set, the host asked to be left alone for so many seconds.
    """
    given = addresses.checked(url, max_length=max_length)
    under_way = _Fetch(given, share_links.direct(given), time.monotonic() + settings.FETCH_TIME_LIMIT)
    try:
        return run_with_deadline(under_way.deadline, lambda: _follow(under_way, target, max_bytes, refuse_pages))
    except InvalidIPAddress:
        raise addresses.private(under_way.host) from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise PublicError(
            f"{under_way.host} did not answer in time. Try again later, or upload the file instead.",
            code="fetch_timeout",
            permanent=False,
        ) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        raise PublicError(
            f"{under_way.host} could not be reached. Check the address, or upload the file instead.",
            code="fetch_unreachable",
            permanent=False,
        ) from None


def _follow(under_way: _Fetch, target: Path, max_bytes: int, refuse_pages: bool) -> str:
    # Share links give a cookie at the first place and ask for it at the next.
    cookies = connections.new_cookies()
    first_host = under_way.host
    for _ in range(MAX_REDIRECTS + 1):
        with connections.session_for(under_way.place, cookies) as session, closing(_ask(session, under_way)) as answer:
            if answer.is_redirect:
                under_way.place = _next_place(under_way, answer.headers["Location"])
                continue
            if not judging.is_answer(answer):
                raise judging.refusal(answer, _beginning(answer, under_way.deadline), first_host)
            _save(answer, target, max_bytes=max_bytes, deadline=under_way.deadline)
            if refuse_pages:
                with target.open("rb") as file:
                    judging.check_content(answer, file.read(judging.BEGINNING), first_host)
            return names.of_download(answer.headers.get("Content-Disposition", ""), under_way.place, under_way.given)
    raise PublicError(
        f"The address leads from one place to the next more than {MAX_REDIRECTS} times. "
        "Give the picture's final address, or upload the file instead.",
        code="fetch_redirects",
    )


def _ask(session: requests.Session, under_way: _Fetch) -> requests.Response:
    """The answer's head. Raises what requests raises."""
    headers = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    return run_with_deadline(
        min(under_way.deadline, time.monotonic() + HEAD_TIME_LIMIT),
        lambda: session.get(under_way.place, stream=True, allow_redirects=False, timeout=timeout, headers=headers),
    )


def _next_place(under_way: _Fetch, location: str) -> str:
    """Where a redirect leads, in its normal form. Raises PublicError."""
    with suppress(UnicodeError):
        # Headers are read as Latin-1, and mostly written in UTF-8.
        location = location.encode("latin-1").decode()
    try:
        return addresses.checked(urljoin(under_way.place, location.strip()), max_length=MAX_SIGNED_URL_LENGTH)
    except (ValueError, PublicError) as error:
        if getattr(error, "code", "url_parsing") != "url_parsing":
            raise
        raise PublicError(
            f"{under_way.host} leads on to something that is no web address. Upload the file instead.",
            code="url_parsing",
        ) from None


def _beginning(response: requests.Response, deadline: float) -> bytes:
    content = b""
    # Where it breaks off, the status alone says enough.
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError):
        for chunk in chunks(response, deadline):
            content += chunk
            if len(content) > judging.MAX_ERROR_BYTES:
                break
    return content[: judging.MAX_ERROR_BYTES]


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
