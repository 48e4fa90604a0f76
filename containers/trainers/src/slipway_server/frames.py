"""Rows as a caller sends them → the DataFrame that the user's code sees.

Types of model.ts become: string → object with NaN where there is none, integer → int64, number → float64,
boolean → bool, timestamp → datetime64[us, UTC]. An integer or boolean column that had missing values in
training is float64 ("floating"), as pandas.read_csv gives it, whether this request misses some or not.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

TIMESTAMP = "datetime64[us, UTC]"


class RowsError(Exception):
    """A request that cannot be read; the message names row, column and fix, never the value."""


def frame_of(columns: Sequence[Mapping], records: Sequence[Mapping]) -> pd.DataFrame:
    """One row per record, columns in the order of model.ts. An absent column is missing."""
    data = {
        column["name"]: series_of(
            column["name"],
            column["type"],
            [record.get(column["name"]) for record in records],
            column.get("floating", False),
        )
        for column in columns
    }
    return pd.DataFrame(data, index=pd.RangeIndex(len(records)))


def series_of(name: str, kind: str, values: Sequence[object], floating: bool) -> pd.Series:
    """`values` are JSON's: None = missing; timestamps as ISO 8601 text."""
    missing = [_missing(value) for value in values]
    if kind == "string":
        return pd.Series(
            [np.nan if gone else str(value) for gone, value in zip(missing, values, strict=True)],
            dtype=object,
        )
    if kind == "timestamp":
        return _timestamps(
            name, [None if gone else v for gone, v in zip(missing, values, strict=True)]
        )
    try:
        numbers = [np.nan if gone else value for gone, value in zip(missing, values, strict=True)]
        exact = not floating and not any(missing)
        if kind == "integer" and exact:
            return pd.Series([int(value) for value in numbers], dtype=np.int64)
        if kind == "boolean" and exact:
            return pd.Series([bool(value) for value in numbers], dtype=bool)
        return pd.Series([float(value) for value in numbers], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        row = next(i for i, value in enumerate(values) if not _is_number(value))
        raise RowsError(f"row {row + 1}, column '{name}' must be of type {kind} or null.") from None


def _timestamps(name: str, values: Sequence[object]) -> pd.Series:
    parsed = pd.to_datetime(
        pd.Series(values, dtype=object), utc=True, format="ISO8601", errors="coerce"
    )
    wrong = [
        i
        for i, (value, at) in enumerate(zip(values, parsed, strict=True))
        if value is not None and pd.isna(at)
    ]
    if wrong:
        raise RowsError(
            f"row {wrong[0] + 1}, column '{name}' must be a timestamp as ISO 8601 text, such as 2024-05-31T12:00:00Z."
        )
    return parsed.astype(TIMESTAMP)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or value == ""


def _is_number(value: object) -> bool:
    try:
        return value is None or math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def wire_values(kind: str, values: pd.Series) -> list:
    """A column as JSON has it, null = missing: what a caller would send."""
    if kind == "timestamp":
        if values.dtype == np.float64:
            values = pd.to_datetime(values, unit="us", utc=True)
        return [None if pd.isna(at) else at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for at in values]
    made = {"boolean": bool, "integer": int, "number": float, "string": str}[kind]
    return [None if _missing(value) else made(value) for value in values.tolist()]
