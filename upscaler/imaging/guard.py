"""Decoding files of strangers: every failure is said in plain words.

Django-free, because the process that decodes them is.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from upscaler import no_room
from upscaler.errors import PublicError

OUT_OF_MEMORY = "out_of_memory"
"""The code of a picture for which there was not enough memory."""
DAMAGED = "damaged"

BLOCK_SIZE = 64 * 1024 * 1024
"""Bytes of memory that Pillow asks for at a time for a large picture. In smaller pieces, by default of 16 MB, each
thread's part of the heap would keep what it was given, up to a whole picture, for the life of the thread: from 32 MB
on, the C library gives memory back to the system at once."""

Image.core.set_block_size(BLOCK_SIZE)  # type: ignore[attr-defined]


@contextmanager
def guarded(named: str) -> Iterator[None]:
    """Raises PublicError for whatever goes wrong inside: ``damaged``, ``out_of_memory`` or one of `no_room.CODES`.

    ``named`` is what the message calls the picture, with a capital letter.
    """
    try:
        yield
    except PublicError:
        raise
    except MemoryError as error:
        _forget(error)
        raise PublicError(
            f"{named} needs more memory than a picture may take here. Try a smaller picture, or save it as a PNG.",
            code=OUT_OF_MEMORY,
        ) from None
    # Pillow's decoders raise nearly anything on a file that was made to break them (struct.error, SyntaxError,
    # ValueError, OverflowError ...), and every one of these means the same to the person.
    except Exception as error:
        code = no_room.code_of(error)
        _forget(error)
        if code is not None:
            raise no_room.refusal(code) from None
        raise damaged(named) from None


def damaged(named: str) -> PublicError:
    """The refusal of a file that can't be decoded."""
    return PublicError(
        f"{named} is damaged or incomplete: it starts like a picture but can't be read to its end. "
        "Export it again from the program it came from, and upload the new file.",
        code=DAMAGED,
    )


def _forget(error: BaseException | None) -> None:
    """Let go of what was decoded: whoever keeps the refusal, as a form does, would keep the pixels too."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
