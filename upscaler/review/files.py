"""Whether a stored file may leave the desk, whoever asks and by whatever link."""

from __future__ import annotations

from upscaler.models import WITHHELD, Upscale


def why_withheld(path: str | None) -> str:
    """Why a stored file is not given out: it is a result that waits or was rejected; empty for every other file."""
    row = withheld_with(path)
    return row.why_withheld if row is not None else ""


def withheld_with(path: str | None) -> Upscale | None:
    """The upscale whose result, a stored file, is not given out; None where the file is.

    Asked by the file and not by the upscale: an order may have a result of another one as its source.
    """
    if not path:
        return None
    return Upscale.objects.filter(result_file=path, review__in=WITHHELD).only("review").first()
