"""A client of S3 for an address that a team has typed: every request goes by the guard against private networks.

boto3 signs and reads; what is sent goes through the same sessions as pictures of the web, which connect to the very
address that was checked. Nothing of the machine's own keys, profiles or proxies is used.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import boto3
import requests
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from upscaler.errors import PublicError
from upscaler.fetching import addresses, connections
from upscaler.watching import places

CONNECT_TIMEOUT, READ_TIMEOUT = 5, 60
HEAD_TIME_LIMIT = 120.0
"""Seconds until an answer must have begun; what is sent up to then counts too."""
CHUNK = 1 << 16
MAX_ANSWER_BYTES = 16 << 20
"""Of a list of a thousand files, or an error: many times what a long one has."""


def client(*, endpoint: str, region: str, access_key_id: str, secret_key: str) -> Any:
    """A client for ``endpoint``; empty for Amazon's. Its calls raise botocore's errors, requests' and PublicError."""
    made = _session().client(
        "s3",
        endpoint_url=endpoint or places.amazon(region),
        region_name=region or places.REGION,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            retries={"mode": "standard", "total_max_attempts": 2},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,
        ),
    )
    made.meta.events.register("before-send.s3", _send)
    return made


@functools.cache
def _session() -> Any:
    # Reading what S3 can do takes a third of a second. No keys are kept in it.
    return boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=places.REGION)  # noqa: S106


def _send(request: AWSPreparedRequest, **more: Any) -> AWSResponse:
    """The answer's head and its body as it comes, in botocore's form."""
    normal = addresses.checked(request.url, max_length=addresses.MAX_SIGNED_URL_LENGTH)
    deadline = time.monotonic() + HEAD_TIME_LIMIT
    headers = {name: _text(value) for name, value in request.headers.items()}
    # The library takes an empty file for one of unknown length.
    body = None if headers.get("Content-Length") == "0" else request.body

    def ask() -> requests.Response:
        # Not closed: the body is read by whoever asked, and closed by them.
        session = connections.session_for(normal, connections.new_cookies())
        return session.request(
            request.method,
            request.url,
            data=body,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        )

    answer = connections.run_with_deadline(deadline, ask)
    return _BoundedAnswer(request.url, answer.status_code, answer.headers, answer.raw)


class _BoundedAnswer(AWSResponse):
    @functools.cached_property
    def content(self) -> bytes:
        """The whole body of what is no file, which botocore would read however long it is. Raises PublicError."""
        parts, size = [], 0
        for part in self.raw.stream(CHUNK):
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                self.raw.close()
                raise PublicError("The server’s answer is far too long for a list of files.", code="watched_place")
            parts.append(part)
        return b"".join(parts)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
