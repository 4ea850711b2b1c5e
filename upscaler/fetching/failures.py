"""Why nothing came from an address, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests
import urllib3
from requests_hardened.ip_filter import InvalidIPAddress

from upscaler.errors import PublicError
from upscaler.fetching import addresses

MAX_REDIRECTS = 10


@contextmanager
def in_words(host: Callable[[], str]) -> Iterator[None]:
    """Raises PublicError for whatever the network does inside. ``host``: whom was asked last."""
    try:
        yield
    except InvalidIPAddress:
        raise addresses.private(host()) from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise PublicError(
            f"{host()} did not answer in time. Try again later, or upload the file instead.",
            code="fetch_timeout",
            permanent=False,
        ) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        raise PublicError(
            f"{host()} could not be reached. Check the address, or upload the file instead.",
            code="fetch_unreachable",
            permanent=False,
        ) from None


def too_many_redirects() -> PublicError:
    """The refusal of an address that leads on and on."""
    return PublicError(
        f"The address leads from one place to the next more than {MAX_REDIRECTS} times. "
        "Give the picture's final address, or upload the file instead.",
        code="fetch_redirects",
    )
