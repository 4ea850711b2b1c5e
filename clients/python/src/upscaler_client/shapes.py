"""What the desk tells, as plain frozen objects.

Read tolerantly: fields that an older desk or the vendor does not have are empty, and ``raw`` has all that came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Required, TypedDict

Json = Mapping[str, Any]

OPEN = ("Created", "Ongoing")


class TopazSettings(TypedDict, total=False):
    """The settings of the model ``topaz``; what is left out has the desk's default."""

    enhance_model: Literal["Standard V2", "Low Resolution V2", "High Fidelity V2"]
    upscale_factor: Literal["2x", "4x", "6x"]
    face_enhancement: bool
    subject_detection: Literal["Foreground", "Background", "Auto"]
    face_enhancement_creativity: float
    """From 0 to 1."""


class Options(TypedDict, total=False):
    """What an order, a batch and a quote have in common. `docs/api.md` of the desk says what each does."""

    model: Required[str]
    """``recraft``, ``topaz``, or another that the desk offers."""
    settings: TopazSettings | Mapping[str, Any]
    result_format: Literal["JPEG", "PNG", "WEBP"]
    name: str
    """What the picture, or the batch, is called."""
    reference: str
    """Your own number or name of the order or the batch, given back as it is and found by."""
    channels: Iterable[str]
    webhook_url: str
    webhook_secret: str
    webhook_events: Iterable[str]
    more: Mapping[str, Any]
    """Fields that this client does not know yet."""


class OrderOptions(Options, total=False):
    """Those of a single order."""

    sku: str


@dataclass(frozen=True)
class Item:
    """One picture of a batch: an address (also what `upload` gave), or the number of an earlier result."""

    source: str | int
    sku: str = ""
    name: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Ordered:
    """An order was taken."""

    generation_id: int
    created_at: datetime | None
    raw: Json = field(repr=False)


@dataclass(frozen=True)
class Fidelity:
    """What the desk's check says of a result beside its source."""

    verdict: str
    """``faithful``, or ``look`` where a person should look."""
    reasons: tuple[str, ...]
    """Of ``colour``, ``detail``, ``text``, ``face``, ``shape``; none where it is faithful."""
    checked_at: datetime | None


@dataclass(frozen=True)
class Result:
    """One enlarged picture. Its size is in pixels."""

    generation_result_id: int
    generation_id: int
    image_url: str
    """Empty while somebody has to approve it first."""
    available: bool
    """Whether ``image_url`` works without a token; for some hours."""
    review: str
    """``pending`` or ``rejected`` where the desk holds it back; else ``none`` or ``approved``."""
    fidelity: Fidelity | None
    """None while the check has said nothing."""
    expires_at: datetime | None
    width: int | None
    height: int | None
    name: str
    sku: str
    reference: str
    batch_id: int | None
    raw: Json = field(repr=False)


@dataclass(frozen=True)
class Generation:
    """How one upscale stands. The lists leave its results out."""

    generation_id: int
    status: str
    """``Created``, ``Ongoing``, ``Done`` or ``Error``."""
    progress: float
    """From 0 to 1."""
    error: str
    """Why there is no result; its credits are back."""
    credits: int
    review: str
    """Of its result: ``none``, ``pending``, ``approved`` or ``rejected``."""
    fidelity: Fidelity | None
    name: str
    sku: str
    reference: str
    batch_id: int | None
    created_at: datetime | None
    updated_at: datetime | None
    results: tuple[Result, ...]
    raw: Json = field(repr=False)

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.status not in OPEN


@dataclass(frozen=True)
class Quote:
    """What a batch would cost, in credits and seconds."""

    total: int
    credits: int
    balance_after: int
    """Below zero where credits are missing."""
    seconds: float | None
    """Until the last picture is done; None where nothing is known of the model yet."""
    already_made: int
    """How many the team has already. Ordered all the same, they cost again."""
    already_large_enough: int
    raw: Json = field(repr=False)


@dataclass(frozen=True)
class OrderedBatch:
    """A batch was taken."""

    batch_id: int
    total: int
    credits: int
    generation_ids: tuple[int, ...]
    """In the order of the items."""
    raw: Json = field(repr=False)


@dataclass(frozen=True)
class Batch:
    """How a batch stands."""

    batch_id: int
    name: str
    reference: str
    status: str
    """``Open`` or ``Done``."""
    total: int
    done: int
    failed: int
    credits_charged: int
    credits_refunded: int
    raw: Json = field(repr=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is under way, however it ended."""
        return self.status == "Done"


@dataclass(frozen=True)
class Credits:
    """What a team has left.

    ``storage_bytes``: how much it keeps; ``storage_quota``: the bytes that it may keep, None for no limit, or from a
    desk that does not say.
    """

    team: str
    balance: int
    storage_bytes: int = 0
    storage_quota: int | None = None


@dataclass(frozen=True)
class ChannelCheck:
    """A file judged by a shop's rules. ``failures``: what is wrong with it and what to do."""

    channel: str
    passed: bool
    advice: str
    failures: tuple[str, ...]
    raw: Json = field(repr=False)


def ordered(body: Json) -> Ordered:
    """From what an order answers."""
    return Ordered(int(body["generation_id"]), _moment(body, "created_at"), body)


def generation(body: Json) -> Generation:
    """From what `generation` answers and a webhook tells."""
    found = body.get("generation_results") or body.get("results") or []
    return Generation(
        generation_id=int(body["generation_id"]),
        status=_text(body, "status"),
        progress=float(body.get("progress") or 0),
        error=_text(body, "error"),
        credits=int(body.get("credits") or 0),
        review=_text(body, "review") or "none",
        fidelity=_fidelity(body),
        name=_text(body, "name"),
        sku=_text(body, "sku"),
        reference=_text(body, "reference"),
        batch_id=body.get("batch_id"),
        created_at=_moment(body, "created_at"),
        updated_at=_moment(body, "updated_at"),
        results=tuple(result(one) for one in found),
        raw=body,
    )


def result(body: Json) -> Result:
    """From one result."""
    return Result(
        generation_result_id=int(body["generation_result_id"]),
        generation_id=int(body.get("generation_id") or 0),
        # The vendor's newer interface calls it so.
        image_url=_text(body, "image_url") or _text(body, "url"),
        available=bool(body.get("available", True)),
        review=_text(body, "review") or "none",
        fidelity=_fidelity(body),
        expires_at=_moment(body, "expires_at"),
        width=body.get("width"),
        height=body.get("height"),
        name=_text(body, "name"),
        sku=_text(body, "sku"),
        reference=_text(body, "reference"),
        batch_id=body.get("batch_id"),
        raw=body,
    )


def quote(body: Json) -> Quote:
    """From what `quotes` answers."""
    return Quote(
        total=int(body["total"]),
        credits=int(body["credits"]),
        balance_after=int(body["balance_after"]),
        seconds=body.get("seconds"),
        already_made=int(body.get("already_made") or 0),
        already_large_enough=int(body.get("already_large_enough") or 0),
        raw=body,
    )


def ordered_batch(body: Json) -> OrderedBatch:
    """From what ordering a batch answers."""
    return OrderedBatch(
        int(body["batch_id"]), int(body["total"]), int(body["credits"]), tuple(body["generation_ids"]), body
    )


def batch(body: Json) -> Batch:
    """From what `batches` answers and a webhook tells."""
    counts = body.get("counts") or {}
    return Batch(
        batch_id=int(body["batch_id"]),
        name=_text(body, "name"),
        reference=_text(body, "reference"),
        status=_text(body, "status"),
        total=int(body.get("total") or 0),
        done=int(counts.get("Done") or 0),
        failed=int(counts.get("Error") or 0),
        credits_charged=int(body.get("credits_charged") or 0),
        credits_refunded=int(body.get("credits_refunded") or 0),
        raw=body,
    )


def credits(body: Json) -> Credits:
    """From what `credits` answers."""
    storage = body.get("storage") or {}
    quota = storage.get("quota_bytes")
    return Credits(
        _text(body, "team"),
        int(body["balance"]),
        int(storage.get("used_bytes") or 0),
        int(quota) if quota is not None else None,
    )


def channel_check(body: Json) -> ChannelCheck:
    """From what `channel-checks` answers."""
    failures = tuple(_text(rule, "message") for rule in body.get("rules", ()) if not rule.get("passed"))
    return ChannelCheck(_text(body, "channel"), bool(body["passed"]), _text(body, "advice"), failures, body)


def _fidelity(body: Json) -> Fidelity | None:
    said = body.get("fidelity")
    if not isinstance(said, Mapping):
        return None
    return Fidelity(_text(said, "verdict"), tuple(said.get("reasons") or ()), _moment(said, "checked_at"))


def _text(body: Json, key: str) -> str:
    return str(body.get(key) or "")


def _moment(body: Json, key: str) -> datetime | None:
    try:
        return datetime.fromisoformat(_text(body, key))
    except ValueError:
        return None
