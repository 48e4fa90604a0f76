"""Trains with the user's own train.py and hands over what it returns.

`def train(data, hyperparameters)` or `def train(data, hyperparameters, checkpoints)`: the DataFrame of the
training rows with the label, the hyperparameters of model.ts, and a folder that survives an interruption.
"""

import os
import random
import signal
import sys
import time
import zipfile
from pathlib import Path

from slipway_server.failures import UserCodeError
from slipway_trainer.contract import TrainingJob
from slipway_trainer.errors import HyperparameterError, TrainingInputError
from slipway_trainer.hyperparameters import COMMON, Choice, check
from slipway_trainer.temporary import temporary_folder

TASKS = ("binary_classification", "regression")

DECLARED = {
    **COMMON,
    "task": Choice(TASKS, required=True),
    "serving": Choice(("lambda", "container"), default="lambda"),
}


class Stopped(BaseException):
    """SIGTERM came while the user's code ran."""


def train(job: TrainingJob, raw: dict[str, object], stop: object) -> bool:
    """False when the process was asked to end. Raises UserCodeError with the user's file and line first."""
    hash_text_alike()
    started = time.monotonic()
    settings, label, users = check_hyperparameters(job, raw)
    container = settings["serving"] == "container"
    train_folder, features_folder = job.required_channel("train"), job.required_channel("features")
    program_folder = unpacked_program(job.required_channel("program"))

    from slipway_server.program import load_program
    from slipway_trainer.handover import Candidate, hand_over, require_container_columns
    from slipway_trainer.raw_tables import with_label
    from slipway_trainer.specification import read_specification

    spec = read_specification(features_folder)
    if container:
        require_container_columns(spec)
    tables = read_tables(job, train_folder, spec, container, settings["task"])
    seed_everything(settings["seed"])
    program = load_program(program_folder)
    program.hidden = {
        name: tables["train"].data[name].dropna().unique().tolist() for name in spec.hidden
    }
    if not container:
        _features_stay_outside(program, spec)
    data = with_label(program.with_features(tables["train"].data), label, tables["train"].labels)
    print(f"training on {len(data)} rows, {data.shape[1] - 1} columns", flush=True)
    try:
        fitted = fit(program, data, users, job, settings["seed"])
    except Stopped:
        print("stopped while train() ran", flush=True)
        return False
    candidate = Candidate(
        fitted,
        program,
        spec,
        settings["task"],
        label,
        container,
        settings["seed"],
        settings["parity_rows"],
    )
    hand_over(job, candidate, tables, started)
    return True


def hash_text_alike() -> None:
    """Starts this process again with one order of sets of text, which otherwise is another one each time."""
    if os.environ.get("PYTHONHASHSEED") is None:
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONHASHSEED": "0"})


def check_hyperparameters(job: TrainingJob, raw: dict[str, object]) -> tuple[dict, str, dict]:
    """The platform's own, the label's name, and the user's. Raises HyperparameterError."""
    others = {name: value for name, value in raw.items() if name not in ("label", "user", "model")}
    settings = check(others, DECLARED)
    label = job.text("label")
    if not label:
        raise HyperparameterError(
            "hyperparameter 'label' is missing; set it to the name of the label column."
        )
    users = raw.get("user", {})
    if not isinstance(users, dict):
        raise HyperparameterError(f"hyperparameter 'user' is {users!r}; set it to a JSON object.")
    return settings, label, users


def unpacked_program(channel: Path) -> Path:
    """The user's files in a folder of their own. Raises TrainingInputError."""
    archives = sorted(channel.rglob("*.zip"))
    if len(archives) != 1:
        raise TrainingInputError(
            f"channel 'program' must hold one zip of Python files; it has {len(archives)}."
        )
    folder = temporary_folder("slipway-program-")
    with zipfile.ZipFile(archives[0]) as archive:
        archive.extractall(folder)
    return folder


def read_tables(
    job: TrainingJob, train_folder: Path, spec: object, container: bool, task: str
) -> dict:
    """The rows of `train` and, where there are some, of `validation`."""
    from slipway_trainer.raw_tables import read_rows
    from slipway_trainer.tables import feature_files

    tables = {"train": read_rows("train", train_folder, spec, container)}
    validation = job.channel("validation")
    if validation is not None and feature_files(validation):
        tables["validation"] = read_rows("validation", validation, spec, container)
    if task != "regression":
        for channel, rows in tables.items():
            _check_classes(channel, rows.labels, task)
    return tables


def _check_classes(channel: str, labels: object, task: str) -> None:
    classes = sorted(set(labels.tolist()))
    wrong = [value for value in classes if value not in (0, 1)]
    if wrong:
        raise TrainingInputError(
            f"channel '{channel}', column '__label' holds {wrong[0]:g}; for task {task} a label is 0 or 1."
        )
    if channel == "train" and len(classes) < 2:
        raise TrainingInputError(
            f"channel 'train', column '__label' is {classes[0]:g} in all {len(labels)} rows; task {task} needs rows of both classes."
        )


def seed_everything(seed: int) -> None:
    """Python's, NumPy's and, where the user's code has loaded it, PyTorch's generators."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _features_stay_outside(program: object, spec: object) -> None:
    """A graph cannot run features.py; beside declared features it is only what they are tested against."""
    if program.features is not None and spec.columns is not None:
        raise UserCodeError(
            "features.py is Python, and `serving: { target: 'lambda' }` runs an ONNX graph. Serve it with `serving: "
            "{ target: 'container', memoryMb: 2048 }`, or declare its columns as `features: { declared: … }`."
        )
    program.features = None


def fit(program: object, data: object, users: dict, job: TrainingJob, seed: int) -> object:
    """What the user's train() returns. Raises UserCodeError, or Stopped when SIGTERM comes."""
    from slipway_server.program import parameters_of

    function = program.train.train
    count = parameters_of(function)
    if count not in (2, 3):
        raise UserCodeError(
            f"train.py: train() takes {count} parameters; write `def train(data, hyperparameters)`, or with a third "
            "one, checkpoints."
        )
    arguments = [data, dict(users)]
    if count == 3:
        folder = job.checkpoints() or temporary_folder("slipway-checkpoints-")
        folder.mkdir(parents=True, exist_ok=True)
        arguments.append(folder)
    # Once more: what was imported meanwhile may have drawn numbers, or be PyTorch.
    seed_everything(seed)
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        fitted = program.call(function, *arguments)
    finally:
        signal.signal(signal.SIGTERM, before)
    if fitted is None:
        raise UserCodeError(
            "train.py: train() returned None; end it with `return` and the fitted object."
        )
    return fitted


def _stop(_signal: int, _frame: object) -> None:
    raise Stopped
