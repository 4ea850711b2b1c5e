"""What became of each picture, as a table: the file that lies beside the results in a ZIP."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.utils import timezone

from upscaler.models import CANCELLED_CODE, FidelityCheck, Upscale
from upscaler.tables import csv_lines

NAME = "manifest.csv"
HEADER = (
    "file", "files for shops", "sku", "source", "folder", "source size", "result size", "model", "settings", "engine",
    "networks", "credits", "status", "reason", "who", "ordered", "ended", "number",
    "verdict", "reasons",
)  # fmt: skip


def manifest(rows: Iterable[tuple[Upscale, str, Sequence[str]]]) -> bytes:
    """The table of these upscales, each with its file's path in the ZIP, empty where no result is given out, and those
    of its files for shops."""
    text = io.StringIO()
    for line in csv_lines(HEADER, map(_row, rows)):
        text.write(line)
    return text.getvalue().encode()


def _row(of: tuple[Upscale, str, Sequence[str]]) -> list[Any]:
    upscale, path, for_shops = of
    check = FidelityCheck.of(upscale) if upscale.gives_result else None
    is_returned = upscale.status == Upscale.Status.ERROR or upscale.withdrawn_at is not None
    return [
        path,
        "; ".join(for_shops),
        upscale.sku,
        upscale.source_name or upscale.source_url,
        upscale.source_folder,
        _size(upscale.source_width, upscale.source_height),
        _size(upscale.result_width, upscale.result_height),
        "" if upscale.is_only_fitted else upscale.model.title,
        "" if upscale.is_only_fitted else "; ".join(_settings(upscale)),
        upscale.get_engine_display(),
        ", ".join(upscale.provenance.get("networks", [])),
        0 if is_returned else upscale.price,
        "Cancelled" if upscale.error_code == CANCELLED_CODE else upscale.get_status_display(),
        _reason(upscale),
        upscale.created_by.get_username() if upscale.created_by else "",
        _time(upscale.created_at),
        _time(upscale.completed_at),
        upscale.pk,
        check.verdict if check else "",
        ", ".join(check.reasons) if check else "",
    ]


def _reason(upscale: Upscale) -> str:
    """Why no result is given out; empty where it is."""
    if upscale.withdrawn_at:
        return "Refunded, so the result is given out no more"
    if upscale.status != Upscale.Status.DONE:
        return upscale.error_message
    return {Upscale.Review.PENDING: "Waits for approval", Upscale.Review.REJECTED: "Rejected"}.get(
        Upscale.Review(upscale.review), ""
    )


def _settings(upscale: Upscale) -> Iterator[str]:
    for setting, value in upscale.settings_shown:
        yield f"{setting.label}: {value}"


def _size(width: int | None, height: int | None) -> str:
    return f"{width} × {height}" if width and height else ""


def _time(moment: Any) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds") if moment else ""
