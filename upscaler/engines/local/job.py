"""One upscale from file to file: the passes of a recipe, tile by tile, with memory that stays bounded.

Of a whole picture only bytes are kept, and those of the enlarged ones in files that the system may page out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from upscaler import no_room
from upscaler.engines.base import EngineError, Report, Timings
from upscaler.engines.local import alpha, back_projection, tiles, timing
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.known import Known
from upscaler.engines.local.networks import Network
from upscaler.engines.local.preparing import Prepared, prepare, shares
from upscaler.engines.local.resample import BOX
from upscaler.engines.local.strength import Strength
from upscaler.engines.local.timing import Stopwatch
from upscaler.imaging import codec
from upscaler.imaging.samples import Floats, Samples, to_floats, to_samples
from upscaler.picture_formats import FORMATS
from upscaler.upscaling_models import versioned

FINISH_COST, SAVE_COST = 0.2, 0.15
"""Seconds for a megapixel of output, as the networks' costs are."""


@dataclass(frozen=True)
class Result:
    """A finished picture file."""

    path: str
    format: str
    """JPEG, PNG or WEBP."""
    width: int
    height: int
    provenance: dict[str, Any]
    timings: Timings
    source_facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a message."""
        return asdict(self)


def run(
    source: Path,
    output_dir: Path,
    model_name: str,
    settings: Mapping[str, Any],
    *,
    networks: Networks,
    report: Report,
    result_format: str | None = None,
    source_facts: Mapping[str, Any] | None = None,
) -> Result:
    """Enlarge the picture file ``source`` into a file in ``output_dir``.

    ``settings`` are complete. ``report`` is called after every tile with a fraction that rises to 1; what it raises
    ends the work. ``result_format`` is JPEG, PNG or WEBP; by default it follows the source. ``source_facts``: what an
    earlier look at it found, see ``known``; it decides the same, so what is known need not be found again.

    Raises PublicError, as an EngineError where it is the engine's own.
    """
    began = time.monotonic()
    watch = Stopwatch(networks)
    known = Known.read(source_facts)
    try:
        prepared = prepare(source, model_name, settings, known, networks=networks, report=report, watch=watch)
        loaded, plan, mapped = prepared.source, prepared.plan, prepared.mapped
        width, height = loaded.width * plan.factor, loaded.height * plan.factor
        asked = result_format or loaded.format
        written = codec.result_format(asked, width, height)
        path = output_dir / "result"
        output_dir.mkdir(parents=True, exist_ok=True)
        steps = _Steps(prepared, networks, output_dir, report, watch)
        enlarged = steps.enlarge()
        outline = steps.outline()
        with watch.step(timing.finishing(plan, width * height)):
            finished = steps.finish(enlarged, outline)
        with watch.step(timing.saving(width * height, written)):
            codec.save(finished, path, written, loaded, generative=plan.restoring is not None)
    except OSError as error:
        if (code := no_room.code_of(error)) is not None:
            raise EngineError(no_room.MESSAGES[code], code=code, permanent=False) from error
        raise EngineError(
            "The enlarged picture could not be stored. Please try again later.",
            code="storage",
            permanent=False,
        ) from error
    except MemoryError as error:
        raise EngineError(
            "This picture needs more memory than there is here. Please take a smaller factor or a smaller picture.",
            code="too_large",
            permanent=True,
        ) from error
    report(1.0, "Ready")
    seconds = round(time.monotonic() - began, 1)
    used = dict.fromkeys([*plan.networks, *(network.name for network in prepared.alpha_passes)])
    provenance = {
        "engine": versioned("local"),
        "networks": list(used),
        "source": prepared.judged,
        "precision": networks.precision,
        "seconds": seconds,
        **mapped.found,
    }
    format_asked = FORMATS.get(asked)
    notes = [*codec.notes(loaded, written), *mapped.found.get("notes", [])]
    if written != asked and format_asked is not None and format_asked.too_large:
        notes.append(format_asked.too_large)
    if notes:
        provenance["notes"] = notes
    timings = Timings(networks.precision, networks.threads, watch.timings, networks.worker)
    found = known.with_found(prepared.facts, networks.precision, {**shares(prepared), **watch.shares})
    return Result(str(path), written, width, height, provenance, timings, found.kept())


class _Steps:
    """The steps of one job, which share the source, the plan and the progress."""

    def __init__(
        self,
        prepared: Prepared,
        networks: Networks,
        folder: Path,
        report: Report,
        watch: Stopwatch,
    ) -> None:
        self._source = prepared.source
        self._shrink = prepared.facts.shrink or BOX
        self._plan = prepared.plan
        self._strength = prepared.mapped.strength
        self._changed = prepared.changed
        self._networks = networks
        self._folder = folder
        self._report = report
        self._watch = watch
        self._alpha_passes = prepared.alpha_passes
        self._done = 0.0
        self._total = self._cost()

    def enlarge(self) -> Samples:
        """The picture at the factor that the networks reach: RGB, (height, width, 3)."""
        source, plan = self._source.pixels, self._plan
        work = source
        for network in plan.passes:
            with self._watch.tiles(timing.enlarging(network, *work.shape[:2])):
                work = self._passed(work, network)
        if plan.deblurring:
            *earlier, last = plan.deblurring
            before = source
            for network in earlier:
                with self._watch.tiles(timing.enlarging(network, before.shape[0], before.shape[1], timing.DEBLUR)):
                    before = self._passed(before, network)
            with self._watch.tiles(timing.enlarging(last, before.shape[0], before.shape[1], timing.DEBLUR)):
                self._mix_in(work, before, last, self._changed, "Taking the blur away")
        if plan.restoring is not None:
            with self._watch.tiles(timing.rebuilding(plan, plan.restoring, *source.shape[:2])):
                self._mix_in(work, source, plan.restoring, self._strength, "Rebuilding detail")
        return work

    def _passed(self, before: Samples, network: Network) -> Samples:
        height, width = before.shape[:2]
        after = self._canvas(height * network.scale, width * network.scale, 3)
        for block in tiles.enlarge(before, network, self._networks):
            after[block.area] = to_samples(block.pixels, after.dtype)
            self._advance(block.pixels, network.cost, "Enlarging")
        self._networks.rest()
        return after

    def _mix_in(self, work: Samples, before: Samples, network: Network, strength: Strength, text: str) -> None:
        """Move ``work`` towards what the network makes of ``before``, which has the source's size, by the strength."""
        shrink = network.scale // self._plan.work_factor
        for block in tiles.enlarge(before, network, self._networks, strength.anywhere):
            made = _averaged(block.pixels, shrink)
            rows, columns = (_divided(part, shrink) for part in block.area)
            top, left = (_divided(part, network.scale) for part in block.area)
            share = strength.within(top, left, self._plan.work_factor)
            there = to_floats(work[rows, columns])
            work[rows, columns] = to_samples(there + share * (made - there), work.dtype)
            self._advance(block.pixels, network.cost, text)
        self._networks.rest()

    def finish(self, work: Samples, outline: Samples | None) -> Samples:
        """The picture at its exact size in the source's colours, laid out as `codec.save` takes it."""
        source, factor = self._source, self._plan.factor
        channels = (1 if source.grey else 3) + (source.alpha is not None)
        canvas = self._canvas(source.height * factor, source.width * factor, channels)
        projection = back_projection.BackProjection(source.pixels, work, factor, self._plan.keep, self._shrink)
        for area in back_projection.squares(source.height, source.width):
            pixels = projection.square(area, self._changed.within(*projection.reach(area), 1))
            rows, columns = (slice(part.start * factor, part.stop * factor) for part in area)
            if source.grey:
                canvas[rows, columns, 0] = to_samples(pixels.mean(axis=2), canvas.dtype)
            else:
                canvas[rows, columns, :3] = to_samples(pixels, canvas.dtype)
            if source.alpha is not None and outline is not None:
                canvas[rows, columns, -1] = to_samples(alpha.square(source.alpha, outline, area, factor), canvas.dtype)
            self._advance(pixels, FINISH_COST, "Matching colours")
        return canvas

    def outline(self) -> Samples | None:
        """The alpha channel at the factor that its networks reach; as it is where there is none for it."""
        outline = self._source.alpha
        if outline is None:
            return None
        for network in self._alpha_passes:
            with self._watch.tiles(timing.enlarging(network, outline.shape[0], outline.shape[1], timing.OUTLINE)):
                outline = alpha.passed(
                    outline,
                    network,
                    self._networks,
                    self._canvas,
                    lambda pixels, cost: self._advance(pixels, cost, "Drawing the outline"),
                )
        return outline

    def _canvas(self, height: int, width: int, channels: int) -> Samples:
        """An array for a whole picture, in a file without a name: it goes with the array, or with the process."""
        with TemporaryFile(dir=self._folder) as file:
            # Without its room reserved, a full disk would end the process at some later write.
            kind = self._source.pixels.dtype
            os.posix_fallocate(file.fileno(), 0, height * width * channels * kind.itemsize)
            return np.memmap(file, kind, "r+", shape=(height, width, channels))

    def _advance(self, pixels: Floats, cost: float, text: str) -> None:
        self._done += cost * pixels.shape[0] * pixels.shape[1]
        self._report(min(1.0, self._done / self._total), text)

    def _cost(self) -> float:
        """What ``_advance`` will add up to, and a share for saving, which reports nothing on its way."""
        plan, pixels = self._plan, self._source.width * self._source.height
        total = 0.0
        for passes in (plan.passes, self._alpha_passes):
            factor = 1
            for network in passes:
                factor *= network.scale
                total += network.cost * factor**2
        for network in (*plan.deblurring, *filter(None, [plan.restoring])):
            total += network.cost * network.scale**2
        return pixels * (total + (FINISH_COST + SAVE_COST) * plan.factor**2)


def _divided(part: slice, times: int) -> slice:
    return slice(part.start // times, part.stop // times)


def _averaged(pixels: Floats, times: int) -> Floats:
    """``pixels`` shrunk by a whole number, each square of them becoming one."""
    if times == 1:
        return pixels
    height, width = pixels.shape[0] // times, pixels.shape[1] // times
    averaged: Floats = pixels.reshape(height, times, width, times, 3).mean(axis=(1, 3))
    return averaged
