"""Orders that the team has had done already, or that are under way: nobody should pay for them twice unasked.

Two orders are the same when the bytes of the picture, the model, the settings that matter, the result's format, the
engine and its version are. What an earlier version of an engine made is never offered in place of what this one would
make: the pictures differ, and whoever orders again after an upgrade wants the new one. Of a picture on the web the
bytes are known only once a worker has fetched it; until then its address stands for it, so an order of the same address
counts while the first one is open, and not later: the picture may have changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from django.conf import settings
from django.db.models import Exists, Max, OuterRef

from upscaler import upscaling_models
from upscaler.models import CreditEntry, Team, Upscale, media_storage


class Order(Protocol):
    """What an order and an upscale have in common."""

    @property
    def model_name(self) -> str: ...
    @property
    def settings(self) -> Any: ...
    @property
    def requested_format(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def source_url(self) -> str: ...
    @property
    def source_digest(self) -> str: ...
    @property
    def is_only_fitted(self) -> bool: ...
    @property
    def is_factor_open(self) -> bool: ...
    @property
    def open_for(self) -> Sequence[str]: ...


ADDRESS = "address:"
"""Begins the keys of orders whose picture is not fetched yet."""
AnyOrder = TypeVar("AnyOrder", bound=Order)


def key(order: Order) -> str:
    """What tells an order that comes in now from others; empty where nothing does.

    Empty too where nothing is paid, or where nobody knows yet how much it is enlarged.
    """
    if order.is_only_fitted or (order.source_digest and order.is_factor_open):
        return ""
    if order.source_digest:
        return _digest(order, order.source_digest)
    if order.source == Upscale.Source.URL:
        return _address_key(order)
    return ""


def split_duplicates(orders: Sequence[AnyOrder]) -> tuple[list[AnyOrder], list[AnyOrder]]:
    """The first of each kind, and the repeats among ``orders``."""
    first: dict[str, AnyOrder] = {}
    repeats = []
    for number, order in enumerate(orders):
        if first.setdefault(key(order) or str(number), order) is not order:
            repeats.append(order)
    return list(first.values()), repeats


def find_known(seen: Mapping[str, int], *, team: Team, without: frozenset[int] = frozenset()) -> dict[str, Upscale]:
    """For each key its newest upscale that is under way, or Done and good, and has a number above the one given.

    Not good: one that was refunded by hand, and those of the numbers ``without``.
    """
    refunds = CreditEntry.objects.filter(upscale=OuterRef("pk"), kind=CreditEntry.Kind.REFUND)
    good = (
        Upscale.objects.present()
        .filter(team=team, engine=settings.ENGINE)
        .exclude(status=Upscale.Status.ERROR)
        .exclude(review=Upscale.Review.REJECTED)
        .exclude(pk__in=without)
        .exclude(Exists(refunds))
        .order_by()
    )
    digests = [sought for sought in seen if not sought.startswith(ADDRESS)]
    # Never empty ones, and in no order: else SQLite reads the whole team instead of the index of digests.
    same = good.filter(order_digest__in=digests).exclude(order_digest="")
    newest = [pk for _, pk in same.values_list("order_digest").annotate(newest=Max("pk"))]
    found = {
        upscale.order_digest: upscale
        for upscale in Upscale.objects.filter(pk__in=newest).select_related("created_by")
        if upscale.pk > seen[upscale.order_digest]
    }
    if len(digests) < len(seen):
        under_way = good.open().filter(source=Upscale.Source.URL).select_related("created_by", "batch")
        for upscale in sorted(under_way, key=lambda upscale: upscale.pk):
            address = _address_key(upscale)
            if upscale.pk > seen.get(address, upscale.pk):
                found[address] = upscale
    return found


def find_known_stored(seen: Mapping[str, int], *, team: Team) -> tuple[dict[str, Upscale], frozenset[int]]:
    """What `find_known` gives, without those whose result is not in the picture storage any more, and their numbers."""
    gone: frozenset[int] = frozenset()
    while True:
        found = find_known(seen, team=team, without=gone)
        done = [upscale for upscale in found.values() if upscale.result_file]
        missing = {upscale.pk for upscale in done if not media_storage().exists(upscale.result_file.name or "")}
        if not missing:
            return found, gone
        gone |= missing


def _address_key(order: Order) -> str:
    # Where the factor is open the channels tell it, and not the settings: only one for the same ones is the same.
    return ADDRESS + _digest(order, " ".join([order.source_url, *sorted(order.open_for)]))


def _digest(order: Order, source: str) -> str:
    return upscaling_models.order_digest(
        source,
        model_name=order.model_name,
        settings=order.settings,
        requested_format=order.requested_format,
        engine=settings.ENGINE,
    )
