"""The door: a fitted object and the columns it takes in, an ONNX model out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from onnx import helper

from slipway_exporters import networks, sklearn_steps
from slipway_exporters.errors import ExportError
from slipway_exporters.graph import DOUBLE, FLOAT, OUTPUT, STRING, Frame, Graph, Part
from slipway_server.program import columns_of_fit, names_of_fit

# The one input of a model whose features are declared.
FEATURES = "features"

KNOWN = "a scikit-learn estimator or Pipeline, XGBoost, LightGBM, CatBoost, or a torch.nn.Module"

# Of a model: by how much a graph may differ, absolute and relative to the prediction.
TOLERANCES = {
    "trees": (1e-6, 1e-6),
    "linear": (1e-5, 1e-5),
    "network": (1e-5, 1e-3),
    "python": (1e-6, 1e-6),
}

TREES = ("Tree", "Forest", "Boosting", "Trees", "AdaBoost")


@dataclass(frozen=True)
class Exported:
    """`thresholds` of input columns that trees read as they are, `categories` of those that are encoded."""

    model: bytes
    thresholds: dict[str, list[float]]
    categories: dict[str, list]


def _core(fitted: object) -> object:
    """What predicts: of a dict, which keeps beside it what its features learned, the entry `model`."""
    return fitted["model"] if isinstance(fitted, dict) and "model" in fitted else fitted


def library_of(fitted: object) -> str:
    """The library that predicts, by its name in Python: of a pipeline its last step's."""
    fitted = _core(fitted)
    if is_network(fitted):
        return "torch"
    return type(sklearn_steps.last_step(fitted)).__module__.split(".")[0]


def kind_of(fitted: object) -> str:
    """trees, linear, network, or python for anything else."""
    fitted = _core(fitted)
    if is_network(fitted):
        return "network"
    last = sklearn_steps.last_step(fitted)
    library, name = type(last).__module__.split(".")[0], type(last).__name__
    if library in sklearn_steps.BOOSTERS or (
        library == "sklearn" and any(word in name for word in TREES)
    ):
        return "trees"
    if library == "sklearn":
        return "network" if name.startswith("MLP") else "linear"
    return "python"


def is_network(fitted: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(fitted, torch.nn.Module)


def export_columns(fitted: object, columns: Sequence[dict], link: str | None = None) -> Exported:
    """One input [rows, 1] per raw column: text, or double with NaN = missing. Raises ExportError."""
    names = [column["name"] for column in columns]
    if OUTPUT in names:
        raise ExportError(
            "inputs",
            f"a column is called {OUTPUT!r}, as the graph's output is",
            "Rename the column.",
        )
    graph = Graph(taken=frozenset(names))
    parts, inputs = [], []
    for column in columns:
        name, text = column["name"], column["type"] == "string"
        inputs.append(helper.make_tensor_value_info(name, STRING if text else DOUBLE, ["rows", 1]))
        parts.append(Part(name, 1, text, (name,)))
    return _export(graph, fitted, Frame(parts, names), inputs, link)


def export_features(fitted: object, names: Sequence[str], link: str | None = None) -> Exported:
    """One input `features` float [rows, F] with NaN = missing. Raises ExportError."""
    graph = Graph(taken=frozenset([FEATURES]))
    inputs = [helper.make_tensor_value_info(FEATURES, FLOAT, ["rows", len(names)])]
    part = Part(graph.cast(FEATURES, DOUBLE), len(names), sources=tuple(names))
    return _export(graph, fitted, Frame([part], names), inputs, link)


def _export(graph: Graph, fitted: object, frame: Frame, inputs: list, link: str | None) -> Exported:
    library = type(fitted).__module__.split(".")[0]
    frame = _columns_of_fit(graph, fitted, frame)
    if is_network(fitted):
        prediction = networks.network(graph, fitted, frame, type(fitted).__name__, link)
    elif library in ("sklearn", "imblearn", *sklearn_steps.BOOSTERS):
        prediction = sklearn_steps.predict(graph, fitted, frame, "")
    else:
        raise ExportError(
            type(fitted).__name__,
            f"train() returned a {type(fitted).__module__}.{type(fitted).__name__}; an ONNX graph is made of {KNOWN}",
        )
    model = graph.build(inputs, prediction)
    return Exported(
        model,
        {name: sorted(values) for name, values in graph.thresholds.items()},
        {name: sorted(values, key=str) for name, values in graph.categories.items()},
    )


def _columns_of_fit(graph: Graph, fitted: object, frame: Frame) -> Frame:
    """Those that train() fitted it on, where it knows their names; else all."""
    fit_on = columns_of_fit(fitted, frame.names or [])
    if fit_on:
        return frame.select(graph, [frame.names.index(name) for name in fit_on])
    names = names_of_fit(fitted)
    unknown = [name for name in names or [] if name not in (frame.names or [])]
    if unknown and _names_are_real(unknown):
        raise ExportError(
            type(fitted).__name__,
            f"it was fitted on the column {unknown[0]!r}, which is not among those that the model takes in",
            "Leave it out of the data that it is fitted on (the label is in there too), or name it in features of model.ts.",
        )
    count = getattr(fitted, "n_features_in_", frame.width)
    if count != frame.width:
        raise ExportError(
            type(fitted).__name__,
            f"it was fitted on {count} columns and the model takes in {frame.width}",
            "Fit it on a DataFrame, such as data.drop(columns=label), so that it knows which.",
        )
    return frame


def _names_are_real(names: Sequence[str]) -> bool:
    """Not those that a library makes up for an array without names: f0, Column_0, 0."""
    return not all(name.removeprefix("Column_").removeprefix("f").isdigit() for name in names)
