"""PyTorch modules, by PyTorch's own exporter."""

import io
import logging
import warnings

import numpy as np
import onnx
from onnx import version_converter

from slipway_exporters.errors import ExportError
from slipway_exporters.graph import DOUBLE, FLOAT, OPSETS, Frame, Graph


def network(graph: Graph, module: object, frame: Frame, path: str, link: str | None) -> str:
    """double [rows, 1]; `link` is put after the module, for one whose `predict` does so."""
    width = frame.width
    try:
        matrix = graph.cast(frame.matrix(graph), FLOAT)
    except ValueError as error:
        raise ExportError(path, str(error)) from error
    model = _exported(module, width, path)
    made = graph.inline(model, {model.graph.input[0].name: matrix}, model.graph.output[0].name)
    shaped = graph.add("Reshape", made, graph.constant([-1, 1], np.int64))
    return graph.cast(graph.add(link, shaped) if link else shaped, DOUBLE)


def _exported(module: object, width: int, path: str) -> onnx.ModelProto:
    import torch

    module.eval()
    # Two rows, because a dimension of one is taken for a constant.
    example = torch.zeros(2, width)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module, (example,), buffer, dynamo=False, opset_version=OPSETS[""],
                input_names=["rows"], output_names=["answer"],
                dynamic_axes={"rows": {0: "n"}, "answer": {0: "n"}},
            )  # fmt: skip
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportError(
            path, f"PyTorch does not export {type(module).__name__}: {reason}"
        ) from error
    model = onnx.load_from_string(buffer.getvalue())
    version = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    return model if version == OPSETS[""] else version_converter.convert_version(model, OPSETS[""])
