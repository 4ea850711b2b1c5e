"""One record for each picture, made while they are sent: a hundred at a time are in memory, however many there are."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from upscaler.evidence import approvals
from upscaler.models import ChannelFile, FidelityCheck, FileMark, Upscale
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.queue import dispatch
from upscaler.storage import file_marks
from upscaler.tables import csv_lines

logger = logging.getLogger(__name__)

AT_ONCE = 100
VERSION = 1
"""Of the record's shape: fields are only added to one version."""
NUMBERS = ("delta_e_mean", "delta_e_worst", "ssim_mean", "ssim_worst", "text_lines", "faces")
NOT_READ = "not read"
"""In a table, of a file that is gone or could not be read."""
NOT_YET = "not yet read"
"""In a table, of a file that a worker reads next: the same download a little later has what it says."""
HEADER = (
    "number", "sku", "source", "batch", "source_sha256", "result_sha256", "status", "ordered_by", "ordered_at",
    "ended_at", "model", "settings", "engine", "engine_version", "networks", "verdict", "reasons", "checked_at",
    *NUMBERS, "review", "decided_by", "decided_at", "note", "ai_mark", "content_credentials", "channel_files",
    "files_deleted_at",
)  # fmt: skip


def records(upscales: UpscaleQuerySet) -> Iterator[dict[str, Any]]:
    """The record of each of the upscales, in the order of their numbers."""
    rows = upscales.select_related("created_by", "fidelity", "source_result").order_by("pk")
    for part in _parts(rows):
        decisions = approvals.of(part)
        made = list(ChannelFile.objects.filter(upscale__in=part).exclude(file="").select_related("upscale"))
        known = _known(part, made)
        for row in part:
            for_shops = [one for one in made if one.upscale_id == row.pk]
            yield _record(row, decisions[row.pk], for_shops, known)


def as_json(upscales: UpscaleQuerySet) -> Iterator[str]:
    """All records as one JSON document, piece by piece."""
    yield f'{{"version": {VERSION}, "pictures": ['
    for place, record in enumerate(records(upscales)):
        yield (",\n" if place else "\n") + json.dumps(record, cls=DjangoJSONEncoder, ensure_ascii=False)
    yield "\n]}\n"


def as_csv(upscales: UpscaleQuerySet) -> Iterator[str]:
    """All records as a table, line by line."""
    return csv_lines(HEADER, map(_line, records(upscales)))


def _parts(rows: UpscaleQuerySet) -> Iterator[list[Upscale]]:
    """Part by part by their numbers: a cursor would be kept open for as long as somebody takes to read."""
    last = 0
    while part := list(rows.filter(pk__gt=last)[:AT_ONCE]):
        yield part
        last = part[-1].pk


def _known(part: list[Upscale], made: list[ChannelFile]) -> dict[str, FileMark]:
    """What the files of some pictures say. No file is opened for it: workers read what nobody has read yet."""
    files = {str(row.result_file.name): row.pk for row in part if row.gives_result and row.result_file.name}
    # Of sources no more is wanted than what is kept of all but the oldest.
    files |= {str(row.source_file.name): row.pk for row in part if row.gives_source and _lacks_digest(row)}
    files |= {one.file: one.upscale_id for one in made}
    known = file_marks.known(files)
    if any(mark.read_at is None for mark in known.values()):
        try:
            dispatch.file_marks()
        except Exception:
            # Their rows are there, and the sweep sends the message later.
            logger.exception("no message for files to be read could be sent, tried again at the next sweep")
    return known


def _lacks_digest(upscale: Upscale) -> bool:
    return bool(upscale.source_file.name and not upscale.source_digest)


def _record(
    upscale: Upscale, decision: dict[str, Any], for_shops: list[ChannelFile], known: dict[str, FileMark]
) -> dict[str, Any]:
    is_told = upscale.gives_result or (upscale.deleted_by_rule and upscale.withdrawn_at is None)
    check = FidelityCheck.of(upscale) if is_told else None
    mark = known.get(upscale.result_file.name or "") if upscale.gives_result else None
    of_source = known.get(upscale.source_file.name or "")
    has_source = upscale.gives_source or upscale.deleted_by_rule
    told = upscale.provenance
    return {
        "number": upscale.pk,
        "sku": upscale.sku,
        "source": upscale.source_name or upscale.source_url,
        "batch": upscale.batch_id,
        "source_sha256": _digest(upscale.source_digest, of_source) if has_source else "",
        "result_sha256": _digest(upscale.result_digest, mark) if is_told else "",
        "status": upscale.status if upscale.withdrawn_at is None else "Refunded",
        "ordered_by": upscale.created_by.get_username() if upscale.created_by else "",
        "ordered_at": upscale.created_at,
        "ended_at": upscale.completed_at,
        "files_deleted_at": upscale.deleted_at,
        "model": "" if upscale.is_only_fitted else upscale.model_name,
        "settings": {} if upscale.is_only_fitted else upscale.settings,
        "engine": upscale.engine,
        "engine_version": str(told.get("engine", "")),
        "networks": list(told.get("networks", [])),
        "provenance": told,
        "verdict": check.verdict if check else "",
        "reasons": check.reasons if check else [],
        "checked_at": check.checked_at if check else None,
        **{name: check.report.get(name) if check else None for name in NUMBERS},
        "scores": check.report.get("scores", {}) if check else {},
        "regions": check.report.get("regions", []) if check else [],
        **decision,
        **_told(mark),
        "channel_files": [_channel_file(one, known[one.file]) for one in for_shops],
    }


def _told(mark: FileMark | None) -> dict[str, Any]:
    is_read = mark is not None and mark.is_read
    return {
        "ai_mark": mark.source_type if mark and is_read else None,
        "content_credentials": mark.credentials if mark and is_read else None,
        "not_yet_read": mark is not None and mark.read_at is None,
    }


def _channel_file(made: ChannelFile, mark: FileMark) -> dict[str, Any]:
    return {
        "channel": made.channel_id,
        "made_at": made.made_at,
        "problems": made.problems,
        "sha256": _digest("", mark),
        **_told(mark),
    }


def _digest(kept: str, mark: FileMark | None) -> str | None:
    """SHA-256 of a stored file: as it was counted when it was stored, or later; empty where the file is gone, None
    where nobody has counted it yet."""
    if kept or mark is None:
        return kept
    return None if mark.read_at is None else mark.digest


def _line(record: dict[str, Any]) -> list[Any]:
    has_result = record["result_sha256"] != ""
    cells = {
        **record,
        "settings": "; ".join(f"{key}: {value}" for key, value in record["settings"].items()),
        "networks": ", ".join(record["networks"]),
        "reasons": ", ".join(record["reasons"]),
        **{name: NOT_YET if record[name] is None else record[name] for name in DIGESTS},
        "ai_mark": _mark(record) if has_result else "",
        "content_credentials": _credentials(record) if has_result else "",
        "channel_files": "; ".join(f"{one['channel']}: {_mark(one)}" for one in record["channel_files"]),
        **{key: record[key].isoformat() if record[key] else "" for key in MOMENTS},
    }
    return ["" if cells[name] is None else cells[name] for name in HEADER]


MOMENTS = ("ordered_at", "ended_at", "checked_at", "decided_at", "files_deleted_at")
DIGESTS = ("source_sha256", "result_sha256")


def _mark(of: dict[str, Any]) -> str:
    return _unread(of) or of["ai_mark"] or "none"


def _credentials(of: dict[str, Any]) -> str:
    return _unread(of) or ("yes" if of["content_credentials"] else "no")


def _unread(of: dict[str, Any]) -> str:
    return "" if of["ai_mark"] is not None else NOT_YET if of["not_yet_read"] else NOT_READ
