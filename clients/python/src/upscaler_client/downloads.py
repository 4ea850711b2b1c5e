"""A file on its way here: beside its place until it is whole, and taken up again where it broke."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from upscaler_client.errors import UpscalerError
from upscaler_client.wire import Answer, OnBytes

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class FileExists(UpscalerError):
    """There is a folder where the file should go, or no folder that it could go to."""

    code = "target"


class PartFile:
    """What is there of a download, beside ``target``; `finish` puts it into its place in one step.

    It is gone on with, by a later process too, where the server gave it an ETag: what comes then is of the same file.
    """

    def __init__(self, target: Path, address: str, on_bytes: OnBytes | None = None) -> None:
        """Raises FileExists where no file can be written to ``target``."""
        if target.is_dir() or not target.absolute().parent.is_dir():
            raise FileExists(f"“{target}” can't be written: it is a folder, or its folder is not there.")
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")
        self._address = address.partition("?")[0]
        self._on_bytes = on_bytes
        self._file: BinaryIO | None = None
        self._total: int | None = None

    @property
    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def headers(self) -> dict[str, str]:
        """Those that ask for what is missing, or for all of it."""
        etag = self._etag()
        resume = {"Range": f"bytes={self.size}-", "If-Range": etag} if etag and self.size else {}
        # Packed on the way, the bytes could not be counted.
        return {"Accept-Encoding": "identity", **resume}

    def begin(self, answer: Answer) -> bool:
        """Open the file for the answer's bytes; False for an answer that is not the file."""
        self._total = None
        if answer.status == 416:
            # It is another file by now.
            self._forget()
            return False
        if answer.status not in (200, 206):
            return False
        part = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if answer.status == 206 and part and int(part[1]) == self.size:
            self._total = int(part[2])
            self._file = self.path.open("ab")
            return True
        if answer.status == 206:
            self._forget()
            return False
        length = answer.headers.get("content-length", "")
        self._total = int(length) if length.isdecimal() else None
        self._remember(answer.headers.get("etag", ""))
        self._file = self.path.open("wb")
        return True

    def write(self, chunk: bytes) -> None:
        """Add these bytes."""
        if self._file is None:
            raise RuntimeError("begin comes first")
        self._file.write(chunk)
        if self._on_bytes is not None:
            self._on_bytes(self._file.tell(), self._total)

    def end(self) -> None:
        """Close the file, whole or not."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def is_whole(self) -> bool:
        """Whether as many bytes came as were announced."""
        return self.path.exists() and (self._total is None or self.size == self._total)

    def finish(self) -> Path:
        """Put the whole file into its place, over what was there."""
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)
        return self.target

    def _etag(self) -> str:
        with suppress(OSError, ValueError, AttributeError):
            note = json.loads(self._note.read_text())
            if note.get("address") == self._address:
                return str(note.get("etag") or "")
        return ""

    def _remember(self, etag: str) -> None:
        # A weak one does not promise the same bytes.
        if etag and not etag.startswith("W/"):
            self._note.write_text(json.dumps({"address": self._address, "etag": etag}))
        else:
            self._note.unlink(missing_ok=True)

    def _forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
