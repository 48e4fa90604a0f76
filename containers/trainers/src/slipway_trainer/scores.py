"""Metrics of predictions against labels, in double precision."""

import numpy as np

# A probability of exactly 0 or 1 would make a log loss infinite.
_TINY = 1e-15


def scores(task: str, labels: np.ndarray, predictions: np.ndarray) -> dict[str, float | None]:
    """The metrics of the task; `predictions` are [rows, K] as the model's output has them.

    A metric that these rows do not define (AUC of one class) is None.
    """
    answers = predictions.astype(np.float64)
    if task == "regression":
        errors = answers[:, 0] - labels
        return {
            "rmse": float(np.sqrt(np.mean(errors**2))),
            "mae": float(np.mean(np.abs(errors))),
        }
    if task == "multiclass_classification":
        classes = labels.astype(np.int64)
        own = answers[np.arange(len(classes)), classes]
        return {
            "logloss": float(-np.mean(np.log(np.clip(own, _TINY, 1)))),
            "accuracy": float(np.mean(np.argmax(answers, axis=1) == classes)),
        }
    probability = np.clip(answers[:, 0], _TINY, 1 - _TINY)
    own = np.where(labels == 1, probability, 1 - probability)
    return {
        "logloss": float(-np.mean(np.log(own))),
        "auc": area_under_curve(labels, answers[:, 0]),
        "brier": float(np.mean((answers[:, 0] - labels) ** 2)),
    }


def area_under_curve(labels: np.ndarray, predictions: np.ndarray) -> float | None:
    """Share of (positive, negative) pairs in the right order, ties counting half."""
    positives = int(np.sum(labels == 1))
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(predictions, return_inverse=True, return_counts=True)
    last_ranks = np.cumsum(counts)
    ranks = (last_ranks - (counts - 1) / 2)[inverse]
    pairs = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    return float(pairs / (positives * negatives))
