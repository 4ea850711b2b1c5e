"""A watched folder on this machine's disks or shares. Nothing in it leads out of it: no link is followed.

Each folder on the way is opened from the one before it and never as a link, so that a link put there meanwhile changes
nothing.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from upscaler.errors import PublicError
from upscaler.models import WatchedFolder
from upscaler.watching import places, roots
from upscaler.watching.places import FileChanged, Found, NameTaken

CHUNK = 1 << 20
NO_UTF_8 = "Its name is not written in UTF-8, so the desk can’t open it. Rename the file or its folder."
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderPlace:
    """A folder that is open."""

    is_whole_at_once = False

    def __init__(self, root: Path, parts: Sequence[str], *, put_parts: Sequence[str], left_out: str) -> None:
        """``parts``: of the folder's path under the root; ``put_parts``: of that of results.

        ``left_out``: what `places.left_out` says.
        """
        self._root, self._parts, self._put_parts, self._left_out = root, list(parts), list(put_parts), left_out

    def files(self) -> Iterator[Found]:
        """As `Place.files`."""
        count = 0
        with _in_words(), self._folder(self._parts) as top:
            for here, folders, names, fd in os.fwalk(".", onerror=_not_gone, dir_fd=top, follow_symlinks=False):
                within = "" if here == "." else f"{here[2:]}/"
                folders[:] = sorted(name for name in folders if self._is_walked(f"{within}{name}"))
                for name in sorted(names):
                    path = f"{within}{name}"
                    if not places.is_looked_at(path):
                        continue
                    try:
                        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if not stat.S_ISREG(found.st_mode):
                        continue
                    count += 1
                    if count > places.MAX_FILES:
                        raise places.too_many()
                    shown = _shown(path)
                    problem = "" if shown == path else NO_UTF_8
                    yield Found(shown, found.st_size, _version(found), problem)

    def _is_walked(self, path: str) -> bool:
        return places.is_looked_at(f"{path}/x") and (
            not self._left_out or f"{path}/".casefold() != self._left_out.casefold()
        )

    @contextmanager
    def open(self, found: Found) -> Iterator[IO[bytes]]:
        """As `Place.open`."""
        *folders, name = found.path.split("/")
        try:
            with self._folder([*self._parts, *folders]) as folder:
                # Not blocking: a pipe in the file's place would wait for a writer.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                fd = os.open(name, flags, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError, UnicodeEncodeError):
            raise FileChanged from None
        except OSError as error:
            raise _refusal(error) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise FileChanged
        with os.fdopen(fd, "rb") as file:
            _ensure_same(fd, found)
            yield file
            # Whoever wrote to it while it was read has spoilt what was read.
            _ensure_same(fd, found)

    def holds(self, path: str, content: IO[bytes], digest: str) -> bool | None:
        """As `Place.holds`, by the bytes."""
        *folders, name = path.split("/")
        with _in_words():
            try:
                with self._folder([*self._put_parts, *folders]) as folder:
                    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                if error.errno == errno.ELOOP:
                    return False  # A link has the name.
                raise
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                return False
            with os.fdopen(fd, "rb") as there:
                return _are_same(there, content)

    def put(self, path: str, content: IO[bytes], digest: str) -> None:
        """As `Place.put`: written under a name that nobody takes for a picture, then renamed."""
        *folders, name = path.split("/")
        with _in_words(), self._folder([*self._put_parts, *folders], make=True) as folder:
            # The same each time, so that what a killed worker left is written over.
            unfinished = f".{digest[:24]}{UNFINISHED}"
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(unfinished, flags, 0o666, dir_fd=folder)
            try:
                with os.fdopen(fd, "wb") as target:
                    content.seek(0)
                    shutil.copyfileobj(content, target, CHUNK)
                    target.flush()
                    os.fsync(fd)
                    written = os.fstat(fd).st_ino
                if os.stat(unfinished, dir_fd=folder, follow_symlinks=False).st_ino != written:
                    raise PublicError("Another worker writes it too.", code="watched_place", permanent=False)
                _rename(unfinished, name, folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=folder)
            with suppress(OSError):
                os.fsync(folder)

    @contextmanager
    def _folder(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """The folder's descriptor. Raises OSError."""
        # The root itself is the operator's, and may be a link.
        fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o777, dir_fd=fd)
                inner = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)


UNFINISHED = ".upscaler.part"
"""How the name of a file ends that is being put back."""


@contextmanager
def opened(folder: WatchedFolder) -> Iterator[FolderPlace]:
    """The place of a watched folder, which is looked for at once. Raises PublicError."""
    place = FolderPlace(
        roots.path_of(folder.root, folder.team),
        places.parts_of(folder.path),
        put_parts=places.put_parts(folder),
        left_out=places.left_out(folder),
    )
    with _in_words(), place._folder(place._parts):
        pass
    yield place


def _rename(unfinished: str, name: str, folder: int) -> None:
    """Give the file its name, unless another has it. Raises NameTaken, OSError."""
    try:
        # In one act where the disk can: a rename would replace what has come meanwhile.
        os.link(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        return
    except FileExistsError:
        raise NameTaken from None
    except OSError:
        # Many shares know no hard links.
        pass
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    raise NameTaken


def _version(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}"


def _ensure_same(fd: int, found: Found) -> None:
    now = os.fstat(fd)
    if not stat.S_ISREG(now.st_mode) or _version(now) != found.version:
        raise FileChanged


def _are_same(one: IO[bytes], other: IO[bytes]) -> bool:
    other.seek(0)
    while True:
        first, second = one.read(CHUNK), other.read(CHUNK)
        if first != second:
            return False
        if not first:
            return True


def _not_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _shown(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refusal(error) from None


def _refusal(error: OSError) -> PublicError:
    if isinstance(error, FileNotFoundError):
        what = "The folder is not there. Make it, or connect the disk or share that it is on."
    elif isinstance(error, NotADirectoryError) or error.errno == errno.ELOOP:
        what = "A part of its path is no folder, or a link, which is not followed. Give the path of the folder itself."
    elif isinstance(error, PermissionError):
        what = "The desk may not read or write there. Let its user read the folder, and write where results go."
    elif error.errno == errno.ENOSPC:
        what = "The disk is full. Make room on it."
    else:
        what = f"The disk or share answered: {os.strerror(error.errno or 0)}."
    return PublicError(f"{what} It is tried again by itself.", code="watched_place", permanent=False)
