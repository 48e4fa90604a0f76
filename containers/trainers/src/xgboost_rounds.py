"""The rounds of a boosting: prepared data, one tree after the other, checkpoints in between."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import xgboost
from slipway_trainer.checkpoints import Checkpoint, CheckpointFolder
from slipway_trainer.errors import HyperparameterError, TrainingInputError
from slipway_trainer.parity import Predict
from slipway_trainer.scores import scores
from slipway_trainer.tables import Table

OBJECTIVES = {
    "binary_classification": ("binary:logistic", "logloss"),
    "regression": ("reg:squarederror", "rmse"),
    "multiclass_classification": ("multi:softprob", "mlogloss"),
}
NOT_XGBOOST = (
    "task", "seed", "num_round", "early_stopping_rounds", "parity_rows",
    "checkpoint_interval_seconds", "checkpoint_interval_rounds",
)  # fmt: skip

# A line of metrics every so many rounds.
LOG_EVERY = 10


@dataclass
class State:
    """What a round depends on besides the trees. Rounds count from 1; 0 = none yet."""

    round: int = 0
    best_round: int | None = None
    best_score: float | None = None


class Prepared:
    """XGBoost's parameters and matrices for checked tables."""

    def __init__(self, settings: dict, training: Table, validation: Table | None, classes: int):
        objective, self.metric = OBJECTIVES[settings["task"]]
        self.task = settings["task"]
        self.training = training
        self.validation = validation
        self.parameters = {
            **{name: value for name, value in settings.items() if name not in NOT_XGBOOST},
            "objective": objective,
            "eval_metric": self.metric,
            "tree_method": "hist",
            **({"num_class": classes} if self.task == "multiclass_classification" else {}),
        }
        threads = settings["nthread"]
        bins = {"max_bin": settings["max_bin"]} if "max_bin" in settings else {}
        self.matrix = xgboost.QuantileDMatrix(
            training.features, training.labels, nthread=threads, **bins
        )
        self.validation_matrix = validation and xgboost.DMatrix(
            validation.features, validation.labels, nthread=threads
        )

    def scores(self, booster: xgboost.Booster) -> dict[str, dict]:
        """Metrics of the finished model on both tables."""
        tables = {"train": self.training, "validation": self.validation}
        predict = predictor(booster)
        return {
            name: {"rows": len(table.labels), **scores(self.task, table.labels, predict(table.features))}
            for name, table in tables.items()
            if table is not None
        }


def prepare(
    settings: dict, training: Table, validation: Table | None, names: Sequence[str]
) -> Prepared:
    """Checks labels and device. Raises TrainingInputError or HyperparameterError."""
    if settings["device"] == "cuda" and not xgboost.build_info().get("USE_CUDA"):
        raise HyperparameterError(
            "hyperparameter 'device' is 'cuda', but this XGBoost is built without CUDA; "
            "set it to 'cpu' or train in an image that has the package xgboost instead of xgboost-cpu."
        )
    if "early_stopping_rounds" in settings and validation is None:
        raise HyperparameterError(
            f"hyperparameter 'early_stopping_rounds' is {settings['early_stopping_rounds']}, but the "
            "job has no channel 'validation' with rows to watch; add it or remove the hyperparameter."
        )
    classes = _check_labels(settings["task"], training, validation)
    print(f"training on {len(training.labels)} rows, {len(names)} features", flush=True)
    return Prepared(settings, training, validation, classes)


def _check_labels(task: str, training: Table, validation: Table | None) -> int:
    """The number of classes; 0 for a regression."""
    if task == "regression":
        return 0
    tables = {"train": training, **({"validation": validation} if validation else {})}
    seen = np.unique(training.labels)
    allowed = 2 if task == "binary_classification" else max(2, int(seen.max()) + 1)
    for channel, table in tables.items():
        values = np.unique(table.labels)
        wrong = values[(values != np.floor(values)) | (values < 0) | (values >= allowed)]
        if len(wrong):
            raise TrainingInputError(
                f"channel '{channel}', column '__label' holds {wrong[0]:g}; for task {task} a label "
                f"is an integer from 0 to {allowed - 1}."
            )
    if len(seen) < 2:
        raise TrainingInputError(
            f"channel 'train', column '__label' is {seen[0]:g} in all {len(training.labels)} rows; "
            f"task {task} needs rows of at least two classes."
        )
    return allowed


class Rounds:
    """A training's progress, continued from its newest checkpoint if there is one."""

    def __init__(self, settings: dict, prepared: Prepared, checkpoints: CheckpointFolder | None):
        self._settings = settings
        self._prepared = prepared
        self._checkpoints = checkpoints
        self._booster = xgboost.Booster(prepared.parameters, [prepared.matrix])
        self._written = 0
        self._written_at = time.monotonic()
        self.state = State()

    def restore(self) -> int | None:
        """The round that the training continues after; None at a start from nothing."""
        if self._checkpoints is None:
            return None
        found = self._checkpoints.newest()
        if found is None:
            others = self._checkpoints.others()
            if others:
                print(f"{others} checkpoint(s) are of another training and stay unused", flush=True)
            return None
        self._booster = xgboost.Booster(self._prepared.parameters)
        self._booster.load_model(bytearray(found.files["model.ubj"]))
        self._booster.set_param(self._prepared.parameters)
        self.state = State(**json.loads(found.files["state.json"]))
        self._written = self.state.round
        print(f"resumed from checkpoint: round {self.state.round}", flush=True)
        return self.state.round

    def run(self, stop: object) -> bool:
        """True when all rounds are done, False when asked to stop before."""
        while not self._finished():
            if stop:
                written = self._checkpoints is not None and self._checkpoint()
                print(f"stopped after round {self.state.round}, checkpoint: {written}", flush=True)
                return False
            self._next_round()
            if self._checkpoint_due():
                self._checkpoint()
        if self._checkpoints is not None and self._written < self.state.round:
            self._checkpoint()
        return True

    def best_booster(self) -> xgboost.Booster:
        """All rounds, or with early stopping those up to the best one."""
        best = self.state.best_round
        return self._booster if best is None else self._booster[:best]

    def _finished(self) -> bool:
        state = self.state
        patience = self._settings.get("early_stopping_rounds")
        if patience and state.best_round and state.round - state.best_round >= patience:
            return True
        return state.round >= self._settings["num_round"]

    def _next_round(self) -> None:
        index = self.state.round
        self._seed(index)
        self._booster.update(self._prepared.matrix, index)
        self.state.round = index + 1
        last = self.state.round == self._settings["num_round"]
        logged = last or self.state.round == 1 or self.state.round % LOG_EVERY == 0
        watched = "early_stopping_rounds" in self._settings
        if logged or watched:
            self._evaluate(logged, watched)

    def _seed(self, index: int) -> None:
        """Makes the round's randomness a function of seed and round alone.

        XGBoost draws rows from a generator that a new seed resets, but draws columns from one inside
        its tree builder that lives as long as the builder. Naming another tree method and having the
        configuration applied drops the builder, and with it what earlier rounds left in it.
        """
        digest = hashlib.sha256(f"{self._settings['seed']}:{index}".encode()).digest()
        self._booster.set_param({"tree_method": "approx"})
        self._booster.save_config()
        self._booster.set_param(
            {"tree_method": "hist", "seed": int.from_bytes(digest[:4]) & 0x7FFFFFFF}
        )

    def _evaluate(self, logged: bool, watched: bool) -> None:
        prepared, state = self._prepared, self.state
        tables = [(prepared.matrix, "train")] if logged else []
        if prepared.validation_matrix is not None:
            tables.append((prepared.validation_matrix, "validation"))
        # "[3]\ttrain-logloss:0.51…\tvalidation-logloss:0.52…"
        text = self._booster.eval_set(tables, state.round)
        values = {
            part.split("-")[0]: float(part.rsplit(":", 1)[1]) for part in text.split("\t")[1:]
        }
        if watched and (state.best_score is None or values["validation"] < state.best_score):
            state.best_score, state.best_round = values["validation"], state.round
        if logged:
            # The log loss has one name whatever the number of classes.
            metric = prepared.metric.removeprefix("m")
            shown = "; ".join(f"{name}-{metric}={value:.6f}" for name, value in values.items())
            print(f"[{state.round}] {shown};", flush=True)

    def _checkpoint_due(self) -> bool:
        if self._checkpoints is None:
            return False
        every = self._settings.get("checkpoint_interval_rounds")
        if every and self.state.round - self._written >= every:
            return True
        return time.monotonic() - self._written_at >= self._settings["checkpoint_interval_seconds"]

    def _checkpoint(self) -> bool:
        files = {
            "model.ubj": bytes(self._booster.save_raw("ubj")),
            "state.json": json.dumps(asdict(self.state), sort_keys=True).encode(),
        }
        # A failed write is not tried again at once: the disk may be full.
        self._written_at = time.monotonic()
        self._written = self.state.round
        written = self._checkpoints.write(Checkpoint(self.state.round, files))
        if written:
            print(f"checkpoint written: round {self.state.round}", flush=True)
        return written


def predictor(booster: xgboost.Booster) -> Predict:
    """Predictions as [rows, K] float32, whatever the task."""

    def predict(rows: np.ndarray) -> np.ndarray:
        answers = booster.predict(xgboost.DMatrix(rows))
        return answers.reshape(len(rows), -1).astype(np.float32, copy=False)

    return predict
