"""What the machine can do at most, and what a network asks of it."""

from __future__ import annotations

import time

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from bench import machine

SIZES = (1024, 2048, 4096)
CHAIN = 3
"""Products in a row, so that what surrounds them weighs little."""
RUNS = 5


def matmul(precision: str) -> tuple[float, int]:
    """The most GFLOP/s that square matrix products reach through OpenVINO, and the size at which they do."""
    return max((_rate(size, precision), size) for size in SIZES)


def _rate(size: int, precision: str) -> float:
    rng = np.random.default_rng(1)
    given = ops.parameter([size, size], ov.Type.f32)
    value: ov.Node = given
    for _ in range(CHAIN):
        value = ops.matmul(value, rng.normal(0, size**-0.5, (size, size)).astype(np.float32), False, False)
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": machine.cores(),
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = ov.Core().compile_model(ov.Model([value.output(0)], [given], "peak"), "CPU", options)
    request = request.create_infer_request()
    matrix = rng.normal(0, 1, (size, size)).astype(np.float32)
    request.infer([matrix])
    best = np.inf
    for _ in range(RUNS):
        began = time.perf_counter()
        request.infer([matrix], share_inputs=True, share_outputs=True)
        best = min(best, time.perf_counter() - began)
    return 2 * CHAIN * size**3 / best / 1e9


def multiply_adds(model: ov.Model) -> int:
    """How many a network needs for its one input, all of them in convolutions.

    Weights of exactly zero are not counted: the reader writes a deconvolution as a convolution with zeros in it, and
    nothing is gained by multiplying with those.
    """
    total = 0
    for node in model.get_ops():
        if node.get_type_name() in ("Convolution", "ConvolutionBackpropData"):
            weights = node.input_value(1).get_node().get_data()
            # every weight meets each place once: of the result, or for a deconvolution of the input
            shape = node.get_output_shape(0) if node.get_type_name() == "Convolution" else node.get_input_shape(0)
            total += int(np.count_nonzero(weights)) * shape[2] * shape[3]
    return total
