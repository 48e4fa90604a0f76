"""Proof that the ONNX graph predicts what the trained model predicts.

The trainer checks its own export; parity.json lets the platform check it again where it serves.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime

from slipway_trainer.errors import ParityError
from slipway_trainer.onnx_trees import INPUT, OUTPUT, TreeEnsemble

TOLERANCE = 1e-6

# Rows at thresholds that the trainer checks before it hands a model over.
PROBES_AT_MOST = 20_000

# float32 [rows, F] → float32 [rows, K], by the library that trained the model.
Predict = Callable[[np.ndarray], np.ndarray]


def sample_rows(features: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """A seeded sample without repetition, in the order of the table."""
    count = min(rows, len(features))
    chosen = np.random.default_rng(seed).choice(len(features), count, replace=False)
    return features[np.sort(chosen)]


def threshold_rows(ensemble: TreeEnsemble, rows: np.ndarray, seed: int) -> np.ndarray:
    """Rows with one feature at a threshold, one float32 below and one above it, or missing."""
    random = np.random.default_rng(seed)
    low, high = np.float32(-np.inf), np.float32(np.inf)
    probes = []
    for feature, thresholds in ensemble.thresholds().items():
        values = np.concatenate(
            [
                thresholds,
                np.nextafter(thresholds, low),
                np.nextafter(thresholds, high),
                np.array([np.nan], np.float32),
            ]
        )
        made = rows[random.integers(len(rows), size=len(values))].copy()
        made[:, feature] = values
        probes.append(made)
    probes.append(np.full((1, rows.shape[1]), np.nan, np.float32))
    everything = np.concatenate(probes)
    if len(everything) <= PROBES_AT_MOST:
        return everything
    return sample_rows(everything, PROBES_AT_MOST, seed)


def verify(model: bytes, predict: Predict, rows: np.ndarray) -> float:
    """Largest absolute difference over the rows. Raises ParityError when it is above TOLERANCE."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    answers = session.run([OUTPUT], {INPUT: rows})[0]
    differences = np.abs(answers - predict(rows)).max(axis=1)
    worst = int(np.argmax(differences))
    # Written so that NaN counts as a difference.
    if not differences[worst] <= TOLERANCE:
        raise ParityError(
            f"ONNX differs from the trained model by {differences[worst]:g} (at most {TOLERANCE:g} "
            f"is allowed) on the row {rows[worst].tolist()}; the model is not handed over."
        )
    return float(differences[worst])


def parity_document(predict: Predict, rows: np.ndarray) -> dict[str, object]:
    """parity.json: rows of the model's input and the trainer's predictions, row-major, null = missing."""
    answers = predict(rows)
    return {
        "input": {"name": INPUT, "shape": list(rows.shape), "data": _numbers(rows)},
        "output": {"name": OUTPUT, "shape": list(answers.shape), "data": _numbers(answers)},
        "tolerance": TOLERANCE,
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [None if number != number else number for number in values.ravel().tolist()]
