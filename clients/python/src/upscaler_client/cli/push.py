"""`upscaler push`: a folder of pictures becomes a batch, and the batch a ZIP of results."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from upscaler_client.cli import skus, state
from upscaler_client.cli.console import Console, counted
from upscaler_client.cli.state import State
from upscaler_client.client import Client
from upscaler_client.errors import NotAPicture, Refused, TooLarge, UpscalerError
from upscaler_client.shapes import Batch, Item, Options, Quote

ENDINGS = ("jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif", "avif", "heic", "heif", "hif", "jxl")
MAX_BATCH = 5000
AT_ONCE = 3
SHOWN = 5
"""Files that a message names."""


@dataclass(frozen=True)
class Found:
    """A picture of the folder. ``name``: its path inside it."""

    name: str
    file: Path
    sku: str


@dataclass(frozen=True)
class Push:
    """What is to be done."""

    folder: Path
    out: Path
    sku: str
    options: Options
    """Of the order."""
    is_agreed: bool
    """The cost needs no answer."""
    skips_refused: bool = False
    """Files that the desk does not take are left out; else nothing is ordered."""


@dataclass(frozen=True)
class Pushed:
    """How it ended. ``skipped``: files that the desk did not take."""

    batch: Batch
    skipped: tuple[str, ...]


class Declined(UpscalerError):
    """The person said no to the cost; nothing was ordered."""


def push(client: Client, url: str, wanted: Push, console: Console) -> Pushed:
    """Do it, or go on with it, until the ZIP is there. Raises UpscalerError."""
    about = {
        "url": url,
        "folder": str(wanted.folder.resolve()),
        "sku": wanted.sku,
        "options": cast(dict[str, Any], wanted.options),
    }
    progress = state.load(wanted.out.with_name(f"{wanted.out.name}.push.json"), about)
    if progress.batch_id is None and wanted.out.exists():
        raise UpscalerError(f"“{wanted.out}” is there already. Choose another name, or move it away.")
    if progress.batch_id is None:
        _order(client, wanted, progress, console)
    batch_id = cast(int, progress.batch_id)
    console.say(f"Batch {batch_id} is ordered. Ctrl-C is no harm: the same command goes on.")
    try:
        ended = client.follow_batch(batch_id, on_change=lambda batch: _show(batch, console))
    finally:
        console.end_line()
    if ended.done:
        client.results_zip(batch_id, wanted.out, on_bytes=lambda there, of: console.bytes("Getting the ZIP", there, of))
        console.end_line()
    skipped = tuple((progress.order or {}).get("skipped", ()))
    progress.forget()
    return Pushed(ended, skipped)


def find(folder: Path, sku: str) -> list[Found]:
    """The pictures of a folder and those in it, by name, without hidden ones. Raises UpscalerError for none."""
    if not folder.is_dir():
        raise UpscalerError(f"There is no folder “{folder}”.")
    sku_of = skus.reader(sku)
    found = []
    for file in sorted(folder.rglob("*")):
        path = PurePosixPath(file.relative_to(folder).as_posix())
        if any(part.startswith(".") for part in path.parts) or not file.is_file():
            continue
        if file.suffix.lower().removeprefix(".") in ENDINGS:
            found.append(Found(str(path), file, sku_of(path)))
    if not found:
        raise UpscalerError(f"There are no pictures in “{folder}”. Endings that are taken: {', '.join(ENDINGS)}.")
    if len(found) > MAX_BATCH:
        raise UpscalerError(
            f"There are {len(found):,} pictures; a batch takes {MAX_BATCH:,}. Push its folders by turns."
        )
    return found


def _order(client: Client, wanted: Push, progress: State, console: Console) -> None:
    if progress.order is None:
        pictures = find(wanted.folder, wanted.sku)
        _say_skus(pictures, wanted.sku, console)
        links, refused = _upload(client, pictures, progress, console)
        _say_refused(refused, wanted, console)
        pictures = [one for one in pictures if one.name in links]
        items = [Item(links[one.name], one.sku, Path(one.name).name) for one in pictures]
        _ask(client.quote(items, **wanted.options), wanted, console)
        progress.order = {
            "key": uuid.uuid4().hex,
            "items": [asdict(item) for item in items],
            "options": cast(dict[str, Any], wanted.options),
            "skipped": sorted(refused),
        }
        progress.save()
    order = progress.order
    items = [Item(**item) for item in order["items"]]
    try:
        taken = client.order_batch(items, idempotency_key=order["key"], **cast(Options, order["options"]))
    except Refused:
        # Not taken, and never will be as it stands: its addresses may have run out since.
        progress.order, progress.uploads = None, {}
        progress.save()
        raise
    progress.batch_id = taken.batch_id
    progress.save()


def _upload(
    client: Client, pictures: list[Found], progress: State, console: Console
) -> tuple[dict[str, str], dict[str, str]]:
    """Addresses by the names of the files, and why others are not taken."""
    links: dict[str, str] = {}
    refused: dict[str, str] = {}
    lock, is_stopped = threading.Lock(), threading.Event()

    def one(picture: Found) -> None:
        if is_stopped.is_set():
            return
        link = progress.upload_of(picture.name, picture.file)
        if link is None:
            try:
                link = client.upload(picture.file)
            except (NotAPicture, TooLarge) as error:
                refused[picture.name] = error.message
                return
            except UpscalerError as error:
                raise UpscalerError(f"{picture.name}: {error}") from error
            with lock:
                progress.note_upload(picture.name, picture.file, link)
        with lock:
            links[picture.name] = link
            console.line(f"Uploading: {len(links):,} of {counted(len(pictures), 'picture')}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            works = [pool.submit(one, picture) for picture in pictures]
            wait(works, return_when=FIRST_EXCEPTION)
            # A cause first, and not what was stopped because of it.
            for work in works:
                if work.done():
                    work.result()
        finally:
            is_stopped.set()
            pool.shutdown(cancel_futures=True)
            progress.save()
            console.end_line()
    return links, refused


def _say_refused(refused: dict[str, str], wanted: Push, console: Console) -> None:
    if not refused:
        return
    for name, why in sorted(refused.items()):
        console.fail(f"{name}: {why}")
    if not wanted.skips_refused:
        raise UpscalerError(
            f"{counted(len(refused), 'file')} can't be taken, so nothing was ordered. Take them out of the folder, or "
            "add --skip-refused to order the others."
        )


def _ask(quote: Quote, wanted: Push, console: Console) -> None:
    time = f", done in about {_duration(quote.seconds)}" if quote.seconds else ""
    pictures, price = counted(quote.total, "picture"), counted(quote.credits, "credit")
    console.say(f"{pictures} with {wanted.options['model']}: {price}{time}.")
    console.say(f"Your team has {counted(quote.balance_after + quote.credits, 'credit')} now.")
    if quote.already_made:
        console.say(f"Your team has {quote.already_made:,} of them already; ordered again they cost again.")
    if quote.balance_after < 0:
        console.say(f"{counted(-quote.balance_after, 'credit')} are missing.")
    if not wanted.is_agreed and not console.confirm("Order them?"):
        raise Declined("Nothing was ordered. What was uploaded is kept for a day: the same command goes on from here.")


def _say_skus(pictures: list[Found], sku: str, console: Console) -> None:
    without = [one.name for one in pictures if not one.sku]
    if sku and without:
        console.say(f"No SKU is found for {len(without):,} of {counted(len(pictures), 'picture')}: {_some(without)}.")


def _show(batch: Batch, console: Console) -> None:
    failed = f", {batch.failed:,} failed" if batch.failed else ""
    console.line(f"Enlarging: {batch.done:,} of {batch.total:,} done{failed}")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _duration(seconds: float) -> str:
    return counted(max(1, round(seconds)), "second") if seconds < 90 else counted(round(seconds / 60), "minute")
