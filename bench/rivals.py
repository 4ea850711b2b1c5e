"""The engine's networks, run by the engine itself and by others with the same weights.

Each runner takes RGB bytes, (height, width, 3), to what the network makes of them, (height', width', 3) from 0 to 255,
in two steps: ``run`` is what is timed, ``picture`` turns what it gave into that array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from bench import machine
from upscaler.engines.local import ncnn as ncnn_files
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import Network

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Runner:
    """One way to run one network."""

    name: str
    run: Callable[[Bytes], Any]
    picture: Callable[[Any], Floats]

    def __call__(self, pixels: Bytes) -> Floats:
        """What the network makes of the pixels."""
        return self.picture(self.run(pixels))


def model(network: Network, tile: int) -> ov.Model:
    """The network for square tiles of ``tile`` pixels."""
    stem = _weights(network)
    return ncnn_files.read(stem.with_suffix(".param"), stem.with_suffix(".bin"), tile, tile)


def inside(network: Network, picture: Floats) -> Floats:
    """A result without the border that a padding network makes up, which the engine throws away."""
    edge = network.crop * network.scale
    return picture[edge:-edge, edge:-edge] if network.pads else picture


def engine(network: Network, precision: str) -> Runner:
    """This engine."""
    networks = _networks(precision)
    return Runner(
        f"this engine, {networks.precision}",
        lambda pixels: networks.run(network, pixels.astype(np.float32)),
        lambda result: result.copy(),
    )


@cache
def _networks(precision: str) -> Networks:
    return Networks(precision=precision)


def ncnn(network: Network, **options: Any) -> Runner:
    """Tencent's ncnn on the CPU with all cores. Raises ImportError where it is not installed."""
    import ncnn as library

    net = library.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = machine.cores()
    for key, value in options.items():
        setattr(net.opt, key, value)
    stem = _weights(network)
    net.load_param(str(stem.with_suffix(".param")))
    net.load_model(str(stem.with_suffix(".bin")))
    first, last = net.input_names()[0], net.output_names()[0]

    def run(pixels: Bytes) -> Any:
        height, width = pixels.shape[:2]
        extractor = net.create_extractor()
        given = library.Mat.from_pixels(pixels, library.Mat.PixelType.PIXEL_RGB, width, height)
        given.substract_mean_normalize([0, 0, 0], [1 / 255] * 3)
        extractor.input(first, given)
        _, result = extractor.extract(last)
        return result

    def picture(result: Any) -> Floats:
        return inside(network, np.array(result).transpose(1, 2, 0) * np.float32(255))

    told = ", ".join(f"{key}={value}" for key, value in options.items())
    return Runner(f"ncnn, {told or 'defaults'}", run, picture)


def onnxruntime(network: Network, tile: int) -> Runner:
    """ONNX Runtime on the CPU with all cores. Raises ImportError where it is not installed."""
    import onnxruntime as library

    from bench.onnx_model import translated

    options = library.SessionOptions()
    options.intra_op_num_threads = machine.cores()
    options.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = library.InferenceSession(translated(model(network, tile)), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Runner(
        "ONNX Runtime, f32",
        lambda pixels: session.run(None, {name: pixels[None].astype(np.float32)}),
        lambda result: inside(network, result[0][0]),
    )


def _weights(network: Network) -> Path:
    return Path(str(resources.files(network.package) / "models" / network.stem))
