"""Files that the desk writes are for its own user and group alone, whatever the machine's habit is."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

OTHERS = 0o027
"""What the group may not, and what nobody else may."""


def keep_private(database: Path | None) -> None:
    """Let this process make no file that others may read, and close a ``database`` that an older start left open."""
    os.umask(os.umask(OTHERS) | OTHERS)
    if database is None:
        return
    for path in (database, *(database.with_name(database.name + ending) for ending in ("-wal", "-shm"))):
        # Of another user's file, its owner decides.
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & OTHERS:
                path.chmod(mode & ~OTHERS)
