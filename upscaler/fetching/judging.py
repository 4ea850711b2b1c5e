"""What an answer means: the picture, or which words for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from upscaler.errors import PublicError
from upscaler.fetching import share_links

MAX_ERROR_BYTES = 1 << 16
"""Of an answer that is no picture, read to find out why."""
MAX_RETRY_AFTER = 60 * 60
"""Seconds that a picture waits because its host asks for it."""
BEGINNING = 2048
"""Bytes of a file that tell a page from a picture."""

_WAY_OUT = "or upload the file instead."
_WHOLE_RANGE = re.compile(r"bytes 0-([0-9]{1,15})/([0-9]{1,15})")
_TAG = (
    r"!doctype html|html|head|body|script|style|title|meta|link|base|div|p|h1|table|center|iframe|frameset|form|a|b|br"
)
_PAGE = re.compile(rf"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?(?:-->|$)\s*)*<(?:{_TAG})\b", re.IGNORECASE | re.DOTALL)
_STORAGE_ERROR = re.compile(r"<Code>\s*([A-Za-z.]{3,60})\s*</Code>")
_STORAGE_WORDS = re.compile(r"<(?:Message|Details|AuthenticationErrorDetail)>([^<]{0,1000})")

_EXPIRED = "{host} says that this link has run out. Make a new link, " + _WAY_OUT
_NOT_THERE = "{host} has no file under this address. Check the address, " + _WAY_OUT
_NOT_PUBLIC = (
    "{host} hands this file out to nobody who is not signed in. Make it public or make a signed link, " + _WAY_OUT
)
_BAD_SIGNATURE = (
    "{host} does not take the signature in this address. It may have been cut or changed when it was copied: copy the "
    "whole link again, " + _WAY_OUT
)
# The error codes of S3 and those who speak its protocol, Google's storage, Azure's and CloudFront.
_STORAGE = {
    "ExpiredToken": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "NoSuchKey": _NOT_THERE,
    "NoSuchBucket": _NOT_THERE,
    "NoSuchVersion": _NOT_THERE,
    "BlobNotFound": _NOT_THERE,
    "ContainerNotFound": _NOT_THERE,
    "ResourceNotFound": _NOT_THERE,
    "AccessDenied": _NOT_PUBLIC,
    "AllAccessDisabled": _NOT_PUBLIC,
    "AuthenticationRequired": _NOT_PUBLIC,
    "NoAuthenticationInformation": _NOT_PUBLIC,
    "PublicAccessNotPermitted": _NOT_PUBLIC,
    "MissingKey": _NOT_PUBLIC,
    "SignatureDoesNotMatch": _BAD_SIGNATURE,
    "AuthenticationFailed": _BAD_SIGNATURE,
    "InvalidAccessKeyId": _BAD_SIGNATURE,
    "InvalidSignature": _BAD_SIGNATURE,
    "InvalidToken": _BAD_SIGNATURE,
    "MalformedSignature": _BAD_SIGNATURE,
    "AuthorizationQueryParametersError": _BAD_SIGNATURE,
}


def size_of_whole(response: requests.Response) -> int | None:
    """The picture's size in bytes where a part (206) says that it is all of it; None for any whole answer.

    Raises PublicError where it is less than all.
    """
    if response.status_code != requests.codes.partial_content:
        return None
    found = _WHOLE_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) + 1 != int(found[2]):
        raise PublicError(
            f"{_host(response)} gave only a part of the picture. Try again later, {_WAY_OUT}",
            code="fetch_status",
            permanent=False,
        )
    return int(found[2])


def is_answer(response: requests.Response) -> bool:
    """Whether the body is what the address stands for, as far as its status says."""
    # 203: a proxy on the way has changed it, which such a proxy may do with any picture.
    return response.status_code in (200, 203, 206)


def refusal(response: requests.Response, body: bytes, first_host: str) -> PublicError:
    """What an answer means that is none; ``body`` is how it begins, ``first_host`` that of the address as given."""
    status, host = response.status_code, _host(response)
    if (told := _storage_error(body, host, status)) is not None:
        return told
    hint = share_links.words(first_host, host)
    if status in (401, 403, 404, 410):
        return PublicError(
            f"{host} does not hand out this picture (it answered {status}). "
            + (hint or f"Check that the address opens in a private browser window, {_WAY_OUT}"),
            code="fetch_refused",
        )
    wait = retry_after(response) if status in (429, 503) else None
    if wait is not None and wait > MAX_RETRY_AFTER:
        return PublicError(
            f"{host} asks to be left alone for {_in_words(wait)} (it answered {status}). Try again after that, "
            f"{_WAY_OUT}",
            code="fetch_status",
        )
    return PublicError(
        f"{host} answered {status} instead of the picture. Try again later, {_WAY_OUT}",
        code="fetch_status",
        permanent=400 <= status < 500 and status not in (408, 425, 429),
        retry_after=wait,
    )


def check_content(response: requests.Response, beginning: bytes, first_host: str) -> None:
    """Raises PublicError where the body is a web page, or a storage's error, in place of a picture."""
    host = _host(response)
    if is_page(beginning, response.headers.get("Content-Type", "")):
        what = f"{host} shows a web page under this address, not a picture. "
        hint = share_links.words(first_host, host)
        raise PublicError(
            what
            + (hint or "This is a web page; open it and copy the picture’s own address (right-click the picture), ")
            + ("" if hint else _WAY_OUT),
            code="not_a_picture",
        )
    if (told := _storage_error(beginning, host, response.status_code)) is not None:
        raise told


def is_page(beginning: bytes, content_type: str) -> bool:
    """Whether a file that begins like this is a web page; what its host calls it counts only beside that."""
    text = _text(beginning)
    says_page = content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")
    return bool(_PAGE.match(text)) or (says_page and text.lstrip().startswith("<"))


def _storage_error(body: bytes, host: str, status: int) -> PublicError | None:
    # By pattern: a reader of XML could be kept busy by what it reads.
    text = _text(body)
    if "<Error" not in text or (found := _STORAGE_ERROR.search(text)) is None:
        return None
    code, said = found[1], " ".join(_STORAGE_WORDS.findall(text)).lower()
    words = _STORAGE.get(code)
    if "expired" in said or "expiry" in said:
        words = _EXPIRED
    if words is None:
        return None
    return PublicError(f"{words.format(host=host)} (It answered {status}, {code}.)", code="fetch_refused")


def _text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    return content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def retry_after(response: requests.Response) -> float | None:
    """Seconds; None where the header is missing or says nothing."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, ((until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _in_words(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24):,} days"


def _host(response: requests.Response) -> str:
    # The host header hides behind a pinned address, so the answer's own URL is the one to name.
    return urlsplit(response.url).hostname or ""
