"""What became of each picture, as a table: the file that lies beside the results in a ZIP."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils import timezone

from upscaler.models import CANCELLED_CODE, Upscale
from upscaler.tables import csv_lines

NAME = "manifest.csv"
HEADER = (
    "file", "sku", "source", "folder", "source size", "result size", "model", "settings", "engine", "networks",
    "credits", "status", "reason", "who", "ordered", "ended", "number",
)  # fmt: skip


def manifest(rows: Iterable[tuple[Upscale, str]]) -> bytes:
    """The table of these upscales, each with its file's path in the ZIP; empty where no result is given out."""
    text = io.StringIO()
    for line in csv_lines(HEADER, map(_row, rows)):
        text.write(line)
    return text.getvalue().encode()


def _row(of: tuple[Upscale, str]) -> list[Any]:
    upscale, path = of
    is_returned = upscale.status == Upscale.Status.ERROR or upscale.withdrawn_at is not None
    return [
        path,
        upscale.sku,
        upscale.source_name or upscale.source_url,
        upscale.source_folder,
        _size(upscale.source_width, upscale.source_height),
        _size(upscale.result_width, upscale.result_height),
        upscale.model.title,
        "; ".join(_settings(upscale)),
        upscale.get_engine_display(),
        ", ".join(upscale.provenance.get("networks", [])),
        0 if is_returned else upscale.credits,
        "Cancelled" if upscale.error_code == CANCELLED_CODE else upscale.get_status_display(),
        "Refunded, so the result is given out no more" if upscale.withdrawn_at else upscale.error_message,
        upscale.created_by.get_username() if upscale.created_by else "",
        _time(upscale.created_at),
        _time(upscale.completed_at),
        upscale.pk,
    ]


def _settings(upscale: Upscale) -> Iterator[str]:
    for setting, value in upscale.settings_shown:
        yield f"{setting.label}: {value}"


def _size(width: int | None, height: int | None) -> str:
    return f"{width} × {height}" if width and height else ""


def _time(moment: Any) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds") if moment else ""
