"""Tree ensembles that compare in double precision, as scikit-learn, LightGBM and CatBoost do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from slipway_exporters.graph import DOUBLE, FLOAT, Frame, Graph


@dataclass(frozen=True)
class DoubleTree:
    """Nodes as parallel arrays, the root first. `left` is -1 at a leaf, whose `value` is added.

    A row goes left where its value of `feature` is <= `value`, or missing where `missing_left`.
    """

    left: Sequence[int]
    right: Sequence[int]
    feature: Sequence[int]
    value: np.ndarray
    missing_left: Sequence[bool]


def tree_sum(
    graph: Graph, frame: Frame, trees: Sequence[DoubleTree], start: float, single: bool
) -> str:
    """double [rows, 1]: the start value and then tree after tree, as the libraries add.

    `single`: the library reads the values as float32 before it compares.
    """
    matrix = frame.matrix(graph)
    if single:
        matrix = graph.cast(graph.cast(matrix, FLOAT), DOUBLE)
    _note_thresholds(graph, frame, trees)
    if not trees:
        # A sum over no tree: a constant for each row.
        zeros = graph.add(
            "Mul", graph.add("Cast", graph.add("IsNaN", matrix), to=DOUBLE), graph.constant(0.0)
        )
        first = graph.add("Gather", zeros, graph.constant([0], np.int64), axis=1)
        return graph.add("Add", first, graph.constant(start))
    margin = graph.add(
        "TreeEnsembleRegressor", matrix, domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
        post_transform="NONE", **_attributes(trees, start),
    )  # fmt: skip
    return graph.cast(margin, DOUBLE)


def _attributes(trees: Sequence[DoubleTree], start: float) -> dict[str, object]:
    leaf = [np.asarray(tree.left) == -1 for tree in trees]
    sizes = [len(mask) for mask in leaf]
    is_leaf = np.concatenate(leaf)
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    values = np.concatenate([np.asarray(tree.value, np.float64) for tree in trees])
    weights = values[is_leaf]
    weights[: int(leaf[0].sum())] += start

    def inner(name: str) -> list[int]:
        joined = np.concatenate([np.asarray(getattr(tree, name), np.int64) for tree in trees])
        return np.where(is_leaf, 0, joined).tolist()

    thresholds = np.where(is_leaf, 0.0, values)
    return {
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_featureids": inner("feature"),
        "nodes_values_as_tensor": helper.make_tensor(
            "thresholds", TensorProto.DOUBLE, [len(values)], thresholds
        ),
        "nodes_modes": ["LEAF" if each else "BRANCH_LEQ" for each in is_leaf],
        "nodes_truenodeids": inner("left"),
        "nodes_falsenodeids": inner("right"),
        "nodes_missing_value_tracks_true": inner("missing_left"),
        "target_treeids": tree_ids[is_leaf].tolist(),
        "target_nodeids": node_ids[is_leaf].tolist(),
        "target_ids": [0] * len(weights),
        "target_weights_as_tensor": helper.make_tensor(
            "weights", TensorProto.DOUBLE, [len(weights)], weights
        ),
    }


def _note_thresholds(graph: Graph, frame: Frame, trees: Sequence[DoubleTree]) -> None:
    """Of columns that come to the trees as they are: rows there prove the comparison."""
    sources = frame.sources()
    for tree in trees:
        for left, feature, value in zip(tree.left, tree.feature, tree.value, strict=True):
            if left != -1 and sources[int(feature)] is not None:
                graph.thresholds.setdefault(sources[int(feature)], set()).add(float(value))
