"""The whole desk in one file, and from that file into an empty desk: the rows, then the pictures.

::

    backup.tar
      about.json   which release and database, when, how many pictures
      database     SQLite: the file. PostgreSQL: what `pg_dump --format=custom` writes
      media/...    the pictures, under the names by which rows know them

The rows are read first: a row never names a picture that was not stored before it. The desk may work on meanwhile.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import File
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient
from django.utils import timezone

from upscaler import connection_pool
from upscaler.errors import PublicError
from upscaler.models import media_storage
from upscaler.storage.folder import UNFINISHED

ABOUT, DATABASE, MEDIA = "about.json", "database", "media/"
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
PROBES = "probes"
"""The folder in which `/readyz` tries whether it can write."""


@dataclass
class Backup:
    """What a backup says of itself."""

    release: str
    database: str
    taken_at: str
    pictures: int = 0
    bytes: int = 0
    """Of the pictures."""
    vanished: int = 0
    """Pictures that were removed while it was made: those of deleted upscales."""


def make(path: Path, *, with_pictures: bool = True) -> Backup:
    """Write a backup to ``path``, which appears once it is whole. Raises PublicError where it can't be written."""
    if path.exists():
        raise PublicError(f"{path} is there already. Name another file.", code="exists")
    about = Backup(settings.RELEASE, connection.vendor, timezone.now().isoformat())
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        # For its owner alone: it holds all that the desk knows. What somebody has put there is not opened.
        content = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise PublicError(
            f"{unfinished} is there already: another backup is being written, or one was broken off. Remove it in the "
            "latter case.",
            code="exists",
        ) from None
    except OSError as error:
        raise PublicError(f"The backup could not be written to {path}: {error}.", code="unwritable") from error
    try:
        with open(content, "wb") as file:
            _write(file, about, with_pictures=with_pictures)
        unfinished.rename(path)
    except OSError as error:
        raise PublicError(f"The backup could not be written to {path}: {error}.", code="unwritable") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return about


def _write(file: IO[bytes], about: Backup, *, with_pictures: bool) -> None:
    with tarfile.open(fileobj=file, mode="w|") as tar:
        with tempfile.TemporaryDirectory() as folder:
            dumped = Path(folder) / DATABASE
            _dump(dumped)
            tar.add(dumped, DATABASE)
        for name in _names(media_storage()) if with_pictures else ():
            _add(tar, name, about)
        content = json.dumps(asdict(about), indent=2).encode()
        with tempfile.TemporaryFile() as last:
            last.write(content)
            last.seek(0)
            _add_file(tar, ABOUT, last, len(content))


def _add(tar: tarfile.TarFile, name: str, about: Backup) -> None:
    storage = media_storage()
    try:
        with storage.open(name, "rb") as picture:
            size = picture.size
            _add_file(tar, MEDIA + name, picture, size)
    except FileNotFoundError:
        about.vanished += 1
        return
    about.pictures += 1
    about.bytes += size


def _add_file(tar: tarfile.TarFile, name: str, content: Any, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(timezone.now().timestamp())
    tar.addfile(entry, content)


def _names(storage: Any, folder: str = "") -> Iterator[str]:
    """Every stored file, folder by folder; none that is being written."""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in sorted(files):
        if not name.endswith(UNFINISHED):
            yield f"{folder}/{name}" if folder else name
    for inner in sorted(folders):
        if folder or inner != PROBES:
            yield from _names(storage, f"{folder}/{inner}" if folder else inner)


def restore(path: Path) -> Backup:
    """Bring a backup into this desk, whose database and picture storage are empty. Gives what it says of itself.

    Raises PublicError, with nothing changed, where they are not empty or the file is no backup of this kind of
    database; and where it breaks off, with the database as it was.
    """
    _ensure_empty()
    try:
        with tarfile.open(path) as tar:
            about = _read_about(tar)
            _ensure_fits(about)
            with tempfile.TemporaryDirectory() as folder:
                dumped = Path(folder) / DATABASE
                with _content(tar, DATABASE) as content, dumped.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
                # The pictures first: a row never names a picture that is not there.
                _store_pictures(tar)
                _load(dumped)
    except (OSError, tarfile.TarError, sqlite3.Error, SuspiciousOperation, KeyError, TypeError, ValueError) as error:
        raise PublicError(f"{path} can’t be restored: {error}.", code="unreadable") from error
    return about


def _read_about(tar: tarfile.TarFile) -> Backup:
    with _content(tar, ABOUT) as content:
        return Backup(**json.loads(content.read()))


def _content(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    content = tar.extractfile(name)
    if content is None:
        raise ValueError(f"its {name} is no file")
    return content


def _store_pictures(tar: tarfile.TarFile) -> None:
    storage = media_storage()
    for entry in tar:
        if not entry.isfile() or not entry.name.startswith(MEDIA):
            continue
        name = entry.name.removeprefix(MEDIA)
        with _content(tar, entry.name) as content:
            # The storage refuses names that lead out of it.
            stored = storage.save(name, File(content, name=name))
        if stored != name:
            storage.delete(stored)
            raise ValueError(f"the picture {name} is there already")


def _ensure_empty() -> None:
    tables = connection.introspection.table_names()
    if tables:
        raise PublicError(
            f"This desk’s database has {len(tables)} tables, and a backup goes into an empty one alone: make a new "
            "database, and do not migrate it.",
            code="not_empty",
        )
    if next(_names(media_storage()), None) is not None:
        raise PublicError(
            "This desk’s picture storage is not empty. Name another MEDIA_ROOT, or another prefix in MEDIA_URL_S3.",
            code="not_empty",
        )


def _ensure_fits(about: Backup) -> None:
    if about.database != connection.vendor:
        was, is_now = (NAMES.get(vendor, vendor) for vendor in (about.database, connection.vendor))
        raise PublicError(
            f"This is a backup of {was}, and this desk’s database is {is_now}. Set DATABASE_URL to an empty {was}.",
            code="other_database",
        )


def _dump(target: Path) -> None:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(target)) as copy:
            connection.connection.backup(copy)
        return
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def _load(source: Path) -> None:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(source)) as copy:
            copy.backup(connection.connection)
        return
    # All of it or nothing.
    _run("pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(source))


def _run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs, at this desk's database. The password travels in its environment."""
    if connection_pool.is_transaction_pooled():
        # They end the search for tables in their session, and whoever of the desk has its connection next finds none.
        raise PublicError(
            f"The pool in front of PostgreSQL gives each transaction another connection, and {program} would break the "
            "desk through it. Set DATABASE_URL to the address of PostgreSQL itself for this command.",
            code="pooled",
        )
    command, environment = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    # psql's own: its name, where the server is, and the database last.
    _, *where, name = command
    line = [program, *where, f"--dbname={name}", *arguments]
    try:
        subprocess.run(  # noqa: S603 - our own command line
            line, env={**os.environ, **(environment or {})}, check=True, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise PublicError(
            f"{program} is not installed here. Install PostgreSQL’s client, as new as the server or newer.",
            code="no_client",
        ) from None
    except subprocess.CalledProcessError as error:
        raise PublicError(f"{program} failed: {error.stderr.strip()[-500:]}", code="database") from None
    finally:
        with suppress(Exception):
            connection.close()
