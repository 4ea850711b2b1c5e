"""A watched prefix in a bucket of S3, of Amazon's or of a server that speaks its protocol."""

from __future__ import annotations

import mimetypes
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import IO, Any

import requests
import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from requests_hardened.ip_filter import InvalidIPAddress

from upscaler.errors import PublicError
from upscaler.fetching.connections import run_with_deadline
from upscaler.models import WatchedFolder
from upscaler.watching import places, s3_client
from upscaler.watching.places import FileChanged, Found, NameTaken

DIGEST = "upscaler-sha256"
"""The word in an object's metadata by which the desk knows what it has put."""
IN_MEMORY = 5_000_000
CHUNK = 1 << 20
PAGE_SECONDS = 120.0
GONE = ("NoSuchKey", "404", "PreconditionFailed", "412")
REASONS = {
    "NoSuchBucket": "There is no bucket of this name. Look at the bucket’s name, and at the server’s address.",
    "InvalidAccessKeyId": "The server does not know this access key. Give one that works.",
    "SignatureDoesNotMatch": "The secret does not belong to this access key. Give both anew.",
    "AccessDenied": (
        "The key may not do this. It must be allowed to list the prefix and read it, and to write where results go."
    ),
    "403": "The key may not do this. It must be allowed to list and read the prefix, and to write where results go.",
    "PermanentRedirect": "The bucket is in another region. Give that region.",
    "AuthorizationHeaderMalformed": "The bucket is in another region. Give that region.",
    "IllegalLocationConstraintException": "The bucket is in another region. Give that region.",
    "SlowDown": "The server asks to be left alone for a while.",
}

LISTING_TIME_LIMIT = 240
"""Seconds for the whole list of a bucket's files: less than the lease under which it is read."""


class BucketPlace:
    """A prefix whose bucket is asked by a client."""

    is_whole_at_once = True

    def __init__(
        self, client: Any, bucket: str, parts: Sequence[str], *, put_parts: Sequence[str], left_out: str
    ) -> None:
        """As `folder_place.FolderPlace`, with a client of boto3."""
        self._client, self._bucket = client, bucket
        self._prefix, self._put_prefix = _prefix(parts), _prefix(put_parts)
        self._left_out = left_out

    def files(self) -> Iterator[Found]:
        """As `Place.files`."""
        count, end = 0, time.monotonic() + LISTING_TIME_LIMIT
        more: dict[str, str] = {}
        while True:
            # A server may say for ever that there is more.
            if time.monotonic() > end:
                raise PublicError(
                    f"The list of its files did not end within {LISTING_TIME_LIMIT // 60} minutes. "
                    "Choose a part of the bucket.",
                    code="watched_place",
                    permanent=False,
                )
            with _in_words():
                page = self._timed(
                    lambda more=more: self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, **more)
                )
            for item in page.get("Contents", ()):
                path = item["Key"].removeprefix(self._prefix)
                if path.endswith("/") or not path or not places.is_looked_at(path):
                    continue
                if self._left_out and path.startswith(self._left_out):
                    continue
                count += 1
                if count > places.MAX_FILES:
                    raise places.too_many()
                yield Found(path, item["Size"], item["ETag"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    @contextmanager
    def open(self, found: Found) -> Iterator[IO[bytes]]:
        """As `Place.open`. It is brought here whole before it is read."""
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as target:
            try:
                with _in_words():
                    self._timed(lambda: self._download(found, target), seconds=settings.FETCH_TIME_LIMIT)
            except _NotThere:
                raise FileChanged from None
            target.seek(0)
            yield target

    def _download(self, found: Found, target: IO[bytes]) -> None:
        end = time.monotonic() + settings.FETCH_TIME_LIMIT
        key = f"{self._prefix}{found.path}"
        answer = self._client.get_object(Bucket=self._bucket, Key=key, IfMatch=found.version)
        received = 0
        with closing(answer["Body"]) as body:
            while chunk := body.read(CHUNK):
                received += len(chunk)
                if received > found.size:
                    raise FileChanged
                if time.monotonic() > end:
                    raise requests.Timeout
                target.write(chunk)
        if received != found.size:
            raise requests.ConnectionError("less than was announced")

    def holds(self, path: str, content: IO[bytes], digest: str) -> bool | None:
        """As `Place.holds`, by what the desk has noted with the object."""
        try:
            with _in_words():
                key = f"{self._put_prefix}{path}"
                head = self._timed(lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        except _NotThere:
            return None
        return bool(head.get("Metadata", {}).get(DIGEST) == digest)

    def put(self, path: str, content: IO[bytes], digest: str) -> None:
        """As `Place.put`: an object appears whole or not at all."""
        sent = {
            "Bucket": self._bucket,
            "Key": f"{self._put_prefix}{path}",
            "Metadata": {DIGEST: digest},
            "ContentType": _content_type(path),
        }
        try:
            with _in_words():
                self._put(content, **sent, IfNoneMatch="*")
        except _NotThere:
            raise NameTaken from None
        except _NotKnown:
            # An older server: `holds` was asked just before.
            with _in_words():
                self._put(content, **sent)

    def _put(self, content: IO[bytes], **sent: Any) -> None:
        content.seek(0)
        self._timed(lambda: self._client.put_object(Body=content, **sent), seconds=s3_client.HEAD_TIME_LIMIT)

    def _timed(self, ask: Any, *, seconds: float = PAGE_SECONDS) -> Any:
        return run_with_deadline(time.monotonic() + seconds, ask)


@contextmanager
def opened(folder: WatchedFolder) -> Iterator[BucketPlace]:
    """The place of a watched folder. Raises PublicError."""
    with _in_words():
        client = s3_client.client(
            endpoint=folder.endpoint,
            region=folder.region,
            access_key_id=folder.access_key_id,
            secret_key=folder.secret_key,
        )
    yield BucketPlace(
        client,
        folder.bucket,
        places.parts_of(folder.path),
        put_parts=places.put_parts(folder),
        left_out=places.left_out(folder),
    )


class _NotThere(Exception):
    pass


class _NotKnown(Exception):
    pass


def _prefix(parts: Sequence[str]) -> str:
    return "/".join(parts) + "/" if parts else ""


def _content_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in GONE:
            raise _NotThere from None
        if code == "NotImplemented":
            raise _NotKnown from None
        if code == "InvalidObjectState":
            raise PublicError(
                "It lies in an archive (Glacier) and can’t be read at once. Restore it there.", code="watched_archived"
            ) from None
        raise _refusal(REASONS.get(code, f"The server answered: {code[:60]}.")) from None
    except InvalidIPAddress:
        raise _refusal("The server’s address leads into a private network, which the desk does not open.") from None
    except PublicError as error:
        if error.code in ("url_private", "url_port", "url_parsing", "url_too_long"):
            raise _refusal("The desk does not open the server’s address any more. Give a public one.") from None
        raise
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise _refusal("The server did not answer in time.") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, BotoCoreError, OSError):
        raise _refusal("The server could not be reached. Look at its address.") from None


def _refusal(what: str) -> PublicError:
    return PublicError(f"{what} It is tried again by itself.", code="watched_place", permanent=False)
