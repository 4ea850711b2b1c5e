"""Looks into sources before they are ordered: what an engine finds there decides how long it will take."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from upscaler.engines import get_engine
from upscaler.engines.base import PlannedEngine
from upscaler.models import media_storage
from upscaler.ordering.submission import NewUpscale
from upscaler.storage.cleanup import WORK_PREFIX

LOOKED_AT = "engine"
"""The key of a source's facts that says that an engine has looked at it."""
MOST = 3
"""Sources of one request that are looked at; the others count as these and as the desk's last ones do."""


def looked_at(orders: Sequence[NewUpscale]) -> list[NewUpscale]:
    """The orders, the first `MOST` of them whose sources are at hand with what a look at these finds.

    It takes ``LOOK_SECONDS`` at most, for all of them together.
    """
    deadline, looks, found = time.monotonic() + settings.LOOK_SECONDS, 0, []
    for order in orders:
        is_at_hand = order.stored is not None or order.upload is not None
        is_new = is_at_hand and LOOKED_AT not in order.source_facts
        if is_new and not order.is_only_fitted and looks < MOST:
            looks += 1
            order = _looked_at(order, deadline - time.monotonic())
        found.append(order)
    return found


def facts_of(
    file: IO[bytes], model_name: str, chosen: Mapping[str, Any], known: Mapping[str, Any], *, seconds: float
) -> Mapping[str, Any]:
    """``known`` and what a look at the file adds that such an order needs, in ``seconds``. It is left at its start."""
    engine = get_engine(settings.ENGINE)
    if seconds <= 0 or not isinstance(engine, PlannedEngine):
        return known
    with tempfile.TemporaryDirectory(prefix=WORK_PREFIX) as folder:
        source = Path(folder) / "source"
        file.seek(0)
        with source.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        file.seek(0)
        return engine.look(source, model_name, chosen, known, seconds=seconds)


def _looked_at(order: NewUpscale, seconds: float) -> NewUpscale:
    known = order.source_facts
    if order.upload is not None:
        found = facts_of(order.upload.file, order.model_name, order.settings, known, seconds=seconds)
        return replace(order, found=found)
    if order.stored is None or seconds <= 0:
        return order
    try:
        with media_storage().open(order.stored.path, "rb") as file:
            found = facts_of(file, order.model_name, order.settings, known, seconds=seconds)
    except OSError:
        # Whatever is wrong with it is said where it is enlarged.
        return order
    return replace(order, found=found)
