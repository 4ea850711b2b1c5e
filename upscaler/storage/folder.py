"""Pictures in a folder of this machine, or one that several share: what ``MEDIA_ROOT`` names."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

UNFINISHED = ".part"
"""How the name of a file ends that is being written."""


class FolderStorage(FileSystemStorage):
    """A folder in which a name stands for a whole file or for none."""

    def _save(self, name: str, content: File) -> str:
        # A disk that is full in the middle would leave the first half under the name of the whole. What a killed
        # process leaves, `cleanup` finds like any file that no row names.
        unfinished = f"{name}.{secrets.token_hex(4)}{UNFINISHED}"
        try:
            os.rename(self.path(super()._save(unfinished, content)), self.path(name))  # type: ignore[misc]
        except BaseException:
            with suppress(OSError):
                os.remove(self.path(unfinished))
            raise
        return name
