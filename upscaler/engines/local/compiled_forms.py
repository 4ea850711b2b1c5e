"""Compiled networks on disk, so that a new process need not compile again what takes seconds.

OpenVINO's own CACHE_DIR finds nothing again here: it names a form by the graph's inner names, which count up in a
process (seen with 2026.4: three files for three times the same network). So the names are given here.

A form is given to native code as it is. It is only read from a folder that nobody else may write to, and only whole.
Several processes may share the folder: each file appears at once, and one that is gone is made again.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import tempfile
import time
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

ENDING = ".form"
HALF_WRITTEN = ".part"
HALF_WRITTEN_AFTER = 3600
"""Seconds after which a file that nobody finished is taken for left behind."""
CHECK_BYTES = 4


class CompiledForms:
    """The forms in one folder, of which those that were used last are kept."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """``folder`` is made if need be. Where it can't be used, nothing is found and nothing kept."""
        self._folder = folder
        self._max_bytes = max_bytes

    def load(self, key: str) -> bytes | None:
        """The form of that name; None where there is none, or it is damaged."""
        path = self._folder / (key + ENDING)
        try:
            if not _is_ours(self._folder):
                return None
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        form = content[CHECK_BYTES:]
        if content[:CHECK_BYTES] != _check(form):
            with suppress(OSError):
                path.unlink()
            return None
        return form

    def keep(self, key: str, form: bytes) -> None:
        """Keep a form, and drop those that were not used for longest where there are too many."""
        if len(form) + CHECK_BYTES > self._max_bytes:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(self._folder):
                raise PermissionError(errno.EACCES, "others may write to that folder")
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=HALF_WRITTEN, delete=False) as file:
                try:
                    file.write(_check(form) + form)
                    file.close()
                    os.replace(file.name, self._folder / (key + ENDING))
                except OSError:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            self._trim()
        except OSError as error:
            # It only costs the time to compile again, and is said once.
            self._max_bytes = 0
            logger.warning("a compiled network could not be kept in %s: %s", self._folder, error.strerror)

    def _trim(self) -> None:
        found = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                status = path.stat()
                if path.suffix == ENDING:
                    found.append((status.st_mtime, status.st_size, path))
                elif path.suffix == HALF_WRITTEN and status.st_mtime < time.time() - HALF_WRITTEN_AFTER:
                    path.unlink()
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def key(*facts: object) -> str:
    """A name for a form: another one for other facts, and for another version of the code that draws the graphs."""
    return hashlib.sha256(repr((_code(), *facts)).encode()).hexdigest()[:40]


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _check(form: bytes) -> bytes:
    return zlib.crc32(form).to_bytes(CHECK_BYTES, "big")


def _is_ours(folder: Path) -> bool:
    """Whether nobody but this process's user may write to it. Raises OSError."""
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
