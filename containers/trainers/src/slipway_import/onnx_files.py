"""An ONNX model of somebody else, made to take in and give what the platform expects."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from slipway_exporters.graph import DOUBLE, FLOAT, STRING, Graph
from slipway_trainer.errors import TrainingInputError
from slipway_trainer.onnx_trees import INPUT
from slipway_trainer.specification import Specification

NUMBERS = {
    TensorProto.FLOAT: "float",
    TensorProto.DOUBLE: "double",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.BOOL: "bool",
}


def adapted(data: bytes, spec: Specification, task: str) -> bytes:
    """The same graph behind the platform's inputs and its output `prediction`. Raises TrainingInputError."""
    model = _parsed(data)
    _without_zipmap(model)
    graph = Graph(taken=frozenset(spec.names))
    inputs, fed = _inputs(graph, model, spec)
    output = _output(model, task)
    made = graph.inline(model, fed, output.name)
    width = _width(output)
    shaped = graph.cast(made, DOUBLE)
    if task == "regression" or width in (None, 0, 1):
        prediction = graph.add("Reshape", shaped, graph.constant([-1, 1], np.int64))
    else:
        prediction = graph.add("Gather", shaped, graph.constant([1], np.int64), axis=1)
    opsets = {
        each.domain.replace("ai.onnx", "")
        if each.domain == "ai.onnx"
        else each.domain: each.version
        for each in model.opset_import
    }
    return graph.build(inputs, prediction, opsets, model.ir_version)


def _parsed(data: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:
        raise TrainingInputError(
            f"the file is not a valid ONNX model: {' '.join(str(error).split())[:300]}."
        ) from error
    if any(each.external_data for each in model.graph.initializer) or model.functions:
        raise TrainingInputError(
            "the ONNX model keeps weights in other files or has local functions; save it as one file without."
        )
    return model


def _without_zipmap(model: onnx.ModelProto) -> None:
    """sklearn-onnx's default output is a list of dicts made of a tensor; the tensor is what is wanted."""
    for node in [n for n in model.graph.node if n.op_type == "ZipMap"]:
        position = next(i for i, o in enumerate(model.graph.output) if o.name == node.output[0])
        del model.graph.output[position]
        tensor = helper.make_tensor_value_info(node.input[0], FLOAT, [None, 2])
        model.graph.output.insert(position, tensor)
        model.graph.node.remove(node)


def _inputs(
    graph: Graph, model: onnx.ModelProto, spec: Specification
) -> tuple[list, dict[str, str]]:
    constants = {each.name for each in model.graph.initializer}
    theirs = [each for each in model.graph.input if each.name not in constants]
    if spec.columns is None:
        single = _single_matrix(theirs, len(spec.names))
        value = helper.make_tensor_value_info(INPUT, FLOAT, ["rows", len(spec.names)])
        return [value], {single.name: graph.cast(INPUT, _type(single))}
    ours = [
        helper.make_tensor_value_info(
            c["name"], STRING if c["type"] == "string" else DOUBLE, ["rows", 1]
        )
        for c in spec.columns
    ]
    if len(theirs) == 1 and len(spec.columns) > 1:
        text = [c["name"] for c in spec.columns if c["type"] == "string"]
        if text:
            raise TrainingInputError(
                f"the ONNX model has the one input '{theirs[0].name}', and column '{text[0]}' is text; it must have one input per column."
            )
        single = _single_matrix(theirs, len(spec.columns))
        joined = graph.add("Concat", *spec.names, axis=1)
        return ours, {single.name: graph.cast(joined, _type(single))}
    return ours, {each.name: _column(graph, each, spec) for each in _matched(theirs, spec)}


def _matched(theirs: Sequence, spec: Specification) -> Sequence:
    names, wanted = [each.name for each in theirs], spec.names
    if len(theirs) == 1 and len(wanted) == 1:
        return theirs
    if set(names) != set(wanted):
        extra = sorted(set(names) - set(wanted)) or sorted(set(wanted) - set(names))
        where = "the model's inputs and not" if extra[0] in names else "model.ts and not"
        raise TrainingInputError(
            f"the ONNX model's inputs are {', '.join(names)[:200]} and model.ts names {', '.join(wanted)[:200]}: '{extra[0]}' is "
            f"among {where} the other's; name the columns in `features: {{ inModel: [...] }}` as the inputs are called."
        )
    return theirs


def _column(graph: Graph, value: onnx.ValueInfoProto, spec: Specification) -> str:
    name = value.name if value.name in spec.names else spec.names[0]
    text = spec.type_of(name) == "string"
    kind = value.type.tensor_type.elem_type
    if text != (kind == TensorProto.STRING):
        stated = NUMBERS.get(kind, "string" if kind == TensorProto.STRING else f"type {kind}")
        raise TrainingInputError(
            f"the ONNX input '{value.name}' takes {stated}, and column '{name}' is a {spec.type_of(name)}; change its type in model.ts."
        )
    return name if text else graph.cast(name, _type(value))


def _single_matrix(theirs: Sequence, width: int):
    stated = _width(theirs[0]) if len(theirs) == 1 else None
    if len(theirs) != 1 or (stated is not None and stated not in (0, width)):
        raise TrainingInputError(
            f"the ONNX model takes in {len(theirs)} input(s){f' of {stated} numbers' if stated else ''}, and model.ts names {width} "
            "columns; they must be the same, in the order of the input."
        )
    return theirs[0]


def _type(value: onnx.ValueInfoProto) -> int:
    kind = value.type.tensor_type.elem_type
    if kind not in NUMBERS:
        raise TrainingInputError(
            f"the ONNX input '{value.name}' is of type {kind}; it must be one of {', '.join(NUMBERS.values())}."
        )
    return kind


def _width(value: onnx.ValueInfoProto) -> int | None:
    """The last of two dimensions; 0 where it is not stated, None for a list of numbers."""
    dimensions = value.type.tensor_type.shape.dim
    return dimensions[1].dim_value if len(dimensions) == 2 else None


def _output(model: onnx.ModelProto, task: str) -> onnx.ValueInfoProto:
    """The tensor with the prediction: `prediction`, else probabilities, else the only numbers there are."""
    floats = [
        o
        for o in model.graph.output
        if o.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE)
    ]
    named = [o for o in floats if o.name == "prediction"] or [
        o for o in floats if "prob" in o.name.lower()
    ]
    chosen = (named or floats)[:1]
    if not chosen or (len(floats) > 1 and not named):
        listed = ", ".join(o.name for o in model.graph.output)
        raise TrainingInputError(
            f"which output is the prediction? The ONNX model has {listed}; call one float tensor [rows, 1] 'prediction'."
        )
    width = _width(chosen[0])
    if width not in (None, 0, 1) and (task == "regression" or width != 2):
        raise TrainingInputError(
            f"the ONNX output '{chosen[0].name}' has {width} numbers a row; it must have one, or of a classification the two classes'."
        )
    return chosen[0]


def original(data: bytes, spec: Specification, rows: object) -> np.ndarray:
    """float64 [rows]: what the file itself answers, run as it came. `rows`: a DataFrame, or of features a matrix."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feed = {
        each.name: _tensor(each, rows, spec, len(session.get_inputs()))
        for each in session.get_inputs()
    }
    given = dict(zip([o.name for o in session.get_outputs()], session.run(None, feed), strict=True))
    floats = {
        n: v for n, v in given.items() if isinstance(v, list) or v.dtype in (np.float32, np.float64)
    }
    name = next((n for n in floats if n == "prediction"), None) or next(
        (n for n in floats if "prob" in n.lower()), None
    )
    values = floats[name or next(iter(floats))]
    if isinstance(values, list):
        return np.array([each[1] for each in values], np.float64)
    table = np.asarray(values, np.float64).reshape(len(rows), -1)
    return table[:, -1]


def _tensor(value: object, rows: object, spec: Specification, count: int) -> np.ndarray:
    dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64,
             "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(string)": object}[value.type]  # fmt: skip
    names = spec.names if count == 1 else [value.name]
    table = (
        rows.astype(dtype) if isinstance(rows, np.ndarray) else rows[names].to_numpy().astype(dtype)
    )
    return table.reshape(-1) if len(value.shape) == 1 else table
