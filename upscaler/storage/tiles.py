"""Pictures cut into tiles for the pages that compare, in a bounded folder on this machine.

A stored picture never changes, so its name stands for it. Nothing here knows who may see it: the views do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files import locks

from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake, pyramid
from upscaler.models import media_storage

logger = logging.getLogger(__name__)

VERSION = 1
"""Of the layout: a new one makes all of them anew, and browsers ask again."""
ABOUT = "pyramid.json"
MAX_TILE_BYTES = 8_000_000
"""More than a tile of noise has."""
KEPT_FOR = 7 * 24 * 60 * 60
"""Seconds after which a picture that nobody looked at goes, so that none outlives its deletion here for long."""
MAX_WAIT = 30.0
"""Seconds that a request waits for another one that cuts the same picture."""
ENDING = ".tiles"
LOCKS = 64


@dataclass(frozen=True)
class Pyramid:
    """A picture that was cut into tiles."""

    width: int
    """Pixels, upright."""
    height: int
    extension: str
    """Of its tiles, with the dot."""
    file: Path

    @property
    def levels(self) -> int:
        """How many sizes there are; each is half as large as the next, the first one tile."""
        side, levels = max(self.width, self.height), 1
        while side > pyramid.TILE_SIDE:
            side, levels = -(-side // 2), levels + 1
        return levels

    def tile(self, level: int, column: int, row: int) -> bytes | None:
        """A tile's file; None where there is none."""
        with zipfile.ZipFile(self.file) as tiles:
            try:
                found = tiles.getinfo(pyramid.member(level, column, row, self.extension))
            except KeyError:
                return None
            # What wrote it has read a stranger's file: it is not trusted to have written small tiles.
            if found.compress_type != zipfile.ZIP_STORED or found.file_size > MAX_TILE_BYTES:
                return None
            return tiles.read(found)


def of_picture(path: str, size: tuple[int, int]) -> Pyramid:
    """The tiles of a stored picture, cut now if need be, which takes two seconds for 100 megapixels of a JPEG.

    ``path``: its name in the storage. ``size``: width and height in pixels, as the desk knows them.

    Raises PublicError with code ``tiles_off``, ``busy`` (it passes), or what reading the picture says;
    FileNotFoundError where it is gone; OSError.
    """
    folder = _folder()
    file = folder / (hashlib.sha256(f"{VERSION} {path}".encode()).hexdigest() + ENDING)
    known = _known(file)
    if known is not None:
        return known
    patience = decoding.Patience()
    with _alone(folder, file.name):
        known = _known(file)
        if known is not None:
            return known
        made = _cut(path, size, file, patience)
    _keep_bounds(folder, made.file)
    return made


def forget(paths: list[str]) -> None:
    """Let go of the tiles of stored pictures that are deleted."""
    with contextlib.suppress(PublicError, OSError):
        for path in paths:
            name = hashlib.sha256(f"{VERSION} {path}".encode()).hexdigest() + ENDING
            (_folder() / name).unlink(missing_ok=True)


def _folder() -> Path:
    base: Path | None = settings.TILE_CACHE_DIR
    if base is None:
        raise PublicError(
            "This desk keeps no tiles (TILE_CACHE_DIR is off), so the picture is shown from a smaller copy. The "
            "download has every pixel.",
            code="tiles_off",
        )
    folder = base / "tiles"
    # The team's pictures: for the desk's own user alone.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _known(file: Path) -> Pyramid | None:
    try:
        with zipfile.ZipFile(file) as tiles:
            about = json.loads(tiles.read(ABOUT))
        if time.time() - file.stat().st_mtime > 60:
            os.utime(file)
        return Pyramid(**about, file=file)
    except FileNotFoundError:
        return None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError):
        # What a full disk left.
        file.unlink(missing_ok=True)
        return None


def _cut(path: str, size: tuple[int, int], file: Path, patience: decoding.Patience) -> Pyramid:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix="new-")
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as target, media_storage().open(path) as source:
            # The least picture takes the memory of a few rows of tiles too.
            room = max(size[0], 2 * pyramid.TILE_SIDE), max(size[1], 2 * pyramid.TILE_SIDE)
            told = intake.convert(
                "imaging.pyramid", source, target, {}, named="The picture", size=room, patience=patience
            )
            made = _told(told, file)
            _describe(target, made)
        os.replace(written, file)
    finally:
        written.unlink(missing_ok=True)
    return made


def _told(told: dict[str, Any], file: Path) -> Pyramid:
    extension = str(told["extension"])
    if extension not in (".jpg", ".webp"):
        raise ValueError(f"a tile can't be {extension!r}")
    return Pyramid(int(told["width"]), int(told["height"]), extension, file)


def _describe(target: IO[bytes], made: Pyramid) -> None:
    with zipfile.ZipFile(target, "a") as tiles:
        about = {key: value for key, value in asdict(made).items() if key != "file"}
        tiles.writestr(ABOUT, json.dumps(about))


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Nobody else on this machine cuts the same picture inside this. Raises PublicError with code ``busy``."""
    with (folder / f"lock-{int(name[:8], 16) % LOCKS}").open("a") as lock:
        deadline, tick = time.monotonic() + MAX_WAIT, threading.Event()
        while not locks.lock(lock, locks.LOCK_EX | locks.LOCK_NB):
            if time.monotonic() > deadline:
                raise decoding.busy("The picture", "pictures are")
            tick.wait(0.1)
        try:
            yield
        finally:
            locks.unlock(lock)


def _keep_bounds(folder: Path, newest: Path) -> None:
    """Remove what nobody has looked at for long, and the longest unseen while all take too much room."""
    seen = []
    for file in folder.iterdir():
        if file.name.startswith("lock-"):
            continue
        with contextlib.suppress(FileNotFoundError):
            known = file.stat()
            seen.append((known.st_mtime, known.st_size, file))
    total = sum(size for _, size, _ in seen)
    for changed, size, file in sorted(seen):
        if file == newest:
            continue
        if total <= settings.TILE_CACHE_BYTES and time.time() - changed < KEPT_FOR:
            break
        file.unlink(missing_ok=True)
        total -= size
