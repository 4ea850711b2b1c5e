"""What must be true after it, whatever befell: each order ended, was charged once, and has its files."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable

from PIL import Image

from tests.chaos.desks import ChaosDesk
from tests.chaos.outside import Outside

FILES = ("source_file", "source_thumbnail", "result_file", "result_thumbnail", "before_preview", "after_preview")
REMOVE_ORPHANS = """
from datetime import timedelta
from django.utils import timezone
from upscaler.storage import cleanup
print("removed", cleanup.remove_orphans(timezone.now() + timedelta(days=30)))
"""


def problems(desk: ChaosDesk, ordered: set[int], outside: Outside) -> list[str]:
    """Everything that is wrong, in words. ``ordered``: the generations that clients know of, retries among them."""
    return [
        *_orders(desk, ordered),
        *_charges(desk),
        *_webhooks(desk, outside),
        *_vendor(desk, outside),
        *_commands(desk),
        *_files(desk),
    ]


def _orders(desk: ChaosDesk, ordered: set[int]) -> Iterable[str]:
    rows = desk.rows("SELECT id, status, retry_of_id, result_file FROM upscaler_upscale")
    there = {row[0] for row in rows}
    if missing := ordered - there:
        yield f"taken and not there: {sorted(missing)}"
    if extra := there - ordered:
        yield f"ordered twice, or by nobody: {sorted(extra)}"
    if open_ones := [row[0] for row in rows if row[1] not in ("Done", "Error")]:
        yield f"never ended: {sorted(open_ones)}"
    results = Counter(row[3] for row in rows if row[3])
    if doubled := [name for name, count in results.items() if count > 1]:
        yield f"one result of two upscales: {doubled}"


def _charges(desk: ChaosDesk) -> Iterable[str]:
    entries = desk.rows("SELECT upscale_id, kind FROM upscaler_creditentry WHERE upscale_id IS NOT NULL")
    kinds: dict[int, list[str]] = {}
    for pk, kind in entries:
        kinds.setdefault(pk, []).append(kind)
    for pk, status in desk.rows("SELECT id, status FROM upscaler_upscale"):
        expected = ["charge", "refund"] if status == "Error" else ["charge"]
        if sorted(kinds.get(pk, [])) != expected:
            yield f"upscale {pk} is {status}, and its entries are {sorted(kinds.get(pk, []))}"


def _webhooks(desk: ChaosDesk, outside: Outside) -> Iterable[str]:
    expected = {"Done": "generation.completed", "Error": "generation.failed"}
    for pk, status in desk.rows("SELECT id, status FROM upscaler_upscale"):
        if outside.told.get(pk) != {expected.get(status, "")}:
            yield f"upscale {pk} is {status}, and the program was told {outside.told.get(pk)}"


def _vendor(desk: ChaosDesk, outside: Outside) -> Iterable[str]:
    rows = desk.rows("SELECT engine_id FROM upscaler_upscale WHERE engine = 'uwear'")
    made = len(outside.vendor.generations)
    if made > len(rows):
        yield f"the vendor got {made} orders for {len(rows)} upscales"
    if unknown := {str(row[0]) for row in rows if row[0]} - set(map(str, outside.vendor.generations)):
        yield f"the vendor knows nothing of {sorted(unknown)}"


def _commands(desk: ChaosDesk) -> Iterable[str]:
    for command in (["check_ledger"], ["rebuild_usage", "--check"]):
        try:
            desk.manage(*command)
        except AssertionError as error:
            yield f"{command[0]}: {str(error)[-500:]}"


def _files(desk: ChaosDesk) -> Iterable[str]:
    """After the orphans are removed: each file has a row, and each row its files."""
    desk.manage("shell", "-c", REMOVE_ORPHANS)
    named: set[str] = set()
    for pk, status, *names in desk.rows(f"SELECT id, status, {', '.join(FILES)} FROM upscaler_upscale"):
        named.update(filter(None, names))
        if status == "Done" and not all(names):
            missing = [field for field, name in zip(FILES, names, strict=True) if not name]
            yield f"upscale {pk} is Done without {missing}"
        for name in filter(None, names):
            try:
                with desk.read(name) as file, Image.open(io.BytesIO(file.read())) as picture:
                    picture.load()
            except OSError as error:
                yield f"upscale {pk}: {name} can't be opened: {error}"
    if left := {name for name in desk.stored() - named if not name.startswith("probes/")}:
        yield f"{len(left)} files that no row names: {sorted(left)[:5]}"
