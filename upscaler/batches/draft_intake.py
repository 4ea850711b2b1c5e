"""Files and lists as people choose them: one picture, or what brings many of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO

from django.conf import settings

from upscaler import fetching, file_names
from upscaler.batches import addresses, archives, draft_archives, draft_items, drafts, spreadsheets
from upscaler.batches.rows import Table
from upscaler.engines import offer
from upscaler.errors import PublicError
from upscaler.imaging.decoding import Patience
from upscaler.imaging.structure import formats
from upscaler.models import Batch, DraftItem
from upscaler.ordering.forms import UpscaleForm
from upscaler.storage import signed_links

HEAD_LENGTH = 4096
"""Bytes at the start of a file by which its kind is told."""


@dataclass
class Added:
    """What came of one file or list."""

    items: list[DraftItem] = field(default_factory=list)
    left_out: list[DraftItem] = field(default_factory=list)
    """What stands for files that are no items."""

    @classmethod
    def of(cls, rows: Iterable[DraftItem]) -> Added:
        """The rows sorted out."""
        rows = list(rows)
        return cls(
            [row for row in rows if row.problem not in drafts.NO_ITEMS],
            [row for row in rows if row.problem in drafts.NO_ITEMS],
        )


def add_file(
    draft: Batch,
    file: IO[bytes],
    *,
    key: str,
    name: str,
    folder: str = "",
    host: str = "",
    patience: Patience | None = None,
) -> Added:
    """Add what is in the file: a picture, a ZIP of pictures, or a spreadsheet of addresses.

    Its content tells what it is. Of the same ``key`` comes the same again. Raises as `draft_items.add_picture` does.
    """
    before = Added.of(draft_items.added_before(draft, key))
    if any(row.problem == drafts.READING and draft_archives.is_stalled(row) for row in before.left_out):
        pass  # Its reader has died: it is read on from where it ended.
    elif before.items or before.left_out:
        return before
    file.seek(0)
    head = file.read(HEAD_LENGTH)
    file.seek(0)
    is_picture = formats.format_of(head) is not None
    if spreadsheets.is_spreadsheet(name) and not is_picture:
        return _add_spreadsheet(draft, file, key=key, name=name, host=host)
    if archives.is_archive(head) or (name.lower().endswith(".zip") and not is_picture):
        draft_archives.add_archive(draft, file, key=key, name=name)
        return Added.of(draft_items.added_before(draft, key))
    item = draft_items.add_picture(draft, file, key=key, name=name, folder=folder, patience=patience)
    return Added.of([item])


def add_addresses(draft: Batch, text: str, *, key: str, host: str = "") -> Added:
    """Add a pasted list of addresses, each an item, the wrong ones with their reason. Raises PublicError."""
    table = addresses.read(text, max_rows=settings.MAX_BATCH)
    return _add_table(draft, table, key=key, origin="list of addresses", host=host)


def _add_spreadsheet(draft: Batch, file: IO[bytes], *, key: str, name: str, host: str) -> Added:
    try:
        table = spreadsheets.read(file, name, max_rows=settings.MAX_BATCH)
    except PublicError as error:
        item = DraftItem(batch=draft, key=key, source=DraftItem.Source.UPLOAD, name=file_names.shortened(name))
        return Added.of([draft_items.add_problem(draft, item, error)])
    return _add_table(draft, table, key=key, origin=name, host=host)


def _add_table(draft: Batch, table: Table, *, key: str, origin: str, host: str) -> Added:
    items: list[DraftItem] = []
    for number, row in enumerate(table.rows, 1):
        item = DraftItem(batch=draft, key=f"{key}/{number}", source=DraftItem.Source.URL, url=row.url, sku=row.sku)
        item.name = row.name or fetching.file_name(row.url)
        item.is_sku_typed, item.origin = bool(row.sku), f"{origin}, line {row.line}"[-draft_items.MAX_ORIGIN :]
        _take_own_link(item, draft, host)
        items.append(item)
    for wrong in table.wrong:
        item = DraftItem(batch=draft, key=f"{key}/w{wrong.line}.{len(items)}", source=DraftItem.Source.URL)
        item.name, item.origin = file_names.shortened(wrong.text), f"{origin}, line {wrong.line}"
        item.problem, item.problem_message = wrong.code, wrong.reason
        items.append(item)
    return Added.of(draft_items.add_many(draft, items))


def _take_own_link(item: DraftItem, draft: Batch, host: str) -> None:
    """Of an address of the desk's own the picture is here already, where the team may have it."""
    if signed_links.find_link(item.url, host=host) is None:
        return
    form = UpscaleForm({"model_name": offer.usual().name, "image_url": item.url}, team=draft.team, host=host)
    form.is_valid()
    refusal = form.errors.as_data().get("image_url")
    if refusal:
        item.problem, item.problem_message = refusal[0].code or "refused", " ".join(refusal[0].messages)
    elif form.link is not None:
        item.source, item.name = DraftItem.Source.UPLOAD, form.link.name
        draft_items.fill(item, form.link.picture)
