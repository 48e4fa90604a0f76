"""Trains gradient-boosted trees with XGBoost, to be interrupted and continued at any moment.

An interrupted training gives the same bytes as one that was not: each round's randomness is a pure
function of seed and round, and everything else that a round depends on is in the trees so far.
"""

import hashlib
import time
from pathlib import Path

from slipway_trainer.checkpoints import CheckpointFolder
from slipway_trainer.contract import TrainingJob
from slipway_trainer.documents import (
    canonical,
    code_sha256,
    environment,
    running_code,
    sha256_of_files,
    write_bytes,
    write_document,
)
from slipway_trainer.errors import HyperparameterError
from slipway_trainer.hyperparameters import COMMON, Choice, Number, check

# The parameters of XGBoost that a model may set, by XGBoost's names.
XGBOOST = {
    "eta": Number(0, 1, above=True),
    "learning_rate": Number(0, 1, above=True),
    "gamma": Number(0),
    "min_split_loss": Number(0),
    "max_depth": Number(0, 30, integer=True),
    "max_leaves": Number(0, 65_536, integer=True),
    "grow_policy": Choice(("depthwise", "lossguide")),
    "min_child_weight": Number(0),
    "max_delta_step": Number(0),
    "subsample": Number(0, 1, above=True),
    "colsample_bytree": Number(0, 1, above=True),
    "colsample_bylevel": Number(0, 1, above=True),
    "colsample_bynode": Number(0, 1, above=True),
    "lambda": Number(0),
    "reg_lambda": Number(0),
    "alpha": Number(0),
    "reg_alpha": Number(0),
    "max_bin": Number(2, 65_535, integer=True),
    "scale_pos_weight": Number(0, above=True),
}

ALIASES = (
    ("eta", "learning_rate"),
    ("gamma", "min_split_loss"),
    ("lambda", "reg_lambda"),
    ("alpha", "reg_alpha"),
)

DECLARED = {
    **COMMON,
    **XGBOOST,
    "num_round": Number(1, 100_000, integer=True, default=100),
    "early_stopping_rounds": Number(1, integer=True),
    "device": Choice(("cpu", "cuda"), default="cpu"),
    # Fixed, not the machine's number of cores, so that another machine computes the same sums.
    "nthread": Number(1, 256, integer=True, default=4),
}

# They change when a checkpoint is written, not what is trained.
WITHOUT_EFFECT = ("checkpoint_interval_seconds", "checkpoint_interval_rounds", "parity_rows")


def train(job: TrainingJob, raw: dict[str, object], stop: object) -> bool:
    """Leaves model.onnx and its documents in the job's model folder.

    `stop` becomes true when the process should end: then a checkpoint is written and False returned.
    Raises TrainingInputError for what a person can mend.
    """
    started = time.monotonic()
    settings = check_hyperparameters(raw)
    train_folder = job.required_channel("train")
    features_folder = job.required_channel("features")
    validation_folder = job.channel("validation")

    # Heavy libraries come after the checks, so that a mistake is told at once.
    from slipway_trainer.tables import feature_files, feature_names, read_table
    from xgboost_rounds import Rounds, prepare

    names = feature_names(features_folder)
    training = read_table("train", train_folder, names)
    has_validation = validation_folder is not None and bool(feature_files(validation_folder))
    validation = read_table("validation", validation_folder, names) if has_validation else None
    prepared = prepare(settings, training, validation, names)

    folders = [train_folder, features_folder] + ([validation_folder] if has_validation else [])
    checkpoint_folder = job.checkpoints()
    checkpoints = checkpoint_folder and CheckpointFolder(
        checkpoint_folder, _fingerprint(settings, job.data, folders)
    )
    rounds = Rounds(settings, prepared, checkpoints)
    resumed_from = rounds.restore()
    if not rounds.run(stop):
        return False

    booster = rounds.best_booster()
    # Wherever it was trained, it is judged on what it is served on.
    booster.set_param({"device": "cpu"})
    metrics = {
        "task": settings["task"],
        "rounds": rounds.state.round,
        "bestRound": rounds.state.best_round,
        "resumedFromRound": resumed_from,
        "firstRound": (resumed_from or 0) + 1,
        **prepared.scores(booster),
    }
    _write_outputs(job.model, settings, prepared, booster, metrics, started)
    return True


def check_hyperparameters(raw: dict[str, object]) -> dict[str, object]:
    """Raises HyperparameterError."""
    if "objective" in raw:
        raise HyperparameterError(
            f"hyperparameter 'objective' is {raw['objective']!r}; remove it: 'task' decides."
        )
    settings = check(raw, DECLARED)
    for name, alias in ALIASES:
        if name in settings and alias in settings:
            raise HyperparameterError(
                f"hyperparameters '{name}' ({settings[name]}) and '{alias}' ({settings[alias]}) "
                "are the same; remove one."
            )
    return settings


def _fingerprint(settings: dict[str, object], data: Path, folders: list[Path]) -> str:
    """Hash of everything that decides about the trees: only then may a checkpoint be continued."""
    import xgboost

    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    deciding = {name: value for name, value in settings.items() if name not in WITHOUT_EFFECT}
    identity = {
        "settings": deciding,
        "data": sha256_of_files(data, files),
        "code": code_sha256(running_code()),
        "xgboost": xgboost.__version__,
    }
    return hashlib.sha256(canonical(identity)).hexdigest()


def _write_outputs(folder, settings, prepared, booster, metrics, started) -> None:
    from slipway_trainer.onnx_trees import to_onnx
    from slipway_trainer.parity import parity_document, sample_rows, threshold_rows, verify
    from xgboost_rounds import predictor
    from xgboost_trees import to_ensemble

    ensemble = to_ensemble(booster)
    model = to_onnx(ensemble)
    predict = predictor(booster)
    rows = sample_rows(prepared.training.features, settings["parity_rows"], settings["seed"])
    probes = threshold_rows(ensemble, rows, settings["seed"])
    difference = max(verify(model, predict, rows), verify(model, predict, probes))
    print(f"onnx differs by at most {difference:g} on {len(rows) + len(probes)} rows", flush=True)

    choices = {name: settings[name] for name in ("seed", "device", "nthread")}
    run = {"seconds": round(time.monotonic() - started, 3), "parityMaxDifference": difference}
    write_document(folder / "parity.json", parity_document(predict, rows))
    write_document(folder / "environment.json", environment(choices))
    write_document(folder / "metrics.json", {**metrics, "run": run})
    # Last: where there is a model, its documents are there too.
    write_bytes(folder / "model.onnx", model)
