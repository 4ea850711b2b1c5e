"""Results get Content Credentials before they are stored, where a key is set. No result fails for them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from upscaler.engines.base import Finished
from upscaler.imaging.intake import ExaminedPicture
from upscaler.models import Upscale
from upscaler.storage import signing


def signed(upscale: Upscale, finished: Finished, found: ExaminedPicture) -> tuple[Finished, ExaminedPicture]:
    """The result with credentials, and what is known of its file then; as it came where it is not signed."""
    path = finished.path.with_name("signed")
    with finished.path.open("rb") as source, path.open("w+b") as target:
        provenance = finished.provenance
        if not signing.sign(upscale, source, target, format_name=found.format, provenance=provenance):
            return finished, found
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(finished, path=path), replace(found, file_size=path.stat().st_size, digest=digest)
