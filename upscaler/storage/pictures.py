"""Pictures in the desk's storage: what is known of each, and writing them before the row that names them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from django.core.files.base import ContentFile, File
from django.utils import timezone

from upscaler.imaging.intake import ExaminedPicture
from upscaler.imaging.previews import Preview
from upscaler.models import Upscale, media_storage
from upscaler.storage import stored_files


@dataclass(frozen=True)
class StoredPicture:
    """What the desk knows of a picture in its storage."""

    path: str
    """The file's name there."""
    thumbnail: str
    width: int
    """Pixels, as displayed."""
    height: int
    file_size: int
    """Bytes."""
    digest: str = ""
    """SHA-256 of its bytes; empty where nobody has counted it."""
    product_share: float | None = None
    """The longer side of what is not margin in the picture's, 0 to 1; None where nobody has measured it."""
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What is known of it as a source, see ``source_facts`` in `engines.base.Finished`."""

    def source_columns(self) -> dict[str, Any]:
        """The columns of an `Upscale` whose source it is."""
        return {
            "source_file": self.path,
            "source_thumbnail": self.thumbnail,
            "source_width": self.width,
            "source_height": self.height,
            "source_bytes": self.file_size,
            "source_digest": self.digest,
            "source_facts": dict(self.facts) or None,
        }

    def result_columns(self) -> dict[str, Any]:
        """The columns of an `Upscale` whose result it is."""
        return {
            "result_file": self.path,
            "result_thumbnail": self.thumbnail,
            "result_width": self.width,
            "result_height": self.height,
            "result_bytes": self.file_size,
            "result_digest": self.digest,
        }


def source_of(upscale: Upscale) -> StoredPicture:
    """The source of an upscale whose source is stored."""
    return StoredPicture(
        path=upscale.source_file.name or "",
        thumbnail=upscale.source_thumbnail.name or "",
        width=upscale.source_width or 0,
        height=upscale.source_height or 0,
        file_size=upscale.source_bytes or 0,
        digest=upscale.source_digest,
        facts=upscale.source_facts or {},
    )


def result_of(upscale: Upscale) -> StoredPicture:
    """The result of an upscale that is Done."""
    return StoredPicture(
        path=upscale.result_file.name or "",
        thumbnail=upscale.result_thumbnail.name or "",
        width=upscale.result_width or 0,
        height=upscale.result_height or 0,
        file_size=upscale.result_bytes or 0,
        digest=upscale.result_digest,
    )


class NewFiles:
    """Files that are stored before the row that names them. An error inside ``with`` removes them again, until `keep`.

    ::

        with NewFiles(team.pk) as files:
            stored = files.store_source(upload, examined)
            with transaction.atomic():
                ...  # the row that names them
                files.keep()

    `keep` comes last in the transaction, because what follows it is the COMMIT. Its answer can be lost, and whoever
    does not know whether a row was committed must not delete what it may name. Should it not have been, `cleanup` finds
    files that no row names.
    """

    def __init__(self, team_id: int) -> None:
        self._team_id = team_id
        self._written: dict[str, int] = {}

    def __enter__(self) -> NewFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for path in self._written:
                # One that can't be removed keeps none of the others; `cleanup` tries again.
                with suppress(OSError):
                    media_storage().delete(path)

    def keep(self) -> None:
        """Count the files for the team, and remove nothing from now on."""
        stored_files.note(self._team_id, self._written)
        self._written = {}

    def store_source(self, file: IO[bytes], examined: ExaminedPicture) -> StoredPicture:
        """Store an examined picture and its thumbnail. Raises OSError."""
        file.seek(0)
        stored = self._store("sources", _new_name(), File(file), examined)
        return replace(stored, facts={"jpeg_quality": examined.jpeg_quality})

    def store_result(
        self, path: Path, examined: ExaminedPicture, before: Preview | None, after: Preview
    ) -> tuple[StoredPicture, dict[str, Any]]:
        """Store a finished picture, its thumbnail, and the previews that are compared on its page. Raises OSError.

        Returns the picture and the columns of the previews; ``before`` is None where the source is gone.
        """
        name = _new_name()
        with path.open("rb") as file:
            stored = self._store("results", name, File(file), examined)
        previews = {"before": before, "after": after}
        return stored, {
            f"{which}_preview": self._save(f"previews/{name}-{which}{preview.extension}", ContentFile(preview.content))
            for which, preview in previews.items()
            if preview is not None
        }

    def _store(self, kind: str, name: str, file: File, examined: ExaminedPicture) -> StoredPicture:
        return StoredPicture(
            path=self._save(f"{kind}/{name}{examined.extension}", file),
            thumbnail=self._save(f"thumbnails/{name}.webp", ContentFile(examined.thumbnail)),
            width=examined.width,
            height=examined.height,
            file_size=examined.file_size,
            digest=examined.digest,
            product_share=examined.product_share,
        )

    def _save(self, name: str, content: File) -> str:
        size = content.size
        path: str = media_storage().save(name, content)
        self._written[path] = size
        return path


def _new_name() -> str:
    """A name for a picture and what is shown of it, after the folder of its month: `cleanup` goes by months."""
    return f"{timezone.now():%Y/%m}/{uuid.uuid4().hex}"
