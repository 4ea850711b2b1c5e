"""Where pictures live: what a folder and a bucket have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

from upscaler.batches.archives import is_system
from upscaler.errors import PublicError
from upscaler.models import WatchedFolder

MAX_FILES = 200_000
"""Files of one folder that are looked through."""
MAX_DEPTH = 20
"""Folders in one another."""
UNFINISHED = (".part", ".tmp", ".temp", ".crdownload", ".filepart", ".partial", ".download", "~")
"""How the names of files end that somebody is still writing."""

REGION = "us-east-1"
"""Of a bucket for which none is given. Servers other than Amazon's take any."""


@dataclass(frozen=True)
class Found:
    """A file at a place, as it is now."""

    path: str
    """Within the place: ``a/b.jpg``."""
    size: int
    """Bytes."""
    version: str
    """What tells it from another file under the same path."""
    problem: str = ""
    """Why it can't be opened, for people; empty where it can."""

    @property
    def key(self) -> str:
        """The same for the same version of the same file."""
        return hashlib.sha256(f"{self.path}\0{self.version}".encode()).hexdigest()


class FileChanged(Exception):
    """The file is not any more what it was at the look: changed, or gone."""


class NameTaken(Exception):
    """There is a file of this name, which is another one."""


class Place(Protocol):
    """A folder or bucket that is open. Each call raises PublicError where it can't be done."""

    is_whole_at_once: bool
    """Whether a file appears there whole, so that nobody need wait until it has stopped growing."""

    def files(self) -> Iterator[Found]:
        """All files but those of the system, unfinished ones and what is put back; PublicError for too many."""
        ...

    def open(self, found: Found) -> AbstractContextManager[IO[bytes]]:
        """The file to be read. Raises FileChanged."""
        ...

    def holds(self, path: str, content: IO[bytes], digest: str) -> bool | None:
        """Whether the file ``path`` of those put back is just this; None where there is none of the name."""
        ...

    def put(self, path: str, content: IO[bytes], digest: str) -> None:
        """Put a file there whole, or not at all. Raises NameTaken."""
        ...


@contextmanager
def opened(folder: WatchedFolder) -> Iterator[Place]:
    """The place of a watched folder. Raises PublicError where it can't be reached."""
    # Here, since they know this module.
    from upscaler.watching import bucket_place, folder_place

    kind = bucket_place if folder.kind == WatchedFolder.Kind.S3 else folder_place
    with kind.opened(folder) as place:
        yield place


def is_looked_at(path: str) -> bool:
    """Whether a file of this path may be a picture that somebody wants enlarged."""
    parts = path.split("/")
    return len(parts) <= MAX_DEPTH and not is_system(parts) and not parts[-1].lower().endswith(UNFINISHED)


def amazon(region: str) -> str:
    """The address of Amazon's own servers of S3 in a region; in the usual one where it is empty."""
    return f"https://s3.{region or REGION}.amazonaws.com"


def parts_of(path: str) -> list[str]:
    """The parts of a path that a person typed. Raises PublicError for one that could lead elsewhere."""
    if "\\" in path or any(not sign.isprintable() for sign in path):
        raise _wrong(path, "holds a backslash or a sign that nobody sees")
    parts = [part.strip() for part in path.strip().split("/") if part.strip()]
    if any(part in (".", "..") for part in parts):
        raise _wrong(path, "has “.” or “..” in it")
    if len(parts) > MAX_DEPTH:
        raise _wrong(path, f"has more than {MAX_DEPTH} folders in one another")
    return parts


def put_parts(folder: WatchedFolder) -> list[str]:
    """Where results go, from the root or the bucket's beginning on."""
    own = parts_of(folder.put_to)
    return own if folder.put_to.strip().startswith("/") else [*parts_of(folder.path), *own]


def left_out(folder: WatchedFolder) -> str:
    """Where results go if that is within the folder, as ``done/``; empty where it is elsewhere."""
    base, target = parts_of(folder.path), put_parts(folder)
    return "/".join(target[len(base) :]) + "/" if target[: len(base)] == base else ""


def too_many() -> PublicError:
    """The refusal of a folder with more files than are looked through."""
    return PublicError(
        f"There are more than {MAX_FILES:,} files. Move those away that are done with; it goes on by itself then.",
        code="too_many_files",
    )


def _wrong(path: str, what: str) -> PublicError:
    return PublicError(
        f"“{path[:80]}” {what}. Write names of folders with / between them, like shop/incoming.", code="watched_path"
    )
