"""Pictures in a bucket of Amazon S3 or of a server that speaks its protocol: what ``MEDIA_URL_S3`` chooses."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from storages.backends import s3

MAX_MEMORY = 5_000_000
"""Bytes of an opened picture that are held in memory; a larger one waits on the disk while it is sent."""

FULL_CODES = (
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "QuotaExceeded",
    "InsufficientCapacity",
    "InsufficientStorage",
    "(507)",
)
"""What servers say that have no room left: MinIO, Ceph, R2 and others; Amazon's never does."""


@contextmanager
def _as_os_error() -> Iterator[None]:
    # What the desk says about a full or lost disk, it says about a lost bucket too.
    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        said = f"The picture storage failed: {error}"
        raise (OSError(errno.ENOSPC, said) if _is_full(error) else OSError(said)) from error


def _is_full(error: BaseException) -> bool:
    # The upload of a large file has it inside an error of its own.
    words = str(error)
    if any(code in words for code in FULL_CODES):
        return True
    answer = error.response if isinstance(error, ClientError) else {}
    return answer.get("ResponseMetadata", {}).get("HTTPStatusCode") == HTTPStatus.INSUFFICIENT_STORAGE


class S3Storage(s3.S3Storage):
    """A private bucket. Every call that can't be done raises OSError, as those of a folder do."""

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
            "client_config": Config(
                signature_version="s3v4",
                # Bucket names as hosts need DNS and certificates that servers of one's own seldom have.
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 3},
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

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """The folders and the files under ``name``."""
        with _as_os_error():
            return super().listdir(name)

    def get_modified_time(self, name: str) -> datetime:
        """When the file was stored."""
        with _as_os_error():
            return super().get_modified_time(name)
