"""DAT-light as a graph of OpenVINO's operations, with all that does not depend on the picture folded into constants.

The network is from "Dual Aggregation Transformer for Image Super-Resolution" (Chen and others, ICCV 2023); its weights
are those of the authors' DAT-light (Apache-2.0). Blocks take turns: every other one lets the pixels of a window of
8 x 32 and of one of 32 x 8 look at one another, the ones between weigh channels against channels.

What is told here in another way than in the paper, with the same result:

- The position bias of this small network is the same number for all positions (its LayerNorms have one channel each),
  and softmax does not see a number that is added to all: it is left out.
- Attention of channels needs the products of all pairs of channels over all pixels. Those follow from the products of
  the layer's inputs, so queries and keys are never made. The same goes for the means behind the channel gates.
- Batch normalisation, the scale and shift of most layer normalisations and the scale of attention are in the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from upscaler.engines.local.ncnn import Pooling
from upscaler.engines.local.torch_weights import TorchWeights

Floats = npt.NDArray[np.float32]

WIDTH, HEADS, BLOCKS = 60, 6, 18
HEAD = WIDTH // HEADS
HALF = WIDTH // 2
WINDOWS = ((8, 32), (32, 8))
"""Height and width of the windows of the two halves of the channels."""
STEP = 32
"""Sides of tiles are multiples of it."""
MEAN_COLOUR = np.array([0.4488, 0.4371, 0.4040], np.float32)
APART = np.float32(-100)
"""Added to the score of two pixels that only share a window because the picture was wrapped around."""
SMALL = 1e-5


def read(weights: Path, height: int, width: int, *, pooling: Pooling = "inside", batch: int = 1) -> ov.Model:
    """The network for pictures of one fixed size, as `ncnn.read` describes it: pixels and results, ``pooling``.

    ``height`` and ``width``: multiples of ``STEP``. What depends on the whole picture are, of the nine blocks that
    look at windows, a gate for each channel, (1, 1, 1, 60), and of the nine others a mixing of channels, (60, 60), and
    a gate, (1, 1, 1, 60), in the order of the blocks.

    Raises OSError for a missing file and ValueError for one that is not this network's.
    """
    try:
        return _Graph(TorchWeights(weights), batch, height, width, pooling).model(weights.stem)
    except KeyError as error:
        raise ValueError(f"{weights.name} is not DAT-light: it has no {error}") from error


_Partition = tuple[ov.Node, ov.Node, ov.Node | None]
"""Which pixel stands where once the picture is cut into windows, the way back, and who must not look at whom.

The last as numbers to be added to scores, (windows, 1, pixels, pixels); None where all in a window may.
"""


class _Graph:
    def __init__(self, weights: TorchWeights, batch: int, height: int, width: int, pooling: Pooling) -> None:
        self._weights = weights
        self._batch, self._height, self._width = batch, height, width
        self._pooling = pooling
        self._partitions: dict[tuple[int, bool], _Partition] = {}
        self._found: list[ov.Output] = []
        self._given: list[ov.Node] = []

    def model(self, name: str) -> ov.Model:
        pixels = ops.parameter([self._batch, self._height, self._width, 3], ov.Type.f32, name="pixels")
        colours = ops.subtract(ops.multiply(pixels, np.float32(1 / 255)), MEAN_COLOUR)
        shallow = self._convolution(_planes(colours), "conv_first")
        tokens = self._normalised(_tokens(shallow), "before_RG.1")
        deep = tokens
        for number in range(BLOCKS):
            block = f"layers.0.blocks.{number}"
            attended = self._windows(deep, block, number) if number % 2 == 0 else self._channels(deep, block)
            deep = ops.add(deep, attended)
            deep = ops.add(deep, self._feed_forward(deep, block))
        if self._pooling == "asked":
            return ov.Model(self._found, [pixels], name)
        deep = ops.add(tokens, _tokens(self._three_convolutions(_planes(deep), "layers.0.conv")))
        deep = self._three_convolutions(_planes(self._normalised(deep, "norm")), "conv_after_body")
        phases = self._convolution(ops.add(deep, shallow), "upsample.0")
        scale = round((self._weights["upsample.0.bias"].size / 3) ** 0.5)
        enlarged = _tokens(ops.depth_to_space(phases, "depth_first", scale))
        result = ops.multiply(ops.add(enlarged, MEAN_COLOUR), np.float32(255))
        return ov.Model([result.output(0)], [pixels, *self._given], name)

    def _windows(self, value: ov.Node, block: str, number: int) -> ov.Node:
        """Attention among the pixels of a window, and a convolution; each is weighed by what the other one saw."""
        normal = _standardised(value)
        weight, bias = self._linear_of_normalised(f"{block}.attn.qkv", f"{block}.norm1")
        weight[:WIDTH] *= HEAD**-0.5
        bias[:WIDTH] *= HEAD**-0.5
        shifted = number % 4 == 2
        halves = []
        for half, (rows, columns) in enumerate(WINDOWS):
            own = slice(half * HALF, (half + 1) * HALF)
            index, back, mask = self._partition(rows, columns, shifted=shifted)
            flat = ops.reshape(normal, np.array([-1, WIDTH]), False)
            inside = ops.reshape(ops.gather(flat, index, 0), np.array([-1, rows * columns, WIDTH]), False)
            parts = []
            for part in range(3):
                chosen = slice(part * WIDTH + own.start, part * WIDTH + own.stop)
                made = _linear(inside, weight[chosen], bias[chosen])
                heads = ops.reshape(made, np.array([0, 0, HEADS // 2, HEAD]), True)
                parts.append(ops.transpose(heads, [0, 2, 3, 1] if part == 1 else [0, 2, 1, 3]))
            queries, keys, values = parts
            scores = ops.matmul(queries, keys, False, False)
            if mask is not None:
                scores = ops.add(scores, mask)
            mixed = ops.transpose(ops.matmul(ops.softmax(scores, -1), values, False, False), [0, 2, 1, 3])
            halves.append(ops.gather(ops.reshape(mixed, np.array([-1, HALF]), False), back, 0))
        attended = ops.reshape(ops.concat(halves, 1), self._shape(WIDTH), False)
        values = _linear(normal, weight[2 * WIDTH :], bias[2 * WIDTH :])
        convolved = _tokens(self._depthwise(_planes(values), f"{block}.attn.dwconv"))
        gate = self._of_whole_picture(
            lambda: self._channel_gate(ops.reduce_mean(convolved, [0, 1, 2], keep_dims=True), block), [1, 1, 1, WIDTH]
        )
        spot = self._spatial_gate(attended, block)
        both = ops.add(ops.multiply(attended, gate), ops.multiply(convolved, spot))
        return self._plain_linear(both, f"{block}.attn.proj")

    def _channels(self, value: ov.Node, block: str) -> ov.Node:
        """Attention among channels, over all pixels, and a convolution; each is weighed by what the other one saw."""
        normal = _standardised(value)
        weight, bias = self._linear_of_normalised(f"{block}.attn.qkv", f"{block}.norm1")
        values = _linear(normal, weight[2 * WIDTH :], bias[2 * WIDTH :])

        def mixing() -> ov.Node:
            flat = ops.reshape(normal, np.array([-1, WIDTH]), False)
            small = self._small_enough_to_sum()
            queries = _linear(flat, weight[:WIDTH] * small, bias[:WIDTH] * small)
            keys = _linear(flat, weight[WIDTH : 2 * WIDTH] * small, bias[WIDTH : 2 * WIDTH] * small)
            length_q = ops.sqrt(ops.reduce_sum(ops.multiply(queries, queries), 0, keep_dims=True))
            length_k = ops.sqrt(ops.reduce_sum(ops.multiply(keys, keys), 0, keep_dims=True))
            products = ops.matmul(queries, keys, True, False)
            alike = ops.divide(products, ops.multiply(ops.transpose(length_q, [1, 0]), length_k))
            warmth = np.repeat(self._weights[f"{block}.attn.temperature"].reshape(HEADS), HEAD)[:, None]
            same_head = np.kron(np.eye(HEADS), np.ones((HEAD, HEAD)))
            apart = ((1 - same_head) * -1e4).astype(np.float32)
            return ops.softmax(ops.add(ops.multiply(alike, warmth), apart), -1)

        mixed = self._of_whole_picture(mixing, [WIDTH, WIDTH])
        attended = ops.matmul(values, mixed, False, True)
        gate = self._of_whole_picture(
            lambda: self._channel_gate(ops.reduce_mean(attended, [0, 1, 2], keep_dims=True), block), [1, 1, 1, WIDTH]
        )
        convolved = _tokens(self._depthwise(_planes(values), f"{block}.attn.dwconv"))
        spot = self._spatial_gate(convolved, block)
        both = ops.add(ops.multiply(attended, spot), ops.multiply(convolved, gate))
        return self._plain_linear(both, f"{block}.attn.proj")

    def _feed_forward(self, value: ov.Node, block: str) -> ov.Node:
        normal = _standardised(value)
        weight, bias = self._linear_of_normalised(f"{block}.ffn.fc1", f"{block}.norm2")
        kept = ops.gelu(_linear(normal, weight[:WIDTH], bias[:WIDTH]), "erf")
        looked_at = ops.gelu(_linear(normal, weight[WIDTH:], bias[WIDTH:]), "erf")
        looked_at = self._normalised(looked_at, f"{block}.ffn.sg.norm")
        name = f"{block}.ffn.sg.conv"
        around = self._grouped(_planes(looked_at), self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])
        return self._plain_linear(ops.multiply(kept, _tokens(around)), f"{block}.ffn.fc2")

    def _small_enough_to_sum(self) -> np.float32:
        """What to multiply queries and keys with, so that the sums of their products over all pixels fit into f16.

        They reach 330,000 on a tile of 288 x 288, and f16 ends at 65,504. The fourth root of the number of pixels keeps
        both the sums and the single products well inside its range; attention divides it out again. As a power of two
        it changes no digit in f32 or bf16.
        """
        pixels = self._batch * self._height * self._width
        return np.float32(2.0 ** -round(np.log2(pixels) / 4))

    def _of_whole_picture(self, made: Callable[[], ov.Node], shape: Sequence[int]) -> ov.Node:
        if self._pooling == "given":
            self._given.append(ops.parameter(list(shape), ov.Type.f32))
            return self._given[-1]
        value = made()
        self._found.append(value.output(0))
        return value

    def _channel_gate(self, means: ov.Node, block: str) -> ov.Node:
        name = f"{block}.attn.channel_interaction"
        weight, bias = self._with_batch_norm(f"{name}.1", f"{name}.2")
        hidden = ops.gelu(_linear(means, weight.reshape(-1, WIDTH), bias), "erf")
        return ops.sigmoid(
            _linear(hidden, self._weights[f"{name}.4.weight"].reshape(WIDTH, -1), self._weights[f"{name}.4.bias"])
        )

    def _spatial_gate(self, value: ov.Node, block: str) -> ov.Node:
        name = f"{block}.attn.spatial_interaction"
        weight, bias = self._with_batch_norm(f"{name}.0", f"{name}.1")
        hidden = ops.gelu(_linear(value, weight.reshape(-1, WIDTH), bias), "erf")
        return ops.sigmoid(
            _linear(hidden, self._weights[f"{name}.3.weight"].reshape(1, -1), self._weights[f"{name}.3.bias"])
        )

    def _depthwise(self, planes: ov.Node, name: str) -> ov.Node:
        return ops.gelu(self._grouped(planes, *self._with_batch_norm(f"{name}.0", f"{name}.1")), "erf")

    def _grouped(self, planes: ov.Node, weight: Floats, bias: Floats) -> ov.Node:
        filters = weight.reshape(WIDTH, 1, 1, 3, 3)
        convolved = ops.group_convolution(planes, filters, [1, 1], [1, 1], [1, 1], [1, 1])
        return ops.add(convolved, bias.reshape(1, -1, 1, 1))

    def _three_convolutions(self, planes: ov.Node, name: str) -> ov.Node:
        leak = np.array([0.2], np.float32)
        planes = ops.prelu(self._convolution(planes, f"{name}.0"), leak)
        planes = ops.prelu(self._convolution(planes, f"{name}.2"), leak)
        return self._convolution(planes, f"{name}.4")

    def _convolution(self, planes: ov.Node, name: str) -> ov.Node:
        weight = self._weights[f"{name}.weight"]
        border = [weight.shape[2] // 2] * 2
        convolved = ops.convolution(planes, weight, [1, 1], border, border, [1, 1])
        return ops.add(convolved, self._weights[f"{name}.bias"].reshape(1, -1, 1, 1))

    def _plain_linear(self, value: ov.Node, name: str) -> ov.Node:
        return _linear(value, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _normalised(self, value: ov.Node, name: str) -> ov.Node:
        scaled = ops.multiply(_standardised(value), self._weights[f"{name}.weight"])
        return ops.add(scaled, self._weights[f"{name}.bias"])

    def _linear_of_normalised(self, linear: str, norm: str) -> tuple[Floats, Floats]:
        """The weights and the bias of a linear layer that also do the scale and shift of the norm before it."""
        weight = self._weights[f"{linear}.weight"]
        bias = self._weights[f"{linear}.bias"] + weight @ self._weights[f"{norm}.bias"]
        return weight * self._weights[f"{norm}.weight"], bias

    def _with_batch_norm(self, convolution: str, norm: str) -> tuple[Floats, Floats]:
        spread = np.sqrt(self._weights[f"{norm}.running_var"] + np.float32(SMALL))
        scale = (self._weights[f"{norm}.weight"] / spread).astype(np.float32)
        weight: Floats = self._weights[f"{convolution}.weight"] * scale.reshape(-1, 1, 1, 1)
        bias = (self._weights[f"{convolution}.bias"] - self._weights[f"{norm}.running_mean"]) * scale
        return weight, bias + self._weights[f"{norm}.bias"]

    def _partition(self, rows: int, columns: int, *, shifted: bool) -> _Partition:
        """All blocks share them: one mask takes up to 40 MB."""
        if (rows, shifted) not in self._partitions:
            self._partitions[rows, shifted] = self._made_partition(rows, columns, shifted=shifted)
        return self._partitions[rows, shifted]

    def _made_partition(self, rows: int, columns: int, *, shifted: bool) -> _Partition:
        height, width = self._height, self._width
        numbers = np.arange(height * width, dtype=np.int32).reshape(height, width)
        parts = np.zeros((height, width), np.int32)
        if shifted:
            numbers = np.roll(numbers, (-rows // 2, -columns // 2), (0, 1))
            # What was wrapped around is foreign to the rest of its window.
            parts[-rows // 2 :] += 1
            parts[:, -columns // 2 :] += 2
        order, groups = (_cut(values, rows, columns) for values in (numbers, parts))
        mask = None
        if shifted:
            mask = np.where(groups[:, :, None] == groups[:, None, :], np.float32(0), APART)[:, None]
            mask = ops.constant(np.tile(mask, (self._batch, 1, 1, 1)))
        flat = order.ravel()
        all_pictures = (flat + (np.arange(self._batch, dtype=np.int32) * flat.size)[:, None]).ravel()
        back = np.argsort(all_pictures).astype(np.int32)
        return ops.constant(all_pictures), ops.constant(back), mask

    def _shape(self, channels: int) -> npt.NDArray[np.int64]:
        return np.array([self._batch, self._height, self._width, channels])


def _cut(values: npt.NDArray[np.int32], rows: int, columns: int) -> npt.NDArray[np.int32]:
    """(windows, pixels of each)."""
    height, width = values.shape
    cut = values.reshape(height // rows, rows, width // columns, columns).transpose(0, 2, 1, 3)
    return cut.reshape(-1, rows * columns)


def _planes(tokens: ov.Node) -> ov.Node:
    return ops.transpose(tokens, [0, 3, 1, 2])


def _tokens(planes: ov.Node) -> ov.Node:
    return ops.transpose(planes, [0, 2, 3, 1])


def _standardised(tokens: ov.Node) -> ov.Node:
    """Layer normalisation without its scale and shift."""
    return ops.mvn(tokens, [-1], True, SMALL, "inside_sqrt")


def _linear(value: ov.Node, weight: Floats, bias: Floats) -> ov.Node:
    """``weight``: (out, in)."""
    return ops.add(ops.matmul(value, weight, False, True), bias)
