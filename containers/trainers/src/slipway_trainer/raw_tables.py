"""The rows of a channel as the DataFrame that the user's code sees.

For an ONNX graph all numbers are float64 (a boolean 0 or 1, a timestamp microseconds since 1970), because
that is what the graph takes; for a container they are what the server makes of a request. Declared
features are float32 numbers in float64 columns, so that scikit-learn computes in double precision.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slipway_server.frames import TIMESTAMP
from slipway_trainer.errors import TrainingInputError
from slipway_trainer.specification import Specification
from slipway_trainer.tables import LABEL, ROW, feature_files


@dataclass(frozen=True)
class Rows:
    """`data` has no label; `labels` is float64 [rows]. In the order of the row numbers, where there are some."""

    data: pd.DataFrame
    labels: np.ndarray


def read_rows(channel: str, folder: Path, spec: Specification, container: bool) -> Rows:
    """Every row of the channel. Raises TrainingInputError naming file and column."""
    files = feature_files(folder)
    if not files:
        raise TrainingInputError(f"channel '{channel}' holds no .parquet file ({folder}).")
    table = pa.concat_tables(
        [_sorted(_read(path, spec)) for path in files], promote_options="permissive"
    )
    if not table.num_rows:
        raise TrainingInputError(
            f"channel '{channel}' has no row in {len(files)} file(s); give it at least one."
        )
    labels = _labels(channel, table)
    data = {
        name: _series(name, spec.type_of(name), table[name], container, spec) for name in spec.names
    }
    return Rows(pd.DataFrame(data, index=pd.RangeIndex(table.num_rows)), labels)


def _read(path: Path, spec: Specification) -> pa.Table:
    try:
        file = pq.ParquetFile(path)
        # Each look at the schema makes it anew.
        present = dict.fromkeys(file.schema_arrow.names)
        missing = [name for name in (*spec.names, LABEL) if name not in present]
        if missing:
            raise TrainingInputError(
                f"{path.name} lacks column '{missing[0]}'; it has {', '.join(present)[:400]}."
            )
        extra = [ROW] if ROW in present else []
        return file.read(columns=[*spec.names, LABEL, *extra])
    except (pa.ArrowInvalid, OSError) as error:
        raise TrainingInputError(f"{path.name} is not a readable Parquet file: {error}.") from error


def _sorted(table: pa.Table) -> pa.Table:
    """However the writer laid the rows out: samples and splits depend on their order."""
    return table.sort_by(ROW).drop_columns([ROW]) if ROW in table.column_names else table


def _labels(channel: str, table: pa.Table) -> np.ndarray:
    labels = _cast(LABEL, table[LABEL], pa.float64()).to_numpy()
    wrong = ~np.isfinite(labels)
    if wrong.any():
        raise TrainingInputError(
            f"channel '{channel}', column '{LABEL}' is {labels[wrong][0]} in {int(wrong.sum())} rows; every row needs a label."
        )
    return labels


def _series(
    name: str, kind: str, column: pa.ChunkedArray, container: bool, spec: Specification
) -> pd.Series:
    if kind == "string":
        values = _cast(name, column, pa.string()).to_pandas().astype(object)
        return values.where(values.notna() & (values != ""), np.nan)
    if kind == "timestamp":
        moments = _cast(name, column, pa.timestamp("us", "UTC"))
        if container:
            return moments.to_pandas().astype(TIMESTAMP)
        return _floats(name, pc.cast(moments, pa.int64()))
    whole = container and not column.null_count
    if kind == "integer" and whole:
        return pd.Series(_cast(name, column, pa.int64()).to_numpy())
    if kind == "boolean":
        flags = _cast(name, column, pa.bool_())
        return flags.to_pandas().astype(bool) if whole else _floats(name, pc.cast(flags, pa.int8()))
    numbers = _floats(name, column)
    # The graph takes declared features as float32; the training must see the same numbers.
    return numbers if spec.columns is not None else numbers.astype(np.float32).astype(np.float64)


def _floats(name: str, column: pa.ChunkedArray) -> pd.Series:
    return pd.Series(_cast(name, column, pa.float64()).to_numpy())


def _cast(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        return pc.cast(column, kind, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TrainingInputError(
            f"column '{name}' is of type {column.type} in the Parquet file; it must be {kind}."
        ) from error


def with_label(data: pd.DataFrame, name: str, labels: np.ndarray) -> pd.DataFrame:
    """The label under its own name, whole numbers as int64: as a CSV of the same rows would be read."""
    whole = np.equal(labels, np.floor(labels)).all() and np.abs(labels).max() < 2**53
    made = labels.astype(np.int64) if whole else labels
    return pd.concat([data, pd.Series(made, index=data.index, name=name)], axis=1)
