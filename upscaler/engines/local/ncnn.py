"""Reads a network in ncnn's format, a ``.param`` and a ``.bin`` file, into an ``openvino.Model``.

Only the layers that the networks of this product use. The format is described in ncnn's own documents
"param and model file structure" and "operators". In short: a ``.param`` line is type, name, number of inputs, number
of outputs, their names, then ``key=value`` pairs; a key of -23300 minus k is the array k, with its length in front.
The ``.bin`` holds the layers' numbers in the order of the lines: weights start with a flag of four bytes (0 for f32,
0x01306B47 for f16, padded to four bytes), biases are plain f32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

Floats = npt.NDArray[np.float32]
Parameters = dict[int, list[float]]

MAGIC = "7767517"
F32_FLAG, F16_FLAG = 0, 0x01306B47
FEW_CHANNELS = 4
"""Up to so many, a layer's numbers are made four neighbours at a time, see ``_as_squares``."""


Pooling = Literal["inside", "asked", "given"]
"""What becomes of layers that take a mean over the whole picture, see ``read``."""


def read(
    param: Path,
    weights: Path,
    height: int,
    width: int,
    *,
    pooling: Pooling = "inside",
    batch: int = 1,
    planes: tuple[float, ...] = (),
) -> ov.Model:
    """A network for pictures of one fixed size.

    The model takes float32 RGB values from 0 to 255, (``batch``, ``height``, ``width``, 3), and gives the like, some
    beyond that range since the networks overshoot, (``batch``, height', width', 3). Height' and width' follow from the
    network: one without padding loses a border.

    A layer that takes the mean over the whole picture sees a tile only. With ``pooling="asked"`` the model gives these
    means instead of a picture, each taken over all pictures of the batch, as arrays of (1, channels, 1, 1); with
    ``pooling="given"`` it takes them as further inputs in the same order, so that all tiles can be treated alike.

    ``planes``: the values of constant planes that the network takes behind the three colours. Its convolutions then
    don't pad: the network would pad the planes with zeros like the picture, so that what padding reaches is of no use.

    Raises OSError for a missing file and ValueError for a damaged one, or a layer or a format that is not known here.
    """
    pixels = ops.parameter([batch, height, width, 3], ov.Type.f32, name="pixels")
    colours = ops.transpose(pixels, [0, 3, 1, 2])
    values = {"": ops.multiply(colours, np.float32(1 / 255)).output(0)}
    blob = _Blob(weights.read_bytes())
    means: list[ov.Output] = []
    inputs_given = [pixels]
    last = ""
    try:
        for kind, inputs, outputs, parameters in _lines(param):
            if kind == "Input":
                values[outputs[0]] = values[""]
                continue
            if _is_global_mean(kind, parameters):
                value = ops.reduce_mean(values[inputs[0]], [0, 2, 3], keep_dims=True).output(0)
                means.append(value)
                if pooling == "given":
                    inputs_given.append(ops.parameter(list(value.get_shape()), ov.Type.f32))
                    value = inputs_given[-1].output(0)
            else:
                value = _layer(kind, [values[name] for name in inputs], parameters, blob, planes)
            values.update(dict.fromkeys(outputs, value))
            last = outputs[0]
    except (LookupError, RuntimeError) as error:
        raise ValueError(f"{param.name} is damaged: {error}") from error
    if not last or not blob.exhausted:
        raise ValueError(f"{weights.name}: weights are left over; the file does not belong to {param.name}")
    if pooling == "asked":
        return ov.Model(means, [pixels], param.stem)
    result = ops.transpose(ops.multiply(values[last], np.float32(255)), [0, 2, 3, 1])
    return ov.Model([result.output(0)], inputs_given, param.stem)


def _is_global_mean(kind: str, parameters: Parameters) -> bool:
    return kind == "Pooling" and parameters.get(0) == [1] and parameters.get(4) == [1]


def _lines(param: Path) -> Iterator[tuple[str, list[str], list[str], Parameters]]:
    lines = param.read_text("ascii").splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise ValueError(f"{param.name} is not an ncnn text file")
    for line in lines[2:]:
        words = line.split()
        ins, outs = int(words[2]), int(words[3])
        parameters: Parameters = {}
        for pair in words[4 + ins + outs :]:
            key, _, value = pair.partition("=")
            numbers = [float(number) for number in value.split(",")]
            if int(key) <= -23300:
                parameters[-23300 - int(key)] = numbers[1:]
            else:
                parameters[int(key)] = numbers
        yield words[0], words[4 : 4 + ins], words[4 + ins : 4 + ins + outs], parameters


class _Blob:
    """The ``.bin`` file, read front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def exhausted(self) -> bool:
        return self._at == len(self._data)

    def plain(self, count: int) -> Floats:
        """``count`` f32 numbers without a flag."""
        numbers = np.frombuffer(self._data, "<f4", count, self._at)
        self._at += 4 * count
        return numbers

    def flagged(self, count: int) -> Floats:
        """``count`` numbers behind a flag that says how they are stored."""
        flag = int(np.frombuffer(self._data, "<u4", 1, self._at)[0])
        self._at += 4
        if flag == F32_FLAG:
            return self.plain(count)
        if flag != F16_FLAG:
            raise ValueError(f"weights stored in an unknown way: flag {flag:#x}")
        numbers = np.frombuffer(self._data, "<f2", count, self._at)
        self._at += (2 * count + 3) // 4 * 4
        return numbers.astype(np.float32)


def _layer(
    kind: str, inputs: list[ov.Output], parameters: Parameters, blob: _Blob, planes: tuple[float, ...]
) -> ov.Output:
    def integer(key: int, default: int = 0) -> int:
        return int(parameters.get(key, [default])[0])

    match kind:
        case "Split":
            return inputs[0]
        case "Convolution" | "Deconvolution":
            if kind == "Convolution":
                value, is_shuffled = _convolution(inputs[0], integer, blob, planes)
            else:
                value, is_shuffled = _deconvolution(inputs[0], integer, blob)
            # First what belongs to each number, so that it is done as the convolution writes; then each to its place.
            value = _activated(value, integer(9), parameters.get(10, []))
            return ops.depth_to_space(value, "depth_first", 2).output(0) if is_shuffled else value
        case "InnerProduct":
            return _activated(_inner_product(inputs[0], integer, blob), integer(9), parameters.get(10, []))
        case "Concat":
            return ops.concat(inputs, axis=1).output(0)
        case "BinaryOp" if integer(0) == 0 and len(inputs) == 2:
            return ops.add(inputs[0], inputs[1]).output(0)
        case "Eltwise" if integer(0) == 1 and len(inputs) == 2:
            terms = zip(inputs, parameters.get(1, [1.0, 1.0]), strict=True)
            first, second = [value if scale == 1 else ops.multiply(value, np.float32(scale)) for value, scale in terms]
            return ops.add(first, second).output(0)
        case "Scale" if integer(0) == -233:
            return ops.multiply(inputs[0], inputs[1]).output(0)
        case "Crop":
            height, width = list(inputs[1].get_shape())[2:]
            left, top = integer(0), integer(1)
            return ops.slice(inputs[0], [top, left], [top + height, left + width], [1, 1], [2, 3]).output(0)
        case "PixelShuffle" if integer(1) == 0:
            return ops.depth_to_space(inputs[0], "depth_first", integer(0)).output(0)
        case "Interp" if integer(0) == 1:
            return _nearest(inputs[0], parameters[1][0], parameters[2][0])
    raise ValueError(f"a layer that is not known here: {kind} {parameters}")


def _convolution(
    value: ov.Output, integer: Callable[..., int], blob: _Blob, planes: tuple[float, ...] = ()
) -> tuple[ov.Output, bool]:
    """The layer without its activation, and whether four neighbours in a square stand in four channels yet."""
    outs, kernel, stride, padding = integer(0), integer(1), integer(3, 1), 0 if planes else integer(4)
    weights = blob.flagged(integer(6)).reshape(outs, -1, kernel, kernel)
    bias = blob.plain(outs) if integer(5) else None
    channels = value.get_shape()[1]
    if planes and weights.shape[1] == channels + len(planes):
        # Without padding, a constant plane adds the same everywhere: exact, and no plane has to be made.
        added = weights[:, channels:].sum(axis=(2, 3)) @ np.array(planes, np.float32)
        weights, bias = np.ascontiguousarray(weights[:, :channels]), added if bias is None else bias + added
    height, width = (length + 2 * padding - 2 for length in list(value.get_shape())[2:])
    is_shuffled = (kernel, stride) == (3, 1) and outs <= FEW_CHANNELS and height % 2 == width % 2 == 0
    if is_shuffled:
        weights, bias, stride = _as_squares(weights), _four_times(bias), 2
    node = ops.convolution(value, weights, [stride] * 2, [padding] * 2, [padding] * 2, [1, 1])
    return _biased(node, bias), is_shuffled


def _as_squares(weights: Floats) -> Floats:
    """The 4x4 convolution with stride 2 that gives what a 3x3 one does, for four neighbours in a square at a time.

    Exact. Processors work on 8 or 16 channels at a time, so a last layer of three wastes most of its work; of twelve it
    takes less than half of it.
    """
    outs, ins = weights.shape[:2]
    squares = np.zeros((outs, 2, 2, ins, 4, 4), np.float32)
    for row, column in np.ndindex(2, 2):
        squares[:, row, column, :, row : row + 3, column : column + 3] = weights
    return squares.reshape(outs * 4, ins, 4, 4)


def _deconvolution(value: ov.Output, integer: Callable[..., int], blob: _Blob) -> tuple[ov.Output, bool]:
    """As `_convolution`."""
    outs, kernel, stride, padding = integer(0), integer(1), integer(3, 1), integer(4)
    weights = blob.flagged(integer(6)).reshape(outs, -1, kernel, kernel)
    bias = blob.plain(outs) if integer(5) else None
    if (kernel, stride, padding) == (4, 2, 3):
        phases = ops.convolution(value, _as_phases(weights), [1, 1], [0, 0], [0, 0], [1, 1])
        return _biased(phases, _four_times(bias)), True
    spread = ops.convolution_backprop_data(
        value, np.ascontiguousarray(weights.transpose(1, 0, 2, 3)), [stride] * 2, None, [padding] * 2, [padding] * 2
    )
    return _biased(spread, bias), False


def _four_times(bias: Floats | None) -> Floats | None:
    return None if bias is None else bias.repeat(4)


def _as_phases(weights: Floats) -> Floats:
    """The 3x3 convolution that gives the four output phases of a 4x4 deconvolution with stride 2 and padding 3.

    Exact, not an approximation: output row 2i takes kernel row 3 from input row i and kernel row 1 from i + 1; output
    row 2i + 1 takes kernel row 2 from i + 1 and kernel row 0 from i + 2; columns likewise. With bf16 instructions it
    makes the photo network nearly twice as fast, in f32 it costs nothing.
    """
    outs, ins = weights.shape[:2]
    taps = (((0, 3), (1, 1)), ((1, 2), (2, 0)))
    phases = np.zeros((outs, 2, 2, ins, 3, 3), np.float32)
    for row, column in np.ndindex(2, 2):
        for to_y, from_y in taps[row]:
            for to_x, from_x in taps[column]:
                phases[:, row, column, :, to_y, to_x] = weights[:, :, from_y, from_x]
    return phases.reshape(outs * 4, ins, 3, 3)


def _inner_product(value: ov.Output, integer: Callable[..., int], blob: _Blob) -> ov.Output:
    """A fully connected layer; behind a global pooling, so a 1x1 convolution says the same and keeps four axes."""
    outs = integer(0)
    weights = blob.flagged(integer(2)).reshape(outs, -1, 1, 1)
    bias = blob.plain(outs) if integer(1) else None
    return _biased(ops.convolution(value, weights, [1, 1], [0, 0], [0, 0], [1, 1]), bias)


def _biased(node: ov.Node, bias: Floats | None) -> ov.Output:
    return (node if bias is None else ops.add(node, bias.reshape(1, -1, 1, 1))).output(0)


def _activated(value: ov.Output, activation: int, slope: list[float]) -> ov.Output:
    match activation:
        case 0:
            return value
        case 1:
            return ops.relu(value).output(0)
        case 2:
            # One slope for all channels: it holds for neighbours that stand in channels too.
            return ops.prelu(value, np.array(slope, np.float32)).output(0)
        case 4:
            return ops.sigmoid(value).output(0)
    raise ValueError(f"an activation that is not known here: {activation}")


def _nearest(value: ov.Output, down: float, across: float) -> ov.Output:
    height, width = list(value.get_shape())[2:]
    size = np.array([int(height * down), int(width * across)], np.int64)
    return ops.interpolate(
        value,
        size,
        "nearest",
        "sizes",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=np.array([2, 3], np.int64),
    ).output(0)
