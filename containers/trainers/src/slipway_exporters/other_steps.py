"""Steps that have no writer here: sklearn-onnx's, each on its own, in single precision.

One step at a time, so that what comes before and after it keeps its double precision. The proof of the
whole graph decides whether single precision was enough.
"""

import logging
import warnings

from slipway_exporters.errors import ExportError
from slipway_exporters.graph import DOUBLE, FLOAT, OPSETS, Frame, Graph, numbers


def transformer(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    model = _converted(step, frame, path, None)
    matrix = graph.cast(_matrix(graph, frame, path), FLOAT)
    output = model.graph.output[0]
    made = graph.inline(model, {model.graph.input[0].name: matrix}, output.name)
    width = output.type.tensor_type.shape.dim[1].dim_value
    if not width:
        raise ExportError(
            path, f"how many columns {type(step).__name__} gives is not known before it runs"
        )
    return numbers(graph.cast(made, DOUBLE), width)


def predictor(graph: Graph, step: object, frame: Frame, path: str) -> str:
    is_classifier = hasattr(step, "predict_proba")
    model = _converted(step, frame, path, {id(step): {"zipmap": False}} if is_classifier else None)
    matrix = graph.cast(_matrix(graph, frame, path), FLOAT)
    output = model.graph.output[1 if is_classifier else 0].name
    made = graph.cast(graph.inline(model, {model.graph.input[0].name: matrix}, output), DOUBLE)
    if not is_classifier:
        return graph.add("Reshape", made, graph.constant([-1, 1], int))
    column = list(step.classes_).index(1)
    return graph.add("Gather", made, graph.constant([column], int), axis=1)


def _matrix(graph: Graph, frame: Frame, path: str) -> str:
    try:
        return frame.matrix(graph)
    except ValueError as error:
        raise ExportError(path, str(error)) from error


def _converted(step: object, frame: Frame, path: str, options: dict | None):
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError as error:
        raise ExportError(
            path, f"{type(step).__name__} has no writer here and skl2onnx is not installed"
        ) from error
    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return to_onnx(
                step,
                initial_types=[("X", FloatTensorType([None, frame.width]))],
                options=options,
                target_opset=OPSETS,
            )
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ExportError(
            path,
            f"{type(step).__module__.split('.')[0]}'s {type(step).__name__} is not known to sklearn-onnx either ({reason})",
        ) from error
