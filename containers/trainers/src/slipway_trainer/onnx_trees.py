"""Tree ensembles as ONNX graphs that predict bit for bit what the trainer's own library predicts.

Written out node by node instead of through a converter, because three details decide about
exactness: thresholds stay the float32 numbers that the library compares with, missing values take
the branch that the library learned, and sums run in the library's order (start value first, then
tree after tree). The last one holds for a runtime with one thread per operator; with more, ONNX
Runtime adds partial sums and a large prediction may differ in its last digits.

The graph: input `features` float32 [N, F], NaN = missing; output `prediction` float32 [N, K], a
tensor for every task: the probability of class 1, the value, or one probability per class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

INPUT = "features"
OUTPUT = "prediction"

# What ONNX Runtime has read for years; nothing newer is needed.
OPSETS = {"": 17, "ai.onnx.ml": 3}
IR_VERSION = 8

LINKS = {"identity": None, "sigmoid": "Sigmoid", "softmax": "Softmax", "exponential": "Exp"}


@dataclass(frozen=True)
class Tree:
    """Nodes as parallel arrays, the root first. `left` and `right` are -1 at a leaf.

    A row goes left if its value of `feature` is < `value`, or missing where `missing_left`. At a
    leaf, `value` is added to output `output`.
    """

    output: int
    left: Sequence[int]
    right: Sequence[int]
    feature: Sequence[int]
    value: np.ndarray
    missing_left: Sequence[bool]


@dataclass(frozen=True)
class TreeEnsemble:
    """`start` holds one float32 per output; `link` is a key of LINKS."""

    features: int
    start: np.ndarray
    link: str
    trees: Sequence[Tree]

    def thresholds(self) -> dict[int, np.ndarray]:
        """The distinct float32 thresholds of each feature that is split on."""
        found: dict[int, list[np.float32]] = {}
        for tree in self.trees:
            for left, feature, value in zip(tree.left, tree.feature, tree.value, strict=True):
                if left != -1:
                    found.setdefault(int(feature), []).append(value)
        return {feature: np.unique(np.array(v, np.float32)) for feature, v in sorted(found.items())}


def to_onnx(ensemble: TreeEnsemble) -> bytes:
    """The serialised graph; equal ensembles give equal bytes."""
    outputs = len(ensemble.start)
    link = LINKS[ensemble.link]
    margin = "margin" if link else OUTPUT
    nodes = [
        helper.make_node(
            "TreeEnsembleRegressor",
            [INPUT],
            [margin],
            name="trees",
            domain="ai.onnx.ml",
            n_targets=outputs,
            aggregate_function="SUM",
            post_transform="NONE",
            **tree_attributes(ensemble),
        )
    ]
    if link:
        axis = {"axis": -1} if link == "Softmax" else {}
        nodes.append(helper.make_node(link, [margin], [OUTPUT], name="link", **axis))
    graph = helper.make_graph(
        nodes,
        "trees",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", ensemble.features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", outputs])],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="slipway",
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def tree_attributes(ensemble: TreeEnsemble) -> dict[str, list]:
    """The attributes of a TreeEnsembleRegressor with these trees."""
    node = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    nodes: dict[str, list] = {name: [] for name in (*node, "missing_value_tracks_true")}
    leaves: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    started: set[int] = set()
    for tree_id, tree in enumerate(ensemble.trees):
        first = tree.output not in started
        started.add(tree.output)
        for node_id, left in enumerate(tree.left):
            leaf = left == -1
            value = tree.value[node_id]
            row = {
                "treeids": tree_id,
                "nodeids": node_id,
                "featureids": 0 if leaf else int(tree.feature[node_id]),
                "values": 0.0 if leaf else float(value),
                "modes": "LEAF" if leaf else "BRANCH_LT",
                "truenodeids": 0 if leaf else int(left),
                "falsenodeids": 0 if leaf else int(tree.right[node_id]),
                "missing_value_tracks_true": 0 if leaf else int(tree.missing_left[node_id]),
            }
            for name, item in row.items():
                nodes[name].append(item)
            if leaf:
                # A base value would be added after all trees; here it is added before them.
                weight = ensemble.start[tree.output] + value if first else value
                leaf_row = (tree_id, node_id, tree.output, float(np.float32(weight)))
                for name, item in zip(leaves, leaf_row, strict=True):
                    leaves[name].append(item)
    if len(started) != len(ensemble.start):
        raise ValueError(f"{len(ensemble.start)} outputs, but trees for {sorted(started)} only")
    return {f"nodes_{name}": items for name, items in nodes.items()} | {
        f"target_{name}": items for name, items in leaves.items()
    }
