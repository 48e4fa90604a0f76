"""scikit-learn's trees, forests and boostings."""

import numpy as np

from slipway_exporters.double_trees import DoubleTree, tree_sum
from slipway_exporters.errors import ExportError
from slipway_exporters.graph import Frame, Graph

MISSING_HINT = "Encode categories before it with a OrdinalEncoder(handle_unknown='use_encoded_value', unknown_value=-1)."


def tree_or_forest(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """DecisionTree, ExtraTree, RandomForest and ExtraTrees: the mean over the trees."""
    estimators = getattr(step, "estimators_", [step])
    classes = getattr(step, "classes_", None)
    trees = [_tree(each.tree_, classes, len(estimators)) for each in estimators]
    return tree_sum(graph, frame, trees, 0.0, single=True)


def _tree(tree: object, classes: np.ndarray | None, count: int) -> DoubleTree:
    outputs = tree.value[:, 0, :]
    if classes is None:
        answer = outputs[:, 0]
    else:
        column = list(classes).index(1)
        # Older releases keep the rows of each class, newer ones their shares.
        answer = outputs[:, column] / outputs.sum(axis=1)
    leaf = tree.children_left == -1
    return DoubleTree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        value=np.where(leaf, answer / count, tree.threshold),
        missing_left=getattr(tree, "missing_go_to_left", np.zeros(len(leaf), bool)),
    )


def gradient_boosting(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """GradientBoostingClassifier of two classes, and GradientBoostingRegressor."""
    start = _start(step, frame.width, path)
    trees = []
    for (estimator,) in step.estimators_:
        tree = estimator.tree_
        leaf = tree.children_left == -1
        value = np.where(leaf, tree.value[:, 0, 0] * step.learning_rate, tree.threshold)
        missing = getattr(tree, "missing_go_to_left", np.zeros(len(leaf), bool))
        trees.append(
            DoubleTree(tree.children_left, tree.children_right, tree.feature, value, missing)
        )
    margin = tree_sum(graph, frame, trees, start, single=True)
    if not hasattr(step, "classes_"):
        return margin
    if step.loss == "exponential":
        margin = graph.add("Mul", margin, graph.constant(2.0))
    return graph.add("Sigmoid", margin)


def _start(step: object, width: int, path: str) -> float:
    if isinstance(step.init_, str) and step.init_ == "zero":
        return 0.0
    if not type(step.init_).__name__.startswith("Dummy"):
        raise ExportError(path, f"it starts from another model (init={type(step.init_).__name__})")
    return float(step._raw_predict_init(np.zeros((1, width), np.float32))[0, 0])


def hist_gradient_boosting(graph: Graph, step: object, frame: Frame, path: str) -> str:
    """HistGradientBoostingClassifier of two classes, and -Regressor."""
    if getattr(step, "is_categorical_", None) is not None and np.any(step.is_categorical_):
        raise ExportError(path, "it splits by sets of categories", MISSING_HINT)
    trees = []
    for iteration in step._predictors:
        nodes = iteration[0].nodes
        leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            DoubleTree(
                left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                right=nodes["right"].astype(np.int64),
                feature=nodes["feature_idx"].astype(np.int64),
                value=np.where(leaf, nodes["value"], nodes["num_threshold"]),
                missing_left=nodes["missing_go_to_left"].astype(bool),
            )
        )
    start = float(np.ravel(step._baseline_prediction)[0])
    margin = tree_sum(graph, frame, trees, start, single=False)
    if hasattr(step, "classes_"):
        return graph.add("Sigmoid", margin)
    if step.loss in ("poisson", "gamma"):
        return graph.add("Exp", margin)
    return margin
