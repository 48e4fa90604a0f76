"""The user's program around a fitted object: features.py, `predict`, and what its answers must be."""

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

if __package__:
    from slipway_server.failures import UserCodeError, user_error
else:
    from failures import UserCodeError, user_error

CLASSIFICATION = "binary_classification"


@dataclass(frozen=True)
class Answers:
    """One prediction per row, and for rows that say more a JSON object of it."""

    predictions: np.ndarray
    details: list[dict | None] | None = None


@dataclass
class Program:
    """The modules in a folder. Loading twice gives the same modules."""

    folder: Path
    train: ModuleType | None
    features: ModuleType | None = None
    hidden: dict[str, list] = field(default_factory=dict)

    @property
    def has_predict(self) -> bool:
        return callable(getattr(self.train, "predict", None))

    def call(self, function: Callable, *arguments: object) -> object:
        """The function's result; an error of the user's code as UserCodeError with their line first."""
        try:
            return function(*arguments)
        except Exception as error:
            # The error itself would tell what is hidden.
            raise user_error(error, self.folder, self.hidden) from (None if self.hidden else error)

    def with_features(self, data: pd.DataFrame) -> pd.DataFrame:
        """features.py applied, where there is one: a row in, a row out."""
        if self.features is None:
            return data
        made = self.call(self.features.features, data.copy())
        if not isinstance(made, pd.DataFrame):
            raise UserCodeError(
                f"features.py: features() returned {type(made).__name__}; return the DataFrame."
            )
        if len(made) != len(data):
            raise UserCodeError(
                f"features.py: features() returned {len(made)} rows for {len(data)}; every row needs an "
                "answer, so keep them all (drop rows from the data before it comes here)."
            )
        return made

    def answers(self, fitted: object, data: pd.DataFrame, task: str) -> Answers:
        """Predictions for raw rows. Raises UserCodeError."""
        made = self.with_features(data)
        if self.has_predict:
            given = self.call(self.train.predict, fitted, made)
            where = "train.py: predict() returned"
        else:
            given = self.call(library_predict, fitted, made, task)
            where = f"predict of {type(fitted).__name__} returned"
        return checked_answers(given, len(data), task, where)


def load_program(folder: Path, required: bool = True) -> Program:
    """Imports train.py and features.py of a folder. Raises UserCodeError."""
    root = str(folder)
    if root not in sys.path:
        sys.path.insert(0, root)
    program = Program(folder, None)
    if required or (folder / "train.py").is_file():
        program.train = _module(
            program, "train", "def train(data, hyperparameters): return fitted", required
        )
    if (folder / "features.py").is_file():
        program.features = _module(program, "features", "def features(data): return data", True)
    return program


def _module(program: Program, name: str, wanted: str, with_function: bool) -> ModuleType:
    path = program.folder / f"{name}.py"
    if not path.is_file():
        raise UserCodeError(f"{name}.py is missing; write it with `{wanted}`.")
    module = program.call(importlib.import_module, name)
    if Path(module.__file__ or "").resolve() != path.resolve():
        raise UserCodeError(
            f"{name}.py: another module named '{name}' was loaded before it ({module.__file__})."
        )
    if with_function and not callable(getattr(module, name, None)):
        raise UserCodeError(f"{name}.py has no function {name}; write `{wanted}`.")
    return module


def parameters_of(function: Callable) -> int:
    """How many arguments a function takes by place."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds for p in inspect.signature(function).parameters.values())


def library_predict(fitted: object, data: pd.DataFrame, task: str) -> object:
    """What the fitted object's own library predicts: the probability of class 1, or the value."""
    library = type(fitted).__module__.split(".")[0]
    fit_on = columns_of_fit(fitted, list(data.columns))
    if fit_on:
        data = data[fit_on]
    if library == "xgboost" and type(fitted).__name__ == "Booster":
        import xgboost

        return fitted.predict(xgboost.DMatrix(data))
    if _is_network(fitted):
        return _network_predict(fitted, data)
    if task == CLASSIFICATION:
        if hasattr(fitted, "predict_proba"):
            return probability_of_one(fitted, fitted.predict_proba(data))
        if library != "lightgbm" or hasattr(fitted, "classes_"):
            raise TypeError(
                f"{type(fitted).__name__} has no predict_proba; use a model that gives probabilities, or "
                "write `def predict(fitted, data)` in train.py that returns them."
            )
    if not hasattr(fitted, "predict"):
        raise TypeError(
            f"{type(fitted).__name__} has no predict; write `def predict(fitted, data)` in train.py."
        )
    return fitted.predict(data)


def names_of_fit(fitted: object) -> list[str] | None:
    """The columns that train() gave it, in their order, where the library keeps them."""
    for attribute in ("feature_names_in_", "feature_names_", "feature_names"):
        names = getattr(fitted, attribute, None)
        if isinstance(names, (list, np.ndarray)) and len(names):
            return [str(name) for name in names]
    return None


def columns_of_fit(fitted: object, columns: list[str]) -> list[str] | None:
    """Those of the columns that it was fitted on, in its order; None where it does not say or others are among them."""
    # LightGBM keeps a name without its spaces.
    known = {
        **{name.replace(" ", "_"): name for name in columns},
        **{name: name for name in columns},
    }
    names = names_of_fit(fitted) or [""]
    return [known[name] for name in names] if all(name in known for name in names) else None


def probability_of_one(fitted: object, probabilities: object) -> np.ndarray:
    """The column of class 1, whatever the order of the classes."""
    table = np.asarray(probabilities)
    classes = list(getattr(fitted, "classes_", (0, 1)))
    if table.ndim != 2 or len(classes) != 2 or set(classes) != {0, 1}:
        raise ValueError(f"the model knows the classes {classes}; a binary label is 0 or 1.")
    return table[:, classes.index(1)]


def _is_network(fitted: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(fitted, torch.nn.Module)


def _network_predict(fitted: object, data: pd.DataFrame) -> np.ndarray:
    import torch

    text = [str(name) for name in data.columns if data[name].dtype == object]
    if text:
        raise TypeError(
            f"column '{text[0]}' is text and a network takes numbers; write `def predict(fitted, data)` in "
            "train.py, which makes them."
        )
    fitted.eval()
    with torch.inference_mode():
        return fitted(torch.from_numpy(data.to_numpy(np.float32))).reshape(len(data), -1).numpy()


def checked_answers(given: object, rows: int, task: str, where: str) -> Answers:
    """One finite number per row, a probability for a classification. Raises UserCodeError."""
    details = None
    if (
        isinstance(given, Sequence)
        and not isinstance(given, str)
        and any(isinstance(e, dict) for e in given)
    ):
        given, details = _split(given, where)
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserCodeError(
            f"{where} {type(given).__name__}; return one number per row"
            f"{' (the probability of class 1)' if task == CLASSIFICATION else ''}."
        ) from None
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (rows,):
        raise UserCodeError(f"{where} {_shape(values)} for {rows} rows; return one number per row.")
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise UserCodeError(
            f"{where} {values[wrong][0]} for {int(wrong.sum())} of {rows} rows (first: row "
            f"{int(np.argmax(wrong)) + 1}); every prediction must be a finite number."
        )
    if task == CLASSIFICATION and rows and not (values.min() >= 0 and values.max() <= 1):
        worst = values.min() if values.min() < 0 else values.max()
        raise UserCodeError(
            f"{where} {worst:g}; a prediction of a binary_classification is the probability of class 1, from 0 to 1."
        )
    return Answers(values, details)


def _shape(values: np.ndarray) -> str:
    return (
        "a single number" if values.ndim == 0 else f"{' x '.join(map(str, values.shape))} numbers"
    )


def _split(given: Sequence, where: str) -> tuple[list, list[dict | None]]:
    predictions, details = [], []
    for index, row in enumerate(given):
        if not isinstance(row, dict):
            predictions.append(row)
            details.append(None)
            continue
        if "prediction" not in row:
            raise UserCodeError(f"{where} a dict without 'prediction' for row {index + 1}; add it.")
        predictions.append(row["prediction"])
        rest = {name: value for name, value in row.items() if name != "prediction"}
        details.append(_json(rest, where, index) or None)
    return predictions, details


def _json(value: object, where: str, row: int) -> object:
    """numpy's numbers as Python's; anything that JSON does not have is refused."""
    if isinstance(value, dict):
        return {str(name): _json(item, where, row) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item, where, row) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _json(value.tolist(), where, row)
    finite = not isinstance(value, float) or math.isfinite(value)
    if (value is None or isinstance(value, (str, bool, int, float))) and finite:
        return value
    raise UserCodeError(
        f"{where} {value!r:.40} ({type(value).__name__}) for row {row + 1}; only what JSON has can be answered."
    )
