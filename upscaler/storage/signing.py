"""Files that the desk made get Content Credentials before they are stored, where a key is set. None fails for them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from upscaler.imaging import credentials, intake
from upscaler.imaging.codec.xmp import SOURCE_TYPES
from upscaler.models import FidelityCheck, Upscale

logger = logging.getLogger(__name__)

NUMBERS = ("delta_e_mean", "delta_e_worst", "ssim_mean", "ssim_worst")
"""What is stated of a check beside its verdict."""


def is_on() -> bool:
    """Whether the operator has set a certificate or a key."""
    return bool(settings.C2PA_CERTIFICATE or settings.C2PA_PRIVATE_KEY)


def signer() -> credentials.Signer:
    """What signs. Raises credentials.BadKey."""
    if not (settings.C2PA_CERTIFICATE and settings.C2PA_PRIVATE_KEY):
        raise credentials.BadKey("one of C2PA_CERTIFICATE and C2PA_PRIVATE_KEY is not set")
    return signer_of(settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY)


@lru_cache(maxsize=1)
def signer_of(certificate: str, key: str) -> credentials.Signer:
    """What signs with these two files, read once by each process. Raises credentials.BadKey."""
    return credentials.Signer(Path(certificate), Path(key))


def sign(
    upscale: Upscale,
    source: IO[bytes],
    target: IO[bytes],
    *,
    format_name: str,
    provenance: Mapping[str, Any],
    is_fitted: bool = False,
) -> bool:
    """Write ``source``, a file of the upscale's, to ``target`` with credentials.

    ``format_name``: Pillow's. ``provenance``: what made the upscale's result. ``is_fitted``: whether the file was then
    fitted to a shop's rules.

    False where it is not signed and nothing in ``target`` counts: without a key, in other formats than
    ``credentials.MIME``, where signing fails, and of what was only fitted, which the desk did not make.
    """
    if not is_on() or upscale.is_only_fitted or format_name not in credentials.MIME:
        return False
    try:
        made = credentials.Made(
            format=format_name,
            source_digest=upscale.source_digest,
            source_type=_source_type(source),
            engine=str(provenance.get("engine") or upscale.engine),
            networks=[str(name) for name in provenance.get("networks", [])],
            is_fitted=is_fitted,
            fidelity=_fidelity(upscale),
        )
        source.seek(0)
        signer().sign(source, target, made)
    except Exception:
        # Whatever a library says: credentials are an extra, and the picture is paid for.
        logger.exception("upscale %s: a file is kept without Content Credentials", upscale.pk)
        return False
    return True


def _source_type(file: IO[bytes]) -> str:
    """IPTC's term as the file itself has it, so that the two never differ; empty for none. Raises PublicError."""
    file.seek(0)
    with tempfile.TemporaryFile() as nothing:
        told = intake.convert("imaging.marks", file, nothing, {}, named="The result", size=(1, 1))
    return SOURCE_TYPES + told["source_type"] if told["source_type"] else ""


def _fidelity(upscale: Upscale) -> dict[str, Any] | None:
    """What the check says of the result by now."""
    check = FidelityCheck.objects.filter(upscale=upscale, checked_at__isnull=False).exclude(verdict="").first()
    if check is None or check.checked_at is None:
        return None
    numbers = {name: check.report[name] for name in NUMBERS if name in check.report}
    return {
        "verdict": check.verdict,
        "reasons": check.reasons,
        "checked_at": check.checked_at.isoformat(timespec="seconds"),
        **numbers,
    }
