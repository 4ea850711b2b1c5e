"""How much a picture is enlarged that goes to channels: as much as these need, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings as desk

from upscaler import upscaling_models
from upscaler.channels import reach, teams
from upscaler.channels.reach import Plan
from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.models import Upscale
from upscaler.processing import lifecycle


def plan(
    size: tuple[int, int],
    channels: Sequence[Channel],
    *,
    model_name: str,
    settings: Mapping[str, Any],
    is_factor_given: bool,
    product_share: float = 1.0,
) -> Plan:
    """As `reach.plan`, of the factors by which the model may enlarge a picture of ``size`` on this desk.

    ``is_factor_given``: somebody chose the factor of the ``settings``, so it stays.
    """
    offered = upscaling_models.MODELS[model_name].factors
    pixels = size[0] * size[1]
    # Of a picture that none of them suits it is the limit's refusal that says so.
    possible = [one for one in offered if pixels * one * one <= desk.MAX_RESULT_PIXELS] or [min(offered)]
    wanted = upscaling_models.factor(model_name, settings) if is_factor_given else None
    return reach.plan(size, channels, possible, wanted=wanted, product_share=product_share)


def needs_margin(channels: Sequence[Channel]) -> bool:
    """Whether one of them judges a picture's size without its margin."""
    return any(channel.size_without_margin for channel in channels)


def settle(upscale: Upscale, source: Path) -> None:
    """Say how much a claimed upscale is enlarged whose factor was left open until its picture was at hand.

    Raises lifecycle.ClaimLost.
    """
    batch = upscale.batch
    known = teams.channels(upscale.team)
    channels = [known[id_] for id_ in batch.channels if id_ in known] if batch is not None else []
    values: dict[str, Any] = {"is_factor_open": False}
    if channels and upscale.source_size is not None:
        share = _product_share(source) if needs_margin(channels) else 1.0
        told = plan(
            upscale.source_size,
            channels,
            model_name=upscale.model_name,
            settings=upscale.settings,
            is_factor_given=False,
            product_share=share,
        )
        if told.factor == 1:
            values |= {"engine": Upscale.Engine.FIT, "order_digest": ""}
        else:
            values["settings"] = upscaling_models.with_factor(upscale.model_name, upscale.settings, told.factor)
    lifecycle.record(upscale, **values)
    if not upscale.is_only_fitted:
        lifecycle.record(upscale, order_digest=upscale.order_digest_with(upscale.source_digest))


def _product_share(source: Path) -> float:
    with source.open("rb") as file:
        try:
            measured = intake.measure(file, name="")
        except PublicError:
            # Whatever is wrong with it is said where it is enlarged.
            return 1.0
    return max(measured.size_without_margin) / max(measured.width, measured.height)
