"""Decoding files of strangers: every failure is said in plain words, and only a few large ones are decoded at once."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from PIL import Image

from upscaler.errors import PublicError

BUSY = "busy"
"""The code of a picture that could not be looked at in time. The same again may go well."""

OUT_OF_MEMORY = "out_of_memory"
"""The code of a picture for which there was no memory left: later there may be."""

LARGE_FROM = 8_000_000
"""Pixels from which on a picture waits its turn. Smaller ones, as most are, never wait behind large ones."""
MAX_WAIT = 15.0
"""Seconds that a person waits for the turn of a large picture. Decoding one of 64 megapixels takes about one."""

BLOCK_SIZE = 64 * 1024 * 1024
"""Bytes of memory that Pillow asks for at a time for a large picture. In smaller pieces, by default of 16 MB, each web
thread's part of the heap would keep what it was given, up to a whole picture, for the life of the thread: from 32 MB
on, the C library gives memory back to the system at once."""

Image.core.set_block_size(BLOCK_SIZE)  # type: ignore[attr-defined]
_turns = threading.BoundedSemaphore(settings.MAX_LARGE_DECODES)


@contextmanager
def guarded(named: str) -> Iterator[None]:
    """Raises PublicError, code ``damaged`` or ``out_of_memory``, for whatever goes wrong inside.

    ``named`` is what the message calls the picture, with a capital letter.
    """
    try:
        yield
    except PublicError:
        raise
    except MemoryError as error:
        _forget(error)
        raise PublicError(
            f"{named} needs more memory than there is. Try a smaller picture.", code=OUT_OF_MEMORY, permanent=False
        ) from None
    # Pillow's decoders raise nearly anything on a file that was made to break them (struct.error, SyntaxError,
    # ValueError, OverflowError ...), and every one of these means the same to the person.
    except Exception as error:
        _forget(error)
        raise PublicError(
            f"{named} is damaged or incomplete: it starts like a picture but can't be read to its end. "
            "Export it again from the program it came from, and upload the new file.",
            code="damaged",
        ) from None


def _forget(error: BaseException | None) -> None:
    """Let go of what was decoded: whoever keeps the refusal, as a form does, would keep the pixels too."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


@contextmanager
def turn(size: tuple[int, int], named: str, *, max_wait: float | None) -> Iterator[None]:
    """Only ``MAX_LARGE_DECODES`` large pictures at once are decoded in this process: inside this is the place for it.

    The pixels must be gone when it ends. ``size``: width and height. ``named``: as in `guarded`. ``max_wait``: seconds
    for which to wait at most, None for as long as it takes.

    Raises PublicError with code ``busy`` where the turn does not come in that time.
    """
    if size[0] * size[1] < LARGE_FROM:
        yield
        return
    if not _turns.acquire(timeout=max_wait):
        raise PublicError(
            f"{named} could not be looked at yet, because other large pictures are being read just now. Nothing is "
            "wrong with it: send it again in half a minute.",
            code=BUSY,
            permanent=False,
        )
    try:
        yield
    finally:
        _turns.release()
