"""Downloading a picture from an address that a user typed, without reaching into the operator's own network."""

from __future__ import annotations

import ipaddress
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from requests_hardened import Config, Manager
from requests_hardened.ip_filter import InvalidIPAddress

from upscaler.errors import PublicError

T = TypeVar("T")

MAX_URL_LENGTH = 2000
MAX_SIGNED_URL_LENGTH = 8000
"""Of an address that a program made, whose signature may be long; most web servers take no longer one."""
MAX_REDIRECTS = 5
CONNECT_TIMEOUT = 10
READ_TIMEOUT = 30
CHUNK = 1 << 16
USER_AGENT = "Upscaler (picture download)"

_AMBIGUOUS = re.compile(r"[\\\s\x00-\x20\x7f]")
_is_web_address = URLValidator(schemes=["http", "https"])


def check_url(url: str, *, max_length: int = MAX_URL_LENGTH) -> None:
    """Refuse an address that can't be a public picture, without asking the network.

    Raises PublicError with code ``url_too_long``, ``url_parsing`` or ``url_private``.
    """
    if len(url) > max_length:
        raise PublicError(
            f"The address has {len(url):,} characters; the limit is {max_length:,}. "
            "Save the picture and upload the file instead.",
            code="url_too_long",
        )
    try:
        # Parsers disagree on backslashes, blanks and user names, and the one that connects is not the one that
        # checks: whatever could be read in two ways is refused.
        if _AMBIGUOUS.search(url) or "@" in urlsplit(url).netloc:
            raise ValueError
        url.encode()  # Half a surrogate pair can be neither sent nor stored.
        parts = urlsplit(url)
        host = parts.hostname or ""
        if not _is_allowed_private(url):
            _is_web_address(url)
    except (ValueError, ValidationError):
        raise PublicError(
            "This is not the address of a picture on the web. It must start with https:// or http:// and name a "
            "public host, like https://shop.example/shirt.jpg.",
            code="url_parsing",
        ) from None
    if not _is_allowed_private(url) and _is_plainly_private(host):
        raise _private(host)


def file_name(url: str) -> str:
    """The file name at the end of an address, or its host where it has none."""
    parts = urlsplit(url)
    name = unquote(parts.path).rstrip("/").rpartition("/")[2]
    return ("".join(filter(str.isprintable, name)) or parts.hostname or "picture")[:255]


def fetch(url: str, target: Path, *, max_bytes: int, max_length: int = MAX_URL_LENGTH) -> None:
    """Download ``url``, of at most ``max_length`` characters, into the file ``target``, at most ``max_bytes`` of it.

    Every hop of a redirect is checked again. Raises PublicError.
    """
    deadline = time.monotonic() + settings.FETCH_TIME_LIMIT
    try:
        for _ in range(MAX_REDIRECTS + 1):
            check_url(url, max_length=max_length)
            with _session(url) as session, _answer(session, url, deadline) as response:
                if response.is_redirect:
                    url = urljoin(url, response.headers["Location"])
                    continue
                _check_status(response)
                _save(response, target, max_bytes=max_bytes, deadline=deadline)
                return
    except InvalidIPAddress:
        raise _private(urlsplit(url).hostname or "") from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise PublicError(
            f"{urlsplit(url).hostname} did not answer in time. Try again later, or upload the file instead.",
            code="fetch_timeout",
            permanent=False,
        ) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        raise PublicError(
            f"{urlsplit(url).hostname} could not be reached. Check the address, or upload the file instead.",
            code="fetch_unreachable",
            permanent=False,
        ) from None
    except ValueError:
        raise PublicError(
            f"{urlsplit(url).hostname} leads on to something that is no web address. Upload the file instead.",
            code="url_parsing",
        ) from None
    raise PublicError(
        f"The address leads from one place to the next more than {MAX_REDIRECTS} times. "
        "Give the picture's final address, or upload the file instead.",
        code="fetch_redirects",
    )


def _session(url: str) -> requests.Session:
    if _is_allowed_private(url):
        session = requests.Session()
    else:
        session = Manager(
            Config(
                ip_filter_enable=True,
                ip_filter_allow_loopback_ips=False,
                never_redirect=True,
                default_timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            )
        ).get_session()
    # A proxy named in the environment would resolve the host itself, past the address filter.
    session.trust_env = False
    return session


def run_with_deadline(deadline: float, ask: Callable[[], T]) -> T:
    """What ``ask`` gives, if it ends before ``deadline`` (of the monotonic clock).

    Raises requests.Timeout if it does not, and whatever ``ask`` raises. A read timeout starts anew with every byte, so
    a server that drips its headers could hold the worker for hours. ``ask`` therefore runs in a thread, which is left
    behind when its time is over: nothing that it uses may be used again.
    """
    outcome: list[T] = []
    trouble: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(ask())
        except Exception as error:
            trouble.append(error)

    thread = threading.Thread(target=run, name="request", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if trouble:
        raise trouble[0]
    if not outcome:
        raise requests.Timeout
    return outcome[0]


def chunks(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """The body as it arrives. Raises requests.Timeout once ``deadline`` has passed."""
    # `read1` gives what has arrived; waiting for a full chunk would put the deadline off with every byte.
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        if time.monotonic() > deadline:
            raise requests.Timeout
        yield chunk


def _answer(session: requests.Session, url: str, deadline: float) -> requests.Response:
    """The answer's head, before ``deadline``. Raises requests.Timeout and whatever requests raises."""
    headers = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
    timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
    return run_with_deadline(
        deadline,
        lambda: session.get(url, stream=True, allow_redirects=False, timeout=timeout, headers=headers),
    )


def _is_allowed_private(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme in ("http", "https") and f"{parts.hostname}:{port}" in settings.FETCH_ALLOW_HOSTS


def _is_plainly_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def _private(host: str) -> PublicError:
    return PublicError(
        f"{host} is an address inside a private network, which we do not open. "
        "Give a public address, or upload the file instead.",
        code="url_private",
    )


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status == requests.codes.ok:
        return
    host = urlsplit(response.url).hostname
    # The host header hides behind a pinned address, so the answer's own URL is the one to name.
    if status in (401, 403, 404, 410):
        raise PublicError(
            f"{host} does not hand out this picture (it answered {status}). Check that the address opens in a "
            "private browser window, or upload the file instead.",
            code="fetch_refused",
        )
    raise PublicError(
        f"{host} answered {status} instead of the picture. Try again later, or upload the file instead.",
        code="fetch_status",
        permanent=400 <= status < 500 and status not in (408, 425, 429),
    )


def _save(response: requests.Response, target: Path, *, max_bytes: int, deadline: float) -> None:
    too_large = PublicError(
        f"The picture at this address is larger than {max_bytes / 1e6:.0f} MB. Upload a smaller file instead.",
        code="too_large",
    )
    announced = response.headers.get("Content-Length", "")
    # Plain digits only: a header may hold a ², which counts as a digit and is no number.
    if announced.isascii() and announced.isdigit() and int(announced) > max_bytes:
        raise too_large
    received = 0
    with target.open("wb") as out:
        for chunk in chunks(response, deadline):
            received += len(chunk)
            if received > max_bytes:
                raise too_large
            out.write(chunk)
