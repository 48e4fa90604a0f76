"""The feature files of a channel as one matrix, checked before anything is trained on them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slipway_trainer.errors import TrainingInputError

LABEL = "__label"
ROW = "__row"


@dataclass(frozen=True)
class Table:
    """`features` is float32 [rows, features] with NaN = missing; `labels` is float64 [rows].

    Rows are in the order of their row numbers within each file, files in the order of their names,
    however the writer laid them out: quantiles and samples depend on it.
    """

    features: np.ndarray
    labels: np.ndarray


def feature_names(folder: Path) -> list[str]:
    """Names in features.json, in the order of the model's input.

    A categorical feature is the number of its category (missing = a value not seen in training)
    and is split by order like any other: that is exact in ONNX, where category sets are not.
    """
    path = folder / "features.json"
    if not path.is_file():
        raise TrainingInputError(f"channel 'features' has no features.json in {folder}.")
    try:
        names = [feature["name"] for feature in json.loads(path.read_bytes())["features"]]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingInputError(
            f'{path} must hold {{"features": [{{"name": …}}, …]}}: {type(error).__name__} {error}.'
        ) from error
    if not names or len(set(names)) != len(names):
        raise TrainingInputError(f"{path} must name at least one feature, each once; it has {names}.")
    return names


def feature_files(folder: Path) -> list[Path]:
    """The channel's Parquet files in the order of their names."""
    return sorted(folder.rglob("*.parquet"))


def read_table(channel: str, folder: Path, names: Sequence[str]) -> Table:
    """Every row of the channel. Raises TrainingInputError naming file, column, row and fix."""
    files = feature_files(folder)
    if not files:
        raise TrainingInputError(f"channel '{channel}' holds no .parquet file ({folder}).")
    parts = [_read_file(path, names) for path in files]
    table = Table(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )
    if not len(table.labels):
        raise TrainingInputError(
            f"channel '{channel}' has no row in {len(files)} file(s); give it at least one."
        )
    return table


def _read_file(path: Path, names: Sequence[str]) -> Table:
    try:
        file = pq.ParquetFile(path)
        # Each look at the schema makes it anew, which of thousands of columns takes minutes.
        present = dict.fromkeys(file.schema_arrow.names)
        missing = [name for name in (*names, LABEL, ROW) if name not in present]
        if missing:
            raise TrainingInputError(
                f"{path.name} lacks column '{missing[0]}'; it has {', '.join(present)}."
            )
        table = file.read(columns=[*names, LABEL, ROW])
    except (pa.ArrowInvalid, OSError) as error:
        raise TrainingInputError(f"{path.name} is not a readable Parquet file: {error}.") from error
    order = np.argsort(_numbers(path, table, ROW, np.int64), kind="stable")
    labels = _numbers(path, table, LABEL, np.float64)[order]
    _require_finite(path, LABEL, labels, np.isfinite(labels), order)
    features = np.empty((len(order), len(names)), np.float32)
    for index, name in enumerate(names):
        features[:, index] = _numbers(path, table, name, np.float32)[order]
        _require_finite(path, name, features[:, index], ~np.isinf(features[:, index]), order)
    return Table(features, labels)


def _numbers(path: Path, table: pa.Table, name: str, dtype: type) -> np.ndarray:
    column = table[name]
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if not numeric:
        raise TrainingInputError(
            f"{path.name}, column '{name}' is of type {column.type}; it must be numeric."
        )
    if dtype is np.int64:
        if not pa.types.is_integer(column.type) or column.null_count:
            raise TrainingInputError(
                f"{path.name}, column '{name}' must hold an integer in every row "
                f"(type {column.type}, {column.null_count} empty)."
            )
        return column.to_numpy().astype(np.int64, copy=False)
    with np.errstate(over="ignore"):
        # Arrow turns null into NaN only for floating columns.
        return pc.cast(column, pa.float64(), safe=False).to_numpy().astype(dtype, copy=False)


def _require_finite(
    path: Path, name: str, values: np.ndarray, good: np.ndarray, order: np.ndarray
) -> None:
    if good.all():
        return
    first = int(np.argmin(good))
    raise TrainingInputError(
        f"{path.name}, column '{name}', row {int(order[first]) + 1} is {values[first]}; "
        + ("every row needs a label." if name == LABEL else "it must fit a 32-bit float or be empty.")
    )
