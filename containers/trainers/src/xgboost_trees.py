"""A trained booster as plain trees, read from XGBoost's documented JSON model."""

import json

import numpy as np
import xgboost
from slipway_trainer.onnx_trees import Tree, TreeEnsemble

LINK_OF_OBJECTIVE = {
    "binary:logistic": "sigmoid",
    "reg:squarederror": "identity",
    "multi:softprob": "softmax",
    # Not trained here, and written by those who bring their own training.
    "reg:logistic": "sigmoid",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "count:poisson": "exponential",
    "reg:gamma": "exponential",
    "reg:tweedie": "exponential",
}


def to_ensemble(booster: xgboost.Booster) -> TreeEnsemble:
    """All of the booster's trees. Raises ValueError for a kind of model that is not trained here."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    boosted = learner["gradient_booster"]
    if objective not in LINK_OF_OBJECTIVE or boosted["name"] != "gbtree":
        raise ValueError(f"no ONNX export for objective {objective} of {boosted['name']}")
    parameters = learner["learner_model_param"]
    link = LINK_OF_OBJECTIVE[objective]
    outputs = max(1, int(parameters["num_class"]))
    model = boosted["model"]
    return TreeEnsemble(
        features=int(parameters["num_feature"]),
        start=_start(parameters["base_score"], link, outputs),
        link=link,
        trees=[_tree(t, o) for t, o in zip(model["trees"], model["tree_info"], strict=True)],
    )


def _start(base_score: str, link: str, outputs: int) -> np.ndarray:
    """The sums' start values: XGBoost keeps one number, or one per class, in the label's scale."""
    parsed = json.loads(base_score)
    stored = np.array(parsed if isinstance(parsed, list) else [parsed], np.float32)
    if link == "sigmoid":
        stored = -np.log(np.float32(1) / stored - np.float32(1))
    if link == "exponential":
        stored = np.log(stored)
    return np.broadcast_to(stored, (outputs,)).astype(np.float32)


def _tree(tree: dict, output: int) -> Tree:
    if any(tree["split_type"]):
        raise ValueError("a split by category sets has no exact ONNX form")
    return Tree(
        output=output,
        left=tree["left_children"],
        right=tree["right_children"],
        feature=tree["split_indices"],
        value=np.array(tree["split_conditions"], np.float32),
        missing_left=[bool(left) for left in tree["default_left"]],
    )
