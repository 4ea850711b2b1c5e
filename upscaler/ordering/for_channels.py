"""An order that goes to channels: enlarged as much as these need and no more, or only fitted to them, for nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from upscaler import upscaling_models
from upscaler.channels.reach import Plan
from upscaler.channels.table import Channel
from upscaler.ordering.submission import NewUpscale
from upscaler.processing import factor_choice


@dataclass(frozen=True)
class Planned:
    """An order as its channels want it."""

    order: NewUpscale
    plan: Plan | None
    """None without channels, or where it takes the picture itself to tell."""


def planned(order: NewUpscale, channels: Sequence[Channel], *, is_factor_given: bool) -> Planned:
    """The order for the channels. ``is_factor_given``: somebody chose the factor, so it stays.

    Of a picture that a worker fetches, or whose margin nobody has measured where that counts, the worker tells.
    """
    if not channels:
        return Planned(order, None)
    order = replace(order, channels=tuple(channel.id for channel in channels))
    size, share = order.source_size, order.product_share
    if size is None or (share is None and factor_choice.needs_margin(channels)):
        return Planned(replace(order, is_factor_open=not is_factor_given), None)
    plan = plan_of(order, size, channels, is_factor_given=is_factor_given)
    if plan.factor == 1:
        return Planned(replace(order, is_only_fitted=True), plan)
    return Planned(
        replace(order, settings=upscaling_models.with_factor(order.model_name, order.settings, plan.factor)), plan
    )


def plan_of(order: NewUpscale, size: tuple[int, int], channels: Sequence[Channel], *, is_factor_given: bool) -> Plan:
    """What the channels can have of the order if its picture has that size in pixels."""
    return factor_choice.plan(
        size,
        channels,
        model_name=order.model_name,
        settings=order.settings,
        is_factor_given=is_factor_given,
        product_share=order.product_share or 1.0,
    )


def common_settings(
    settings: Mapping[str, Any], channels: Collection[object], *, is_factor_given: bool
) -> dict[str, Any]:
    """The settings that all orders of a batch share: without the factor, where it is told for each picture."""
    if not channels or is_factor_given:
        return dict(settings)
    return {key: value for key, value in settings.items() if key != upscaling_models.FACTOR_KEY}
