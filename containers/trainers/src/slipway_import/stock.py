"""Imports in the stock trainer's image, which has XGBoost, ONNX and NumPy and no pandas.

A model of declared features is one matrix of numbers, so that XGBoost's own files and ONNX graphs need no more.
"""

import time
from pathlib import Path

import numpy as np

from slipway_trainer.contract import TrainingJob
from slipway_trainer.documents import environment, write_bytes, write_document
from slipway_trainer.errors import TrainingInputError
from slipway_trainer.parity import Predict, parity_document, threshold_rows, verify
from slipway_trainer.specification import Specification

ROWS = 1000
ENDINGS = (".onnx", ".json", ".ubj")


def hand_over(
    job: TrainingJob, path: Path, spec: Specification, settings: dict, started: float
) -> None:
    """Raises TrainingInputError for what this image cannot read."""
    ending = path.suffix.lower()
    if ending not in ENDINGS or spec.columns is not None or settings["serving"] == "container":
        raise TrainingInputError(
            f"{path.name}: a model with training.trainer 'xgboost' takes {', '.join(ENDINGS)} with declared features; "
            "for other files write training: { trainer: 'python', … } in model.ts and name the packages in requirements.txt."
        )
    rows = (
        np.random.default_rng(settings["seed"])
        .normal(scale=10, size=(ROWS, len(spec.names)))
        .astype(np.float32)
    )
    if ending == ".onnx":
        model, predict, kind = _graph(path, spec, settings["task"])
    else:
        model, predict, rows = _booster(path, spec, settings, rows)
        kind = "trees"
    largest = verify(model, predict, rows)
    document = parity_document(predict, rows[: settings["parity_rows"]])
    write_document(job.model / "parity.json", document)
    write_document(
        job.model / "environment.json", environment({"seed": settings["seed"], "device": "cpu"})
    )
    library = "onnx" if ending == ".onnx" else "xgboost"
    metrics = {"task": settings["task"], "kind": kind, "library": library, "imported": True}
    write_document(job.model / "metrics.json", metrics)
    write_bytes(job.model / "model.onnx", model)
    print(
        f"model.onnx: {len(model)} bytes; equals {path.name} on {len(rows)} rows (largest difference {largest:.3g}) in "
        f"{time.monotonic() - started:.1f} s",
        flush=True,
    )


def _graph(path: Path, spec: Specification, task: str) -> tuple[bytes, Predict, str]:
    from slipway_import.onnx_files import adapted, original

    data = path.read_bytes()

    def predict(asked: np.ndarray) -> np.ndarray:
        return original(data, spec, asked).astype(np.float32).reshape(-1, 1)

    return adapted(data, spec, task), predict, "network"


def _booster(
    path: Path, spec: Specification, settings: dict, rows: np.ndarray
) -> tuple[bytes, Predict, np.ndarray]:
    from slipway_import.files import load_fitted
    from slipway_trainer.onnx_trees import to_onnx
    from xgboost_rounds import predictor
    from xgboost_trees import to_ensemble

    booster = load_fitted(path, settings["task"], ())
    try:
        ensemble = to_ensemble(booster)
    except ValueError as error:
        raise TrainingInputError(f"{path.name}: {error}.") from error
    if ensemble.features != len(spec.names) or len(ensemble.start) != 1:
        raise TrainingInputError(
            f"{path.name} takes in {ensemble.features} features and gives {len(ensemble.start)} number(s); model.ts declares "
            f"{len(spec.names)} features, in their order, and a prediction is one number."
        )
    booster.feature_names = None
    near = threshold_rows(ensemble, rows, settings["seed"])
    # Mixed, so that parity.json has of both.
    mixed = np.concatenate([near, rows])
    order = np.random.default_rng(settings["seed"]).permutation(len(mixed))
    return to_onnx(ensemble), predictor(booster), mixed[order]
