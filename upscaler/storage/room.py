"""Whether pictures can be stored now: in the picture storage, and in this machine's temporary folder before that."""

from __future__ import annotations

import tempfile
import time
import uuid

from django.core.files.base import ContentFile

from upscaler import no_room
from upscaler.errors import PublicError
from upscaler.models import media_storage

PROBE = b"\0" * 256 * 1024
"""More than the last bytes of a full disk, into which nothing but a word would go."""
LOOK_FIRST_FOR = 600.0
"""Seconds after trouble in which a process looks before each picture: enlarging it may take minutes, for nothing."""

_trouble_at: float | None = None


def probe() -> None:
    """Write a file to both and remove it. Raises OSError."""
    with tempfile.TemporaryFile() as file:
        file.write(PROBE)
        file.flush()
    storage = media_storage()
    storage.delete(storage.save(f"probes/{uuid.uuid4().hex}", ContentFile(PROBE)))


def refusal_of(error: BaseException) -> PublicError | None:
    """`no_room.refusal_of`, for work that waits as long as there is no room, however often.

    An error that tells of a storage that can't be written, or does not answer, may come from a single file that can't
    be read (wrong rights, a bad sector): then a new file can be stored all the same, and None is the answer.
    """
    code = no_room.code_of(error)
    if code in (no_room.UNWRITABLE, no_room.AWAY) and trouble() is None:
        return None
    return no_room.refusal_of(error)


def trouble() -> OSError | None:
    """What `probe` fails with now; None where it comes through."""
    try:
        probe()
    except OSError as error:
        return error
    return None


def note_trouble() -> None:
    """Something could not be stored for want of room."""
    global _trouble_at
    _trouble_at = time.monotonic()


def find(*, after_trouble: bool) -> PublicError | None:
    """`probe`, where there was trouble lately: with this upscale, or in this process. The refusal, where it fails.

    That is no single file's fault, whether or not it would come through a moment later. Raises OSError of another kind.
    """
    global _trouble_at
    is_fresh = _trouble_at is not None and time.monotonic() - _trouble_at < LOOK_FIRST_FOR
    if after_trouble or is_fresh:
        if (error := trouble()) is not None:
            if (refusal := no_room.refusal_of(error)) is None:
                raise error
            return refusal
        _trouble_at = None
    return None
