"""Encoders of categories: which number a value gets is asked of the fitted encoder itself.

Every category is put through the encoder's own `transform` once, and the answers become a table in the
graph. So dropped, infrequent, unknown and missing categories come out as the library has them. In text
'' stands for missing, because a string in ONNX cannot be null.
"""

import math
import warnings

import numpy as np

from slipway_exporters.errors import ExportError
from slipway_exporters.graph import INT64, DOUBLE, Frame, Graph, Part

UNKNOWN_TEXT = "\x00 a value that no training row had"


def encoder(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """OneHotEncoder, OrdinalEncoder and TargetEncoder."""
    if getattr(step, "handle_unknown", None) == "error":
        raise ExportError(
            path,
            f"{type(step).__name__} has handle_unknown='error', so one new value would make a request fail, and a "
            "graph cannot fail",
            "Say what a new value means: handle_unknown='ignore' of a OneHotEncoder, or "
            "handle_unknown='use_encoded_value', unknown_value=-1 of an OrdinalEncoder.",
        )
    answers = _answers(step, frame)
    parts = []
    start = 0
    for position, categories in enumerate(step.categories_):
        index = category_index(graph, frame.column(graph, position), categories)
        width = _width(step, position)
        table = answers[position][:, start : start + width]
        start += width
        if width == 0:
            continue
        parts.append(
            Part(
                _encoded(graph, index, table, one_hot=type(step).__name__ == "OneHotEncoder"), width
            )
        )
    return Frame(parts, _names(step))


def category_index(graph: Graph, column: Part, categories: np.ndarray) -> str:
    """int64 [rows, 1]: the place of a row's value among the categories; their number for any other value."""
    values = list(categories)
    if column.source(0) is not None:
        known = {v for v in values if not _is_missing(v)}
        graph.categories.setdefault(column.source(0), set()).update(known)
    if column.text:
        keys = ["" if _is_missing(v) else str(v) for v in values]
        return graph.add(
            "LabelEncoder", column.tensor, domain="ai.onnx.ml",
            keys_strings=keys, values_int64s=list(range(len(keys))), default_int64=len(keys),
        )  # fmt: skip
    known = [(i, float(v)) for i, v in enumerate(values) if not _is_missing(v)]
    other = graph.constant([[len(values)]], np.int64)
    index = other
    if known:
        equal = graph.add("Equal", column.tensor, graph.constant([[v for _, v in known]]))
        hits = graph.cast(equal, INT64)
        place = graph.add("ArgMax", hits, axis=1, keepdims=1)
        found = graph.add("ReduceMax", hits, graph.constant([1], np.int64), keepdims=1)
        is_known = graph.add("Greater", found, graph.constant([[0]], np.int64))
        index = graph.add("Where", is_known, place, other)
    gone = [i for i, v in enumerate(values) if _is_missing(v)]
    if gone:
        index = graph.add(
            "Where", graph.add("IsNaN", column.tensor), graph.constant([[gone[0]]], np.int64), index
        )
    return index


def _encoded(graph: Graph, index: str, table: np.ndarray, one_hot: bool) -> str:
    """[rows, width]: the row of the table that each index names."""
    if not one_hot:
        return graph.add("Gather", graph.constant(table[:, 0]), index)
    width = table.shape[1]
    # Of a category at most one output is 1; the table of all would grow with the square.
    places = np.where(table.any(axis=1), table.argmax(axis=1), width)
    place = graph.add("Gather", graph.constant(places, np.int64), index)
    return graph.cast(
        graph.add("Equal", place, graph.constant([np.arange(width)], np.int64)), DOUBLE
    )


def _answers(step: object, frame: Frame) -> list[np.ndarray]:
    """Per input column what `transform` gives for each of its categories and, last, for a new value."""
    texts = [part.text for part in frame.parts for _ in range(part.width)]
    unknowns = [_unknown(c, text) for c, text in zip(step.categories_, texts, strict=True)]
    longest = max(len(c) for c in step.categories_) + 1
    rows = np.empty((longest, len(texts)), object if any(texts) else np.float64)
    for position, (categories, unknown) in enumerate(zip(step.categories_, unknowns, strict=True)):
        padded = [*categories, *[unknown] * (longest - len(categories))]
        rows[:, position] = [_as_seen(v) for v in padded]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = step.transform(rows)
    given = given.toarray() if hasattr(given, "toarray") else np.asarray(given)
    return [given[: len(categories) + 1].astype(np.float64) for categories in step.categories_]


def _unknown(categories: np.ndarray, text: bool) -> object:
    if text:
        return UNKNOWN_TEXT
    finite = [abs(float(v)) for v in categories if not _is_missing(v)]
    return 2 * max(finite, default=0.0) + 1.5


def _as_seen(value: object) -> object:
    return np.nan if value is None else value


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _width(step: object, position: int) -> int:
    if type(step).__name__ != "OneHotEncoder":
        return 1
    return int(step._n_features_outs[position])


def _names(step: object) -> list[str] | None:
    try:
        return list(step.get_feature_names_out())
    except (ValueError, AttributeError):
        return None


def bins(graph: Graph, step: object, frame: Frame, path: str) -> Frame:
    """KBinsDiscretizer: the number of inner edges that a value is not below."""
    parts = []
    for position, edges in enumerate(step.bin_edges_):
        column = frame.select(graph, [position]).matrix(graph)
        inner = np.asarray(edges)[1:-1]
        count = int(step.n_bins_[position])
        above = graph.cast(graph.add("GreaterOrEqual", column, graph.constant([inner])), INT64)
        place = graph.add("ReduceSum", above, graph.constant([1], np.int64), keepdims=1)
        if step.encode == "ordinal":
            parts.append(Part(graph.cast(place, DOUBLE), 1))
        else:
            equal = graph.add("Equal", place, graph.constant([np.arange(count)], np.int64))
            parts.append(Part(graph.cast(equal, DOUBLE), count))
    return Frame(parts)
