"""Proof that a graph of columns or features predicts what the fitted object predicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pandas as pd

from slipway_server.failures import UserCodeError
from slipway_server.frames import wire_values
from slipway_trainer.errors import ParityError
from slipway_trainer.onnx_trees import INPUT, OUTPUT
from slipway_trainer.probes import probes, sample
from slipway_trainer.specification import Specification

# parity.json is read whenever a version is loaded.
DOCUMENT_VALUES = 100_000
DOCUMENT_TEXT = 1_000_000

# float64 [rows] of the fitted object. Raises UserCodeError.
Predict = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Proof:
    """Over all rows that were compared."""

    rows: int
    largest_difference: float
    skipped: list[str]


class Session:
    """A graph, as the platform runs it."""

    def __init__(self, model: bytes, spec: Specification):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._spec = spec

    def predict(self, data: pd.DataFrame) -> np.ndarray:
        """float32 [rows]."""
        return self._session.run([OUTPUT], graph_inputs(data, self._spec))[0][:, 0]


def graph_inputs(data: pd.DataFrame, spec: Specification) -> dict[str, np.ndarray]:
    """The tensors of rows: text '' and number NaN where there is none."""
    if spec.columns is None:
        return {INPUT: data.to_numpy(np.float32)}
    numbers = [c["name"] for c in spec.columns if c["type"] != "string"]
    # At once: column by column a wide table takes seconds.
    matrix = data[numbers].to_numpy(np.float64)
    made = {name: matrix[:, place : place + 1] for place, name in enumerate(numbers)}
    for name in (c["name"] for c in spec.columns if c["type"] == "string"):
        values = data[name]
        made[name] = values.where(values.notna(), "").to_numpy(object).reshape(-1, 1)
    return made


def prove(
    session: Session, predict: Predict, rows: pd.DataFrame, spec: Specification,
    thresholds: Mapping[str, Sequence[float]], tolerance: tuple[float, float], seed: int,
) -> Proof:  # fmt: skip
    """Compares rows of the data, then rows made to differ. Raises ParityError for the worst row."""
    largest = compare(session.predict(rows), predict(rows), rows, tolerance, spec, None)
    probed = list(probes(rows, thresholds, spec.columns is None, seed))
    answerable, skipped = _answerable(predict, probed)
    if answerable:
        made = pd.concat(answerable, ignore_index=True)
        largest = max(
            largest,
            compare(session.predict(made), predict(made), made, tolerance, spec, "made to differ"),
        )
    return Proof(len(rows) + sum(map(len, answerable)), largest, skipped)


def _answerable(
    predict: Predict, probed: list[tuple[str, pd.DataFrame]]
) -> tuple[list[pd.DataFrame], list[str]]:
    """The rows that the fitted object answers, and what it refuses: there is nothing to compare with.

    All are tried at once, because a call costs more than its rows; only where that fails, half of them.
    """
    if not probed:
        return [], []
    try:
        predict(pd.concat([made for _, made in probed], ignore_index=True))
        return [made for _, made in probed], []
    except UserCodeError:
        if len(probed) == 1:
            return [], [probed[0][0]]
    half = len(probed) // 2
    first, second = _answerable(predict, probed[:half]), _answerable(predict, probed[half:])
    return first[0] + second[0], first[1] + second[1]


def compare(
    got: np.ndarray, wanted: np.ndarray, rows: pd.DataFrame, tolerance: tuple[float, float],
    spec: Specification, what: str | None,
) -> float:  # fmt: skip
    """The largest absolute difference, of float32 numbers. Raises ParityError."""
    absolute, relative = tolerance
    target = wanted.astype(np.float32).astype(np.float64)
    differences = np.abs(got.astype(np.float64) - target)
    excess = differences - (absolute + relative * np.abs(target))
    # Written so that NaN counts as a difference.
    bad = ~(excess <= 0)
    if bad.any():
        worst = int(np.argmax(np.where(np.isnan(excess), np.inf, excess)))
        raise ParityError(
            f"the graph differs from the fitted object in {int(bad.sum())} of {len(rows)} rows"
            f"{f' that were {what}' if what else ''}; the worst: {got[worst]:.8g} instead of {target[worst]:.8g} for "
            f"{described(rows, worst, spec)}. At most {absolute:g} + {relative:g} of the prediction is allowed; the "
            "model is not handed over. Serve the fitted object itself with `serving: { target: 'container', "
            "memoryMb: 2048 }`, or change the step that differs."
        )
    return float(differences.max(initial=0.0))


def described(rows: pd.DataFrame, row: int, spec: Specification) -> str:
    """A row in a message; what is sensitive stays out."""
    hidden = set(spec.hidden)
    shown = {
        name: "…"
        if name in hidden
        else _short(wire_values(spec.type_of(name), rows[name].iloc[[row]])[0])
        for name in list(rows.columns)[:12]
    }
    more = f", and {rows.shape[1] - 12} more" if rows.shape[1] > 12 else ""
    return ", ".join(f"{name}={value}" for name, value in shown.items()) + more


def _short(value: object) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def parity_document(
    predict: Predict,
    data: pd.DataFrame,
    spec: Specification,
    tolerance: tuple[float, float],
    rows: int,
    seed: int,
) -> dict[str, object]:
    """parity.json: rows as a caller sends them, with the fitted object's predictions as float32."""
    chosen = sample(data, max(1, min(rows, DOCUMENT_VALUES // data.shape[1])), seed)
    texts = chosen.select_dtypes(object)
    length = (
        int(texts.map(lambda v: len(v) if isinstance(v, str) else 4).to_numpy().sum())
        if texts.shape[1]
        else 0
    )
    if length > DOCUMENT_TEXT:
        chosen = sample(chosen, max(1, len(chosen) * DOCUMENT_TEXT // length), seed)
    answers = predict(chosen).astype(np.float32).astype(np.float64)
    if spec.columns is None:
        values = wire_values("number", pd.Series(chosen.to_numpy().ravel()))
        given: dict[str, object] = {"name": INPUT, "shape": list(chosen.shape), "data": values}
    else:
        columns = {name: wire_values(spec.type_of(name), chosen[name]) for name in spec.names}
        given = {"columns": columns, "rows": len(chosen)}
    return {
        "input": given,
        "output": {"name": OUTPUT, "shape": [len(answers), 1], "data": answers.tolist()},
        "tolerance": tolerance[0],
        "relativeTolerance": tolerance[1],
    }
