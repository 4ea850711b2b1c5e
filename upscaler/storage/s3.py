"""Pictures in a bucket of Amazon S3 or of a server that speaks its protocol: what ``MEDIA_URL_S3`` chooses."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from django.core.files.base import File
from s3transfer.exceptions import RetriesExceededError
from storages.backends import s3

from upscaler.no_room import StorageAway

MAX_MEMORY = 5_000_000
"""Bytes of an opened picture that are held in memory; a larger one waits on the disk while it is sent."""

CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 20.0
"""Seconds without a sign of the server after which a call is made again."""
ATTEMPTS = 3

FULL_CODES = (
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "QuotaExceeded",
    "InsufficientCapacity",
    "InsufficientStorage",
    "(507)",
)
"""What servers say that have no room left: MinIO, Ceph, R2 and others; Amazon's never does."""


BUSY_CODES = ("SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError")
"""What a server says that could have done it, and did not; mostly with a status from 500 on."""

REST = 10.0
"""Seconds in which nobody asks a server that was silent: who removes fifty files would wait a minute for each."""
DOWNLOADS = 2
"""How often a download is begun again that breaks off; each time has the attempts of a call of its own."""

_silent_at: float | None = None
"""When the last call of this process was given up without an answer; None once one was answered."""
_asking = threading.Lock()


@contextmanager
def _as_os_error() -> Iterator[None]:
    # What the desk says about a full or lost disk, it says about a lost bucket too.
    try:
        with _in_turn():
            yield
    except (Boto3Error, BotoCoreError, ClientError, RetriesExceededError) as error:
        raise _os_error_of(error) from error


@contextmanager
def _in_turn() -> Iterator[None]:
    """Call the server; while it is silent now and then, and one thread at a time. Raises StorageAway for the others.

    Else each thread of the web server would soon wait for a picture, and nobody would get a page.
    """
    global _silent_at
    silent_at, is_silent = _silent_at, False
    if silent_at is not None and (time.monotonic() - silent_at < REST or not _asking.acquire(blocking=False)):
        raise StorageAway("The picture storage has not answered in time, and is being asked again.")
    try:
        yield
    except (ConnectTimeoutError, ReadTimeoutError):
        is_silent = True
        raise
    except RetriesExceededError as error:
        # A download that fell silent half-way.
        is_silent = isinstance(error.last_exception, (TimeoutError, ReadTimeoutError))
        raise
    finally:
        _silent_at = time.monotonic() if is_silent else None
        if silent_at is not None:
            _asking.release()


def _os_error_of(error: Exception) -> OSError:
    said = f"The picture storage failed: {error}"
    # The upload of a large file has it inside an error of its own.
    if any(code in str(error) for code in FULL_CODES):
        return OSError(errno.ENOSPC, said)
    if not isinstance(error, ClientError):
        return StorageAway(said)
    answer = error.response
    status, code = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), answer.get("Error", {}).get("Code", "")
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        return OSError(errno.ENOSPC, said)
    if code == "NoSuchUpload":
        # The end of a large file was told twice, and the answer to the first time was lost: stored again, it is there.
        return StorageAway(said)
    if status == HTTPStatus.NOT_FOUND and code != "NoSuchBucket":
        return FileNotFoundError(errno.ENOENT, said)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or code == "NoSuchBucket":
        # A key that ran out, say: whoever runs the desk can mend it, as a folder that belongs to somebody else.
        return OSError(errno.EACCES, said)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS or code in BUSY_CODES:
        return StorageAway(said)
    return OSError(said)


class S3Storage(s3.S3Storage):
    """A private bucket.

    Every call that can't be done raises OSError, as those of a folder do; StorageAway where it may be done later.
    """

    def get_default_settings(self) -> dict[str, Any]:
        """The library's, without what it would read from the environment."""
        return {
            **super().get_default_settings(),
            # A token of the environment belongs to other keys than those of MEDIA_URL_S3.
            "security_token": None,
            "session_profile": None,
            "file_overwrite": False,
            # None leaves objects private. Naming an ACL, even that one, is an error in buckets without ACLs.
            "default_acl": None,
            "querystring_auth": True,
            "max_memory_size": MAX_MEMORY,
            "transfer_config": TransferConfig(num_download_attempts=DOWNLOADS),
            "client_config": Config(
                signature_version="s3v4",
                # Bucket names as hosts need DNS and certificates that servers of one's own seldom have.
                s3={"addressing_style": "path"},
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                # Other servers than Amazon's refuse the checksums that are sent by default.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        }

    def presigned(self, name: str, seconds: int) -> str:
        """An address from which anyone gets the file ``name``, without the desk, for ``seconds`` (7 days at most)."""
        return self.url(name, expire=seconds)

    def _open(self, name: str, mode: str = "rb") -> File:
        with _as_os_error():
            file = super()._open(name, mode)
            if "r" in mode:
                # It is downloaded here, whole, so that a line that breaks is found before anything is answered.
                file.open()
            return file

    def _save(self, name: str, content: File) -> str:
        with _as_os_error():
            return super()._save(name, content)

    def delete(self, name: str) -> None:
        """Delete the file, if it is there."""
        with _as_os_error():
            super().delete(name)

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name. There are no folders."""
        with _as_os_error():
            return super().exists(name)

    def size(self, name: str) -> int:
        """Bytes of the file. Raises FileNotFoundError."""
        with _as_os_error():
            return super().size(name)

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """The folders and the files under ``name``."""
        with _as_os_error():
            return super().listdir(name)

    def get_modified_time(self, name: str) -> datetime:
        """When the file was stored."""
        with _as_os_error():
            return super().get_modified_time(name)
