"""What `push` has done so far, in a small file beside its ZIP, so that it goes on after a break.

The order's key and its very words are written down before it is sent: sent again, they are one order.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from upscaler_client.errors import UpscalerError

LINK_HOURS = 20
"""For which an upload's address is taken to be good. The desk says a day."""

SAVE_EVERY = 1.0
"""Seconds, while files go up."""


@dataclass
class Uploaded:
    """A file that is on the desk: its size and time as it was sent, and where it is."""

    size: int
    modified: float
    image_url: str
    at: float


@dataclass
class State:
    """One push. ``about`` says which, so that another one is not taken for it."""

    path: Path
    about: dict[str, Any]
    uploads: dict[str, Uploaded] = field(default_factory=dict)
    order: dict[str, Any] | None = None
    """``key``, ``items`` and ``options``, as they are sent."""
    batch_id: int | None = None
    _saved_at: float = field(default=0, repr=False)

    def upload_of(self, name: str, file: Path) -> str | None:
        """The address of a file that is on the desk as it is now; None where it has to go up."""
        found = self.uploads.get(name)
        now = file.stat()
        if found is None or (found.size, found.modified) != (now.st_size, now.st_mtime):
            return None
        return found.image_url if time.time() - found.at < LINK_HOURS * 3600 else None

    def note_upload(self, name: str, file: Path, image_url: str) -> None:
        """Remember a file that went up; written down from time to time, and by `save`."""
        now = file.stat()
        self.uploads[name] = Uploaded(now.st_size, now.st_mtime, image_url, time.time())
        # Of thousands each writing would be longer than the one before.
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write it down in one step. Raises UpscalerError."""
        kept = {
            "about": self.about,
            "uploads": {name: asdict(one) for name, one in self.uploads.items()},
            "order": self.order,
            "batch_id": self.batch_id,
        }
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            beside.write_text(json.dumps(kept, ensure_ascii=False))
            # Addresses of uploads open them to whoever knows them.
            beside.chmod(0o600)
            beside.replace(self.path)
            self._saved_at = time.monotonic()
        except OSError as error:
            raise UpscalerError(f"“{self.path}” can't be written: {error.strerror}.") from None

    def forget(self) -> None:
        """It is done."""
        self.path.unlink(missing_ok=True)


def load(path: Path, about: dict[str, Any]) -> State:
    """The state of this push, new where there is none. Raises UpscalerError where it is another push's."""
    if not path.exists():
        return State(path, about)
    try:
        kept = json.loads(path.read_text())
        uploads = {name: Uploaded(**one) for name, one in kept["uploads"].items()}
        found = State(path, kept["about"], uploads, kept["order"], kept["batch_id"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UpscalerError(f"“{path}” can't be read. Delete it to begin anew.") from None
    if found.about == about:
        return found
    if found.order is not None:
        differs = ", ".join(key for key in about if found.about.get(key) != about[key])
        raise UpscalerError(
            f"An earlier push to this ZIP was ordered and is not finished, and was called otherwise ({differs}). "
            f"Call it as before to get its results, or delete “{path}” to begin anew."
        )
    # Nothing was ordered, and what is on the desk of these files is still good.
    same_place = found.about.get("url") == about.get("url") and found.about.get("folder") == about.get("folder")
    return State(path, about, uploads if same_place else {})
