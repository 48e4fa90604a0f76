"""XGBoost, LightGBM and CatBoost: read from the models that the libraries themselves write."""

import json
import tempfile
from pathlib import Path

import numpy as np

from slipway_exporters.double_trees import DoubleTree, tree_sum
from slipway_exporters.errors import ExportError
from slipway_exporters.graph import DOUBLE, FLOAT, Frame, Graph

ENCODE = (
    "Encode categories as numbers before it (OrdinalEncoder or OneHotEncoder in a Pipeline), or serve the fitted "
    "object itself with `serving: { target: 'container', memoryMb: 2048 }`."
)


def xgboost(graph: Graph, model: object, frame: Frame, path: str) -> str:
    """XGBClassifier, XGBRegressor and Booster, bit for bit: XGBoost compares and adds in float32."""
    from slipway_trainer.onnx_trees import tree_attributes
    from xgboost_trees import to_ensemble

    booster = model if type(model).__name__ == "Booster" else model.get_booster()
    best = _best_iteration(model)
    try:
        ensemble = to_ensemble(booster if best is None else booster[: best + 1])
    except ValueError as error:
        raise ExportError(path, str(error), ENCODE) from error
    if len(ensemble.start) != 1:
        raise ExportError(
            path, f"it has {len(ensemble.start)} outputs and a prediction is one number"
        )
    sources = frame.sources()
    for feature, values in ensemble.thresholds().items():
        if sources[feature] is not None:
            graph.thresholds.setdefault(sources[feature], set()).update(values.tolist())
    matrix = graph.cast(frame.matrix(graph), FLOAT)
    missing = getattr(model, "missing", np.nan)
    if missing is not None and not np.isnan(missing):
        is_gone = graph.add("Equal", matrix, graph.constant(missing, np.float32))
        matrix = graph.add("Where", is_gone, graph.constant(np.nan, np.float32), matrix)
    margin = graph.add(
        "TreeEnsembleRegressor", matrix, domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM",
        post_transform="NONE", **tree_attributes(ensemble),
    )  # fmt: skip
    link = {"sigmoid": "Sigmoid", "exponential": "Exp", "identity": None}[ensemble.link]
    return graph.cast(graph.add(link, margin) if link else margin, DOUBLE)


def _best_iteration(model: object) -> int | None:
    # The scikit-learn classes predict with the best iteration, a Booster of its own with all.
    if type(model).__name__ == "Booster" or model.early_stopping_rounds is None:
        return None
    return int(model.best_iteration)


def lightgbm(graph: Graph, model: object, frame: Frame, path: str) -> str:
    """LGBMClassifier, LGBMRegressor and Booster, from `dump_model`."""
    booster = model if type(model).__name__ == "Booster" else model.booster_
    document = booster.dump_model(num_iteration=booster.best_iteration)
    if document["num_tree_per_iteration"] != 1:
        raise ExportError(
            path,
            f"it has {document['num_tree_per_iteration']} outputs and a prediction is one number",
        )
    trees = [_lightgbm_tree(info["tree_structure"], path) for info in document["tree_info"]]
    if document.get("average_output"):
        trees = [_scaled(tree, 1 / len(trees)) for tree in trees]
    margin = tree_sum(graph, frame, trees, 0.0, single=False)
    return _lightgbm_link(graph, document.get("objective", "regression"), margin, path)


def _lightgbm_link(graph: Graph, objective: str, margin: str, path: str) -> str:
    name, *options = objective.split(" ")
    if "sqrt" in options:
        raise ExportError(path, "reg_sqrt is on")
    if name in ("binary", "cross_entropy"):
        steepness = next((float(o.split(":")[1]) for o in options if o.startswith("sigmoid:")), 1.0)
        return graph.add("Sigmoid", graph.add("Mul", margin, graph.constant(steepness)))
    if name in ("poisson", "gamma", "tweedie"):
        return graph.add("Exp", margin)
    if name in ("regression", "regression_l1", "huber", "fair", "quantile", "mape"):
        return margin
    raise ExportError(path, f"its objective is {objective}")


def _lightgbm_tree(root: dict, path: str) -> DoubleTree:
    left, right, feature, value, missing = [], [], [], [], []
    waiting = [(root, -1, False)]
    while waiting:
        node, parent, is_left = waiting.pop()
        place = len(left)
        if parent >= 0:
            (left if is_left else right)[parent] = place
        left.append(-1)
        right.append(-1)
        if "split_feature" not in node:
            feature.append(0)
            value.append(float(node["leaf_value"]))
            missing.append(False)
            continue
        if node["decision_type"] != "<=":
            raise ExportError(path, "it splits by sets of categories", ENCODE)
        if node["missing_type"] == "Zero":
            raise ExportError(path, "zero_as_missing is on")
        feature.append(int(node["split_feature"]))
        value.append(float(node["threshold"]))
        # Without missing values in training, LightGBM reads one as 0.
        nan_is_zero = node["missing_type"] == "None"
        missing.append(float(node["threshold"]) >= 0 if nan_is_zero else bool(node["default_left"]))
        # The stack's order: the left one is numbered first.
        waiting.append((node["right_child"], place, False))
        waiting.append((node["left_child"], place, True))
    return DoubleTree(left, right, feature, np.array(value), missing)


def _scaled(tree: DoubleTree, factor: float) -> DoubleTree:
    value = np.where(np.asarray(tree.left) == -1, tree.value * factor, tree.value)
    return DoubleTree(tree.left, tree.right, tree.feature, value, tree.missing_left)


def catboost(graph: Graph, model: object, frame: Frame, path: str) -> str:
    """CatBoostClassifier of two classes and CatBoostRegressor with number columns, from its JSON model."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        file = Path(folder) / "model.json"
        model.save_model(str(file), format="json")
        document = json.loads(file.read_text(encoding="utf-8"))
    info = document["features_info"]
    if info.get("categorical_features") or info.get("text_features") or info.get("ctrs"):
        raise ExportError(path, "it computes statistics of categories", ENCODE)
    if "oblivious_trees" not in document:
        raise ExportError(
            path, "its trees are not symmetric (grow_policy)", "Leave grow_policy at SymmetricTree."
        )
    floats = {each["feature_index"]: each for each in info["float_features"]}
    scale, bias = document["scale_and_bias"]
    biases = bias if isinstance(bias, list) else [bias]
    trees = [_oblivious(tree, floats, scale) for tree in document["oblivious_trees"]]
    margin = tree_sum(graph, frame, trees, float(biases[0]), single=True)
    loss = document["model_info"]["params"]["loss_function"]["type"]
    if loss in ("Logloss", "CrossEntropy"):
        return graph.add("Sigmoid", margin)
    if loss in ("Poisson", "Tweedie"):
        return graph.add("Exp", margin)
    if loss in ("RMSE", "MAE", "Quantile", "MAPE", "Huber", "LogCosh", "Expectile"):
        return margin
    raise ExportError(path, f"its loss function is {loss}")


def _oblivious(tree: dict, floats: dict[int, dict], scale: float) -> DoubleTree:
    """One split a level; a leaf's number has a bit for each split that a row is above."""
    splits = tree["splits"] or []
    depth = len(splits)
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise ExportError("CatBoost", "it splits by statistics of categories", ENCODE)
    inner = 2**depth - 1
    left, right = [-1] * (2 * inner + 1), [-1] * (2 * inner + 1)
    feature, missing = [0] * (2 * inner + 1), [False] * (2 * inner + 1)
    value = np.zeros(2 * inner + 1)
    for node in range(inner):
        # The last split is at the root, so that the first one is a leaf number's lowest bit.
        level = (node + 1).bit_length() - 1
        split = splits[depth - 1 - level]
        about = floats[split["float_feature_index"]]
        left[node], right[node] = 2 * node + 1, 2 * node + 2
        feature[node] = int(about["flat_feature_index"])
        value[node] = float(np.float32(split["border"]))
        missing[node] = about["nan_value_treatment"] != "AsTrue"
    value[inner:] = np.asarray(tree["leaf_values"], np.float64)[: 2**depth] * scale
    return DoubleTree(left, right, feature, value, missing)
