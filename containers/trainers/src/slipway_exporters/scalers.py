"""Steps that compute numbers from numbers, and fill in what is missing."""

import math

import numpy as np

from slipway_exporters.errors import ExportError
from slipway_exporters.graph import DOUBLE, Frame, Graph, Part, numbers


def imputer(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """SimpleImputer, column by column; columns that were empty in training are left out as there."""
    missing = step.missing_values
    filled, kept = [], []
    for position, fill in enumerate(step.statistics_):
        column = frame.column(graph, position)
        if _is_missing(fill) and not step.keep_empty_features and step.strategy != "constant":
            continue
        kept.append(position)
        fill = 0.0 if _is_missing(fill) else fill
        gone = _gone(graph, column, missing)
        value = (
            graph.constant([[str(fill)]], str) if column.text else graph.constant([[float(fill)]])
        )
        # A value that is not missing passes as it is: a tree's threshold for it is the input's too.
        whole = graph.add("Where", gone, value, column.tensor)
        filled.append(Part(whole, 1, column.text, column.sources))
    names = None if frame.names is None else [frame.names[p] for p in kept]
    if step.indicator_ is None:
        return Frame(filled, names)
    return Frame([*filled, *indicator(graph, step.indicator_, frame, path).parts])


def indicator(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """MissingIndicator: 1 where the value is missing, for the columns that had such in training."""
    parts = []
    for position in step.features_:
        gone = _gone(graph, frame.column(graph, int(position)), step.missing_values)
        parts.append(Part(graph.cast(gone, DOUBLE), 1))
    return Frame(parts)


def _gone(graph: Graph, column: Part, missing: object) -> str:
    if column.text:
        text = "" if _is_missing(missing) else str(missing)
        return graph.add("Equal", column.tensor, graph.constant([[text]], str))
    if _is_missing(missing):
        return graph.add("IsNaN", column.tensor)
    return graph.add("Equal", column.tensor, graph.constant([[float(missing)]]))


def _is_missing(value: object) -> bool:
    # pandas.NA is neither a float nor equal to itself.
    return (
        value is None
        or type(value).__name__ == "NAType"
        or (isinstance(value, float) and math.isnan(value))
    )


def _affine(graph: Graph, matrix: str, minus: object = None, divided: object = None) -> str:
    if minus is not None:
        matrix = graph.add("Sub", matrix, graph.constant([minus]))
    if divided is not None:
        matrix = graph.add("Div", matrix, graph.constant([divided]))
    return matrix


def standard(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    mean = step.mean_ if step.with_mean else None
    scale = step.scale_ if step.with_std else None
    return Frame([Part(_affine(graph, frame.matrix(graph), mean, scale), frame.width)], frame.names)


def robust(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    center = step.center_ if step.with_centering else None
    scale = step.scale_ if step.with_scaling else None
    return Frame(
        [Part(_affine(graph, frame.matrix(graph), center, scale), frame.width)], frame.names
    )


def max_abs(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    return Frame(
        [Part(_affine(graph, frame.matrix(graph), None, step.scale_), frame.width)], frame.names
    )


def min_max(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    scaled = graph.add("Mul", frame.matrix(graph), graph.constant([step.scale_]))
    moved = graph.add("Add", scaled, graph.constant([step.min_]))
    if step.clip:
        low, high = step.feature_range
        moved = graph.add("Clip", moved, graph.constant(low), graph.constant(high))
    return Frame([Part(moved, frame.width)], frame.names)


def binarizer(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    above = graph.add("Greater", frame.matrix(graph), graph.constant([[step.threshold]]))
    return Frame([Part(graph.cast(above, DOUBLE), frame.width)], frame.names)


def polynomial(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """PolynomialFeatures: each output is the product of as many columns as the highest power has."""
    powers = step.powers_
    width = frame.width
    ones = graph.add("Gather", frame.matrix(graph), graph.constant([0], np.int64), axis=1)
    ones = graph.add(
        "Where", graph.add("IsNaN", ones), graph.constant([[1.0]]), graph.constant([[1.0]])
    )
    extended = graph.add("Concat", frame.matrix(graph), ones, axis=1)
    factors = [[i for i, power in enumerate(row) for _ in range(power)] for row in powers]
    most = max((len(f) for f in factors), default=0)
    product = None
    for place in range(max(most, 1)):
        chosen = [f[place] if place < len(f) else width for f in factors]
        column = graph.add("Gather", extended, graph.constant(chosen, np.int64), axis=1)
        product = column if product is None else graph.add("Mul", product, column)
    return numbers(product, len(factors))


def _log1p(graph: Graph, x: str) -> str:
    return graph.add("Log", graph.add("Add", x, graph.constant(1.0)))


def _expm1(graph: Graph, x: str) -> str:
    return graph.add("Sub", graph.add("Exp", x), graph.constant(1.0))


# NumPy's functions that ONNX computes too.
FUNCTIONS = {
    "log1p": _log1p,
    "expm1": _expm1,
    "log": lambda graph, x: graph.add("Log", x),
    "log2": lambda graph, x: graph.add("Div", graph.add("Log", x), graph.constant(math.log(2))),
    "log10": lambda graph, x: graph.add("Div", graph.add("Log", x), graph.constant(math.log(10))),
    "exp": lambda graph, x: graph.add("Exp", x),
    "sqrt": lambda graph, x: graph.add("Sqrt", x),
    "square": lambda graph, x: graph.add("Mul", x, x),
    "absolute": lambda graph, x: graph.add("Abs", x),
    "negative": lambda graph, x: graph.add("Neg", x),
    "reciprocal": lambda graph, x: graph.add("Div", graph.constant(1.0), x),
}


def numpy_function(graph: Graph, function: object, tensor: str, path: str) -> str:
    """A NumPy function of one column; None changes nothing."""
    if function is None:
        return tensor
    name = getattr(function, "__name__", "?")
    if not isinstance(function, np.ufunc) or name not in FUNCTIONS:
        raise ExportError(
            path,
            f"the function {name} is Python; of NumPy's {', '.join(FUNCTIONS)} can be written in it",
        )
    return FUNCTIONS[name](graph, tensor)


def function_transformer(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    if step.func is None:
        return frame
    if step.kw_args:
        raise ExportError(path, f"its function takes kw_args {step.kw_args}")
    made = numpy_function(graph, step.func, frame.matrix(graph), path)
    return Frame([Part(made, frame.width)], frame.names)


def power(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """PowerTransformer by the definitions of Yeo and Johnson (2000), and Box and Cox (1964)."""
    lambdas = np.asarray(step.lambdas_)
    x = frame.matrix(graph)
    if step.method == "box-cox":
        made = _box_cox(graph, x, lambdas)
    else:
        zero = graph.constant(0.0)
        negative = graph.add("Less", x, zero)
        upper = _box_cox(graph, graph.add("Add", graph.add("Abs", x), graph.constant(1.0)), lambdas)
        lower = _box_cox(
            graph, graph.add("Add", graph.add("Abs", x), graph.constant(1.0)), 2 - lambdas
        )
        made = graph.add("Where", negative, graph.add("Neg", lower), upper)
    result = Frame([Part(made, frame.width)], frame.names)
    return standard(graph, step._scaler, result, path) if step.standardize else result


def _box_cox(graph: Graph, x: str, lambdas: np.ndarray) -> str:
    is_zero = np.abs(lambdas) < np.spacing(1.0)
    safe = np.where(is_zero, 1.0, lambdas)
    raised = graph.add("Sub", graph.add("Pow", x, graph.constant([safe])), graph.constant(1.0))
    powered = graph.add("Div", raised, graph.constant([safe]))
    return graph.add("Where", graph.constant([is_zero], np.bool_), graph.add("Log", x), powered)


def principal_components(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    x = frame.matrix(graph)
    if getattr(step, "mean_", None) is not None:
        x = graph.add("Sub", x, graph.constant([step.mean_]))
    made = graph.add("MatMul", x, graph.constant(step.components_.T))
    if getattr(step, "whiten", False):
        made = graph.add("Div", made, graph.constant([np.sqrt(step.explained_variance_)]))
    return numbers(made, len(step.components_))


def selector(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """Anything that keeps some of the columns as they are."""
    return frame.select(graph, [int(i) for i in step.get_support(indices=True)])
