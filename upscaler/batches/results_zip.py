"""Results as one ZIP with a manifest, made while it is sent: a thousand take no more memory than ten.

Pictures are stored in it as they are, since they are compressed already. So its length is known before, and where the
pictures lie in a folder a download that broke off can go on: the same ZIP is made again from where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.core.files.storage import Storage
from zipstream import ZipStream

from upscaler import result_names
from upscaler.batches.manifest import NAME, manifest
from upscaler.channels import files
from upscaler.models import ChannelFile, Upscale, media_storage

CHUNK = 1024 * 1024
MISSING = "files for shops that are missing.txt"
MISSING_TITLE = "These files for shops are not in this ZIP. What is being made is in the next one."


@dataclass
class ResultsZip:
    """A ZIP that can be read once."""

    name: str
    length: int
    """Bytes."""
    etag: str
    """The same for the same bytes; empty where that can't be promised."""
    results: int
    _stream: ZipStream
    _folder: tempfile.TemporaryDirectory[str]

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``stop``, of which those before ``start`` are made and thrown away."""
        position, end = 0, self.length if stop is None else stop
        with self._folder:
            for chunk in self._stream:
                wanted = chunk[max(0, start - position) : end - position]
                position += len(chunk)
                if wanted and position > start:
                    yield wanted
                if position >= end:
                    return

    def close(self) -> None:
        """Give the manifest's file back."""
        self._folder.cleanup()


def build(
    upscales: Sequence[Upscale],
    *,
    name: str,
    template: str,
    places: Mapping[int, int] | None = None,
    keep_folders: bool = True,
) -> ResultsZip:
    """The ZIP of those of ``upscales`` whose result is given out; the manifest has all of them, those that wait too.

    They need ``team`` and ``created_by``. ``name``: what the ZIP is called, without its ending. ``places``: the number
    that each is called by, from 1 on, by the upscale's own; without it their order here. Raises OSError.
    """
    storage = media_storage()
    if places is None:
        places = {upscale.pk: place for place, upscale in enumerate(upscales, 1)}
    compiled = result_names.compile(template, total=max(places.values(), default=0))
    is_folder = _is_folder(storage)
    # A storage far away is asked only while its pictures are sent: a thousand questions before would take minutes.
    given = [
        upscale
        for upscale in upscales
        if upscale.gives_file and (not is_folder or storage.exists(upscale.result_file.name or ""))
    ]
    if given and not is_folder:
        # Where it does not answer at all, it is better said now than by a ZIP that breaks off.
        storage.exists(given[0].result_file.name or "")
    facts = (upscale.result_facts(places[upscale.pk]) for upscale in given)
    paths = dict(
        zip(
            (upscale.pk for upscale in given),
            result_names.unique_names(compiled, facts, keep_folders=keep_folders, reserved=[NAME, MISSING]),
            strict=True,
        )
    )
    fitted, missing = _channel_files(given)
    for_shops: dict[int, list[str]] = {}
    for path, file in fitted:
        for_shops.setdefault(file.upscale_id, []).append(path)
    table = manifest((upscale, paths.get(upscale.pk, ""), for_shops.get(upscale.pk, ())) for upscale in upscales)
    newest = max((upscale.completed_at for upscale in upscales if upscale.completed_at), default=None)
    folder = tempfile.TemporaryDirectory(prefix="upscaler-zip-")
    stream = ZipStream(sized=True)
    stream.add_path(_written(Path(folder.name) / NAME, table, newest), NAME)
    for upscale in given:
        path = upscale.result_file.name or ""
        if is_folder:
            # By the path, whose time is the file's own: with the time of now no two ZIPs would be alike.
            stream.add_path(storage.path(path), paths[upscale.pk])
        else:
            stream.add(_chunks(storage, path), paths[upscale.pk], size=upscale.result_bytes)
    digest = hashlib.sha256(table)
    if missing:
        said = "".join(f"{line}\r\n" for line in [MISSING_TITLE, "", *missing]).encode()
        stream.add_path(_written(Path(folder.name) / MISSING, said, newest), MISSING)
        digest.update(said)
    for path, file in fitted:
        if not is_folder:
            stream.add(_chunks(storage, file.file), path, size=file.file_size)
        elif storage.exists(file.file):
            stream.add_path(storage.path(file.file), path)
        digest.update(f"{path} {file.file} {file.file_size}\n".encode())
    for upscale in given:
        digest.update(f"{upscale.pk} {upscale.result_file.name} {upscale.result_bytes}\n".encode())
    return ResultsZip(
        name=f"{result_names.safe_part(name)}.zip",
        length=len(stream),
        etag=f'"{digest.hexdigest()[:32]}"' if is_folder else "",
        results=len(given),
        _stream=stream,
        _folder=folder,
    )


def _channel_files(upscales: Sequence[Upscale]) -> tuple[list[tuple[str, ChannelFile]], list[str]]:
    """The files that were made for shops, each with its path: a folder for each channel. And which are not here, why.

    One that is out of date is not here: nobody could tell it from the others.
    """
    rows: list[ChannelFile] = []
    numbers = [upscale.pk for upscale in upscales]
    for start in range(0, len(numbers), 1000):
        part = ChannelFile.objects.filter(upscale__in=numbers[start : start + 1000])
        rows += part.select_related("upscale__team").order_by("upscale_id")
    rules = files.rules_of(rows[0].upscale.team) if rows else {}
    folders: dict[str, list[ChannelFile]] = {}
    missing = [
        f"{channel.title}: {upscale.source_name}: {files.BEING_MADE}" for upscale, channel in files.not_begun(upscales)
    ]
    for row in rows:
        if files.is_current(row, rules):
            folders.setdefault(row.channel_id, []).append(row)
        else:
            missing.append(f"{row.title}: {row.upscale.source_name}: {files.why_missing(row)}")
    made = []
    for channel_id, found in sorted(folders.items()):
        for name, row in zip(files.names_of(found), found, strict=True):
            made.append((f"for {channel_id}/{result_names.safe_part(name)}", row))
    return made, missing


def _is_folder(storage: Storage) -> bool:
    try:
        storage.path("")
    except NotImplementedError:
        return False
    return True


def _written(path: Path, content: bytes, moment: datetime | None) -> str:
    path.write_bytes(content)
    if moment is not None:
        os.utime(path, (moment.timestamp(), moment.timestamp()))
    return str(path)


def _chunks(storage: Storage, path: str) -> Iterator[bytes]:
    with storage.open(path) as file:
        yield from file.chunks(CHUNK)
