"""An ``openvino.Model`` as an ONNX file's bytes, so that ONNX Runtime runs exactly the same network.

Only the operations that the engine's reader of ncnn files makes. Both sides are described in public: OpenVINO's
operation sets and ONNX's operators.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import openvino as ov
from onnx import TensorProto, helper, numpy_helper

OPSET = 20


def translated(model: ov.Model) -> bytes:
    """``model`` in ONNX. Raises ValueError for an operation that is not known here."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    values: dict[str, np.ndarray] = {}
    graph_in: list[onnx.ValueInfoProto] = []
    graph_out: list[onnx.ValueInfoProto] = []
    for node in model.get_ordered_ops():
        name, kind = node.get_friendly_name(), node.get_type_name()
        inputs = [value.get_source_output().get_node().get_friendly_name() for value in node.inputs()]
        if kind == "Parameter":
            graph_in.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(node.get_output_shape(0))))
        elif kind == "Constant":
            values[name] = np.array(node.get_data())
            constants.append(numpy_helper.from_array(values[name], name))
        elif kind == "Result":
            graph_out.append(helper.make_tensor_value_info(inputs[0], TensorProto.FLOAT, list(node.get_input_shape(0))))
        else:
            operator, takes, attributes = _operator(node, kind, inputs, values)
            for extra in takes:
                if isinstance(extra, onnx.TensorProto):
                    constants.append(extra)
            names = [value.name if isinstance(value, onnx.TensorProto) else value for value in takes]
            nodes.append(helper.make_node(operator, names, [name], **attributes))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes, "network", graph_in, graph_out, [constant for constant in constants if constant.name in used]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    # ONNX Runtime refuses files that are newer than itself.
    made.ir_version = 10
    onnx.checker.check_model(made)
    return made.SerializeToString()


def _operator(
    node: ov.Node, kind: str, inputs: list[str], values: dict[str, np.ndarray]
) -> tuple[str, list[Any], dict[str, Any]]:
    """ONNX's operator, its inputs (names, or constants that are to be added) and its attributes."""
    name, given = node.get_friendly_name(), node.get_attributes()
    match kind:
        case "Transpose":
            return "Transpose", inputs[:1], {"perm": values[inputs[1]].tolist()}
        case "Multiply":
            return "Mul", inputs, {}
        case "Add" | "Relu" | "Sigmoid":
            return kind, inputs, {}
        case "Slice":
            return "Slice", [*inputs[:3], inputs[4], inputs[3]], {}
        case "Convolution" | "ConvolutionBackpropData":
            attributes = {
                "strides": list(given["strides"]),
                "pads": [*given["pads_begin"], *given["pads_end"]],
                "dilations": list(given["dilations"]),
            }
            return "Conv" if kind == "Convolution" else "ConvTranspose", inputs, attributes
        case "PRelu":
            slope = numpy_helper.from_array(values[inputs[1]].reshape(-1, 1, 1), f"{name}.slope")
            return "PRelu", [inputs[0], slope], {}
        case "Concat":
            return "Concat", inputs, {"axis": given["axis"]}
        case "DepthToSpace":
            mode = {"depth_first": "CRD", "blocks_first": "DCR"}[given["mode"]]
            return "DepthToSpace", inputs, {"blocksize": given["block_size"], "mode": mode}
        case "ReduceMean":
            return "ReduceMean", inputs, {"keepdims": int(given["keep_dims"])}
        case "Interpolate" if given["mode"] == "nearest":
            sizes = np.array(list(node.get_output_shape(0)), np.int64)
            attributes = {
                "mode": "nearest",
                "coordinate_transformation_mode": given["coordinate_transformation_mode"],
                "nearest_mode": given["nearest_mode"],
            }
            return "Resize", [inputs[0], "", "", numpy_helper.from_array(sizes, f"{name}.sizes")], attributes
    raise ValueError(f"an operation that is not known here: {kind}")
