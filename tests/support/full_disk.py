"""A disk that is full: a small one of its own where the tests may mount one, else a storage that says so."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from upscaler.storage.folder import UNFINISHED

FILLING = "filling"


@dataclass
class SmallDisk:
    """A piece of memory, mounted at ``folder``."""

    folder: Path

    def fill(self) -> None:
        """Take all room that is left."""
        with _until_full(), (self.folder / FILLING).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def make_room(self) -> None:
        (self.folder / FILLING).unlink(missing_ok=True)

    def make_read_only(self, read_only: bool) -> None:
        """Raises CalledProcessError while a file there is open to be written."""
        remount = ["mount", "-o", f"remount,{'ro' if read_only else 'rw'}", self.folder]
        subprocess.run(remount, check=True, capture_output=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def files(self) -> list[str]:
        """What lies on it, by names, but for what fills it."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file() and path.name != FILLING)


@contextmanager
def _until_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        assert error.errno == errno.ENOSPC


def mounted(folder: Path, *, megabytes: int = 2) -> SmallDisk | None:
    """A disk of its own at ``folder``; None where none can be mounted."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "upscaler-test", folder]
    may_mount = os.geteuid() == 0 and shutil.which("mount")
    if not may_mount or subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    return SmallDisk(folder)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Two megabytes at ``folder``; the test is skipped where they can't be mounted."""
    disk = mounted(folder)
    if disk is None:
        pytest.skip("no disk can be mounted here")
    try:
        yield disk
    finally:
        disk.unmount()


@contextmanager
def pictures_on_small_disk(folder: Path) -> Iterator[SmallDisk]:
    """The desk's pictures are on a `small_disk`."""
    with small_disk(folder) as disk, override_settings(MEDIA_ROOT=str(folder / "media")):
        yield disk


@contextmanager
def storage_says(number: int, where: Callable[[str], bool] = lambda name: True) -> Iterator[list[str]]:
    """Writing a file to the storage raises OSError of this number, in the middle of the file. Gives the names."""
    tried: list[str] = []
    write = os.open

    def fails(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_CREAT and UNFINISHED in str(path) and where(str(path)):
            tried.append(str(path))
            raise OSError(number, os.strerror(number))
        return write(path, flags, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.core.files.storage.filesystem.os.open", fails)
        yield tried
