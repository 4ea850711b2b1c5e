"""The key of a desk in development: made at its first start, and kept in a file that only its owner may read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

MIN_LENGTH = 50
"""Characters, as Django's own check wants them."""


def kept_key(path: Path) -> str:
    """The key in the file ``path``, which is made where it isn't there. Raises ImproperlyConfigured.

    However many processes start at once, all get the same key.
    """
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no text"
        raise ImproperlyConfigured(
            f"The key of this desk can't be kept in {path}: {reason}. Let this user read and write the file, or set "
            "SECRET_KEY to a long random text."
        ) from None
    if len(key) < MIN_LENGTH:
        raise ImproperlyConfigured(
            f"The key in {path} is too short: {len(key)} characters, at least {MIN_LENGTH} are needed. Delete the "
            "file, and the next start makes a new one; people then have to sign in again. Or set SECRET_KEY."
        )
    return key


def _make(path: Path) -> None:
    # Written whole under another name and then linked, which fails where the name is taken: nobody can read half a
    # key, and of two processes that start at once the second takes the first one's.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(MIN_LENGTH))
            file.flush()
            # A power cut must not leave an empty file under the name.
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
