"""Every call of the API as an operation: what is asked, in which order, and what is made of the answers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, Unpack

from upscaler_client import shapes
from upscaler_client.downloads import PartFile
from upscaler_client.errors import NotFound, StillRunning, UpscaleFailed, UpscalerError, Withheld
from upscaler_client.shapes import (
    Batch,
    ChannelCheck,
    Credits,
    Generation,
    Item,
    Options,
    Ordered,
    OrderedBatch,
    OrderOptions,
    Quote,
    Result,
)
from upscaler_client.wire import Answer, Fetch, OnBytes, Operation, Pause, Picture, Request, ask

Source = Path | Picture | str | int
"""A file, a picture in memory, an ``http`` address, or the number of an earlier result."""
Row = TypeVar("Row")

FIRST_LOOK, LONGEST_LOOK, LOOKS_GROW = 1.0, 15.0, 1.5
"""Seconds between two looks, where the desk does not wait itself."""
DESK_WAITS = 20
"""Seconds that the desk is asked to wait for a change before it answers."""
PAGE = 100


def upload(picture: Path | Picture) -> Operation[str]:
    """Put a picture on the desk; the address to order it by, good for a day. Costs nothing."""
    answer = yield from ask(Request("POST", "uploads", file=picture))
    return str(_body(answer)["image_url"])


def order(source: Source, *, idempotency_key: str | None = None, **options: Unpack[OrderOptions]) -> Operation[Ordered]:
    """Order one upscale; a file is uploaded first. Charged now, and given back if it ends in ``Error``.

    However often it is sent, it is charged once: the key is made here unless one is given.
    """
    if isinstance(source, (Path, Picture)):
        source = yield from upload(source)
    body = {**_source(source), **_fields(options)}
    request = Request("POST", "generation-upscale", body=body, key=idempotency_key or _new_key(), spends=True)
    return shapes.ordered(_body((yield from ask(request))))


def generation(generation_id: int) -> Operation[Generation]:
    """How an upscale stands, with its results once it is ``Done``."""
    answer = yield from ask(Request("GET", f"generation/{generation_id}"))
    return shapes.generation(_body(answer))


def follow(
    generation_id: int,
    *,
    timeout: float | None = None,
    on_change: Callable[[Generation], None] | None = None,
) -> Operation[Generation]:
    """Wait for the end of an upscale, whichever it is.

    ``timeout``: seconds. Raises StillRunning after them.
    """
    path = f"generation/{generation_id}"
    return (yield from _follow(path, shapes.generation, timeout=timeout, on_change=on_change))


def upscale(
    source: Source,
    to: Path,
    *,
    timeout: float | None = None,
    on_change: Callable[[Generation], None] | None = None,
    idempotency_key: str | None = None,
    **options: Unpack[OrderOptions],
) -> Operation[Generation]:
    """Order one picture, wait for it and write it to ``to``.

    Raises UpscaleFailed with the desk's reason where it ends without a result, and StillRunning.
    """
    taken = yield from order(source, idempotency_key=idempotency_key, **options)
    ended = yield from follow(taken.generation_id, timeout=timeout, on_change=on_change)
    yield from download(only_result(ended), to)
    return ended


def delete(generation_id: int) -> Operation[bool]:
    """Delete an upscale for good, with its files and names; the credits stay spent.

    Whether it was there: after an answer that was lost, the call that is sent again finds it gone. Raises ApiError with
    the status 409 while it is under way, and NotAllowed for what somebody else ordered.
    """
    try:
        yield from ask(Request("DELETE", f"generation/{generation_id}"))
    except NotFound:
        return False
    return True


def only_result(ended: Generation) -> Result:
    """The result of an upscale that is over. Raises UpscaleFailed where it has none."""
    if not ended.results:
        raise UpscaleFailed(ended.error or f"Generation {ended.generation_id} is {ended.status} and has no result.")
    return ended.results[0]


def result(generation_result_id: int) -> Operation[Result]:
    """One enlarged picture by its number."""
    answer = yield from ask(Request("GET", f"generation-result/{generation_result_id}"))
    return shapes.result(_body(answer))


def download(what: Result | str, to: Path, *, on_bytes: OnBytes | None = None) -> Operation[Path]:
    """Write a result, or what lies at an address, to the file ``to``.

    A break is gone on from; ``to`` is whole or not there. Raises FileExists where it can't be written, and Withheld for
    a result that nobody has approved.
    """
    if isinstance(what, Result) and not what.image_url:
        waits = "was rejected" if what.review == "rejected" else "waits for somebody's approval"
        raise Withheld(f"The result of generation {what.generation_id} {waits} on the desk, and can't be had.")
    address = what.image_url if isinstance(what, Result) else what
    return (yield from _fetch(address, to, on_bytes))


def quote(items: Iterable[Item], **options: Unpack[Options]) -> Operation[Quote]:
    """What a batch would cost and how long it would take. Charges nothing."""
    request = Request("POST", "quotes", body=_batch_body(items, options))
    return shapes.quote(_body((yield from ask(request))))


def order_batch(
    items: Iterable[Item], *, idempotency_key: str | None = None, **options: Unpack[Options]
) -> Operation[OrderedBatch]:
    """Order many pictures: all of them, or none. However often it is sent, it is charged once."""
    body = _batch_body(items, options)
    request = Request("POST", "batches", body=body, key=idempotency_key or _new_key(), spends=True)
    return shapes.ordered_batch(_body((yield from ask(request))))


def batch(batch_id: int) -> Operation[Batch]:
    """How a batch stands."""
    return shapes.batch(_body((yield from ask(Request("GET", f"batches/{batch_id}")))))


def follow_batch(
    batch_id: int, *, timeout: float | None = None, on_change: Callable[[Batch], None] | None = None
) -> Operation[Batch]:
    """Wait until nothing of a batch is under way. ``timeout``: seconds. Raises StillRunning after them."""
    return (yield from _follow(f"batches/{batch_id}", shapes.batch, timeout=timeout, on_change=on_change))


def cancel_batch(batch_id: int) -> Operation[Batch]:
    """End what has not begun; its credits come back."""
    return shapes.batch(_body((yield from ask(Request("POST", f"batches/{batch_id}/cancel")))))


def results_zip(batch_id: int, to: Path, *, on_bytes: OnBytes | None = None) -> Operation[Path]:
    """Write all results of a batch that are ready, with ``manifest.csv``, to the ZIP file ``to``."""
    return (yield from _fetch(f"batches/{batch_id}/results.zip", to, on_bytes))


def credits() -> Operation[Credits]:
    """What the team has left."""
    return shapes.credits(_body((yield from ask(Request("GET", "credits")))))


def check_for_channel(picture: Path | Picture, channel: str) -> Operation[ChannelCheck]:
    """Judge a file by a shop's rules, such as ``amazon``. Keeps and charges nothing."""
    request = Request("POST", "channel-checks", file=picture, form={"channel": channel})
    return shapes.channel_check(_body((yield from ask(request))))


class Pages(Generic[Row]):
    """A list of the desk, page by page, the newest first, each row once.

    What comes in meanwhile pushes rows on to the next page, where they would be met again.
    """

    def __init__(self, path: str, read: Callable[[shapes.Json], Row], number: str, filters: Mapping[str, Any]) -> None:
        self._path, self._read, self._number = path, read, number
        self._filters = {name: str(value) for name, value in filters.items() if value not in (None, "")}
        self._page, self._seen = 0, set[int]()
        self.is_last = False

    def next(self) -> Operation[list[Row]]:
        """The rows of the next page."""
        self._page += 1
        query = {**self._filters, "page": str(self._page), "items_per_page": str(PAGE)}
        body = _body((yield from ask(Request("GET", self._path, query=query))))
        rows = [row for row in body["data"] if row[self._number] not in self._seen]
        self._seen.update(row[self._number] for row in rows)
        self.is_last = self._page >= int(body["max_page"])
        return [self._read(row) for row in rows]


def generations(
    *,
    status: str | None = None,
    batch_id: int | None = None,
    sku: str | None = None,
    name: str | None = None,
    reference: str | None = None,
    review: str | None = None,
    more: Mapping[str, str] | None = None,
) -> Pages[Generation]:
    """The team's upscales, the newest first, without their results.

    ``name``: a part of it; ``sku``, ``reference``: the whole; ``review``: such as ``pending``.
    """
    labels = {"sku": sku, "name": name, "reference": reference, "review": review}
    filters = {"status": status, "batch_id": batch_id, **labels, **(more or {})}
    return Pages("generations", shapes.generation, "generation_id", filters)


def results(
    *,
    batch_id: int | None = None,
    sku: str | None = None,
    name: str | None = None,
    reference: str | None = None,
    review: str | None = None,
    more: Mapping[str, str] | None = None,
) -> Pages[Result]:
    """The team's results, the newest first."""
    labels = {"sku": sku, "name": name, "reference": reference, "review": review}
    filters = {"batch_id": batch_id, **labels, **(more or {})}
    return Pages("generation-results", shapes.result, "generation_result_id", filters)


def batches(
    *, name: str | None = None, reference: str | None = None, more: Mapping[str, str] | None = None
) -> Pages[Batch]:
    """The team's batches, the newest first. ``name``: a part of it; ``reference``: the whole."""
    return Pages("batches", shapes.batch, "batch_id", {"name": name, "reference": reference, **(more or {})})


Followed = TypeVar("Followed", Generation, Batch)


def _follow(
    path: str,
    read: Callable[[shapes.Json], Followed],
    *,
    timeout: float | None,
    on_change: Callable[[Followed], None] | None,
) -> Operation[Followed]:
    ends = None if timeout is None else time.monotonic() + timeout
    pause, before = FIRST_LOOK, None
    while True:
        left = DESK_WAITS if ends is None else max(0.0, ends - time.monotonic())
        # A desk that knows no waiting passes over the header.
        waits = int(min(DESK_WAITS, left)) if before is not None else 0
        looked_at = time.monotonic()
        request = Request("GET", path, headers={"Prefer": f"wait={waits}"} if waits else {}, waits=waits)
        answer = yield from ask(request)
        found = read(_body(answer))
        if on_change is not None and found != before:
            on_change(found)
        if found.is_over:
            return found
        if ends is not None and time.monotonic() >= ends:
            raise StillRunning(f"It is not over after {timeout:g} seconds; the desk goes on with it.")
        if "preference-applied" in answer.headers:
            # It waited already; one that answers at once all the same is not to be asked again and again.
            pause = max(0.0, FIRST_LOOK - (time.monotonic() - looked_at))
        else:
            pause = FIRST_LOOK if before is None else min(LONGEST_LOOK, max(FIRST_LOOK, pause) * LOOKS_GROW)
        yield Pause(pause if ends is None else min(pause, max(0.0, ends - time.monotonic())))
        before = found


def _fetch(address: str, to: Path, on_bytes: OnBytes | None) -> Operation[Path]:
    target = PartFile(to, address, on_bytes)
    yield from ask(Fetch(Request("GET", address), target))
    return target.finish()


def _source(source: str | int) -> dict[str, Any]:
    if isinstance(source, bool) or not isinstance(source, (str, int)):
        raise TypeError("A source is a pathlib.Path, a Picture, an address, or the number of a result.")
    if isinstance(source, int):
        return {"generation_result_id": source}
    if not source.startswith(("http://", "https://")):
        raise ValueError(f"“{source}” is no http address. Give a file as pathlib.Path.")
    return {"image_url": source}


def _batch_body(items: Iterable[Item], options: Options) -> dict[str, Any]:
    rows = [
        {
            **_source(item.source),
            **{name: value for name in ("sku", "name", "reference") if (value := getattr(item, name))},
        }
        for item in items
    ]
    return {**_fields(options), "items": rows}


def _fields(options: Options | OrderOptions) -> dict[str, Any]:
    """The options under the contract's names, without what is not given."""
    given: dict[str, Any] = {**options}
    given["model_name"] = given.pop("model")
    given["generation_settings"] = dict(given.pop("settings", None) or {})
    for name in ("channels", "webhook_events"):
        given[name] = list(given.get(name) or ())
    more = given.pop("more", None) or {}
    return {**{name: value for name, value in given.items() if value}, **more}


def _body(answer: Answer) -> Any:
    body = answer.json()
    if not isinstance(body, dict):
        moved = f" It sends to {answer.headers['location']}." if "location" in answer.headers else ""
        raise UpscalerError(f"HTTP {answer.status} without JSON. Is this the address of the desk?{moved}")
    return body


def _new_key() -> str:
    return uuid.uuid4().hex
