"""Rows as JSON has them: from a pandas DataFrame, or from dicts."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

from slipway_client._errors import InvalidRequestError, Problem

if TYPE_CHECKING:
    import pandas

Row = Mapping[str, Any]

_ROWS_AT_A_TIME = 1_000


def is_frame(data: object) -> TypeGuard[pandas.DataFrame]:
    """Whoever has a frame has imported pandas, which this package does without."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def rows_of(data: Any) -> Iterator[Row]:
    """The rows of a frame, or the dicts of a list, one after the other, so that few are held at a time.

    Raises TypeError or ValueError where the data is neither.
    """
    if is_frame(data):
        return _rows_of_frame(data)
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Sequence):
        raise TypeError(f"give a pandas DataFrame or a list of dicts, one per row (received {type(data).__name__})")
    return _checked_rows(data)


def _checked_rows(data: Sequence[Any]) -> Iterator[Row]:
    for position, row in enumerate(data):
        if not isinstance(row, Mapping):
            raise TypeError(f"row {position} is a {type(row).__name__}; give a dict of column to value")
        yield row


def _rows_of_frame(frame: pandas.DataFrame) -> Iterator[Row]:
    names = list(frame.columns)
    wrong = next((name for name in names if not isinstance(name, str)), None)
    if wrong is not None:
        raise ValueError(f"the frame's column names must be text (one is {wrong!r}); rename them")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise ValueError(f"the frame has two columns {twice!r}; rename or drop one")
    return _blocks(frame, names)


def _blocks(frame: pandas.DataFrame, names: list[str]) -> Iterator[Row]:
    for start in range(0, len(frame), _ROWS_AT_A_TIME):
        block = frame.iloc[start : start + _ROWS_AT_A_TIME]
        columns = [block[name].tolist() for name in names]
        for values in zip(*columns, strict=True):
            yield dict(zip(names, values, strict=True))


def encoded(rows: Iterable[Row]) -> Iterator[bytes]:
    """Each row as a JSON object in UTF-8.

    Raises InvalidRequestError, naming row and field, where a value has no form in JSON.
    """
    for position, row in enumerate(rows):
        values = {}
        for name, value in row.items():
            try:
                values[name] = plain(value)
            except ValueError as error:
                raise InvalidRequestError([Problem(position, name, str(error))]) from None
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            yield text.encode()
        except UnicodeEncodeError:
            raise InvalidRequestError([Problem(position, None, "holds text that is not Unicode")]) from None


def plain(value: Any) -> str | float | bool | None:
    """A value of Python, NumPy or pandas as JSON has it.

    What is missing (None, NaN, NaT, pandas.NA) becomes None, and an instant ISO 8601 in UTC; one without a
    zone counts as UTC, and what is finer than a microsecond is cut off.
    Raises ValueError saying what to send instead.
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, (str, bool)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (float, Decimal)):
        return _number(float(value))
    if isinstance(value, int):
        return int(value)
    return _numpy(value)


def _number(value: float) -> float | None:
    if math.isinf(value):
        raise ValueError(f"is {value}; send a finite number, or None where there is none")
    return None if math.isnan(value) else value


def _instant(value: datetime) -> str:
    # A Timestamp of pandas has nanoseconds, and its isoformat would write them.
    exact = value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
    try:
        zoned = exact.replace(tzinfo=UTC) if exact.tzinfo is None else exact.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"is {exact.isoformat()}, which is no year that UTC has here; send another") from None
    return f"{zoned.replace(tzinfo=None).isoformat()}Z"


def _numpy(value: Any) -> str | float | bool | None:
    kind = str(getattr(getattr(value, "dtype", None), "kind", "")) if getattr(value, "shape", None) == () else ""
    if kind == "b":
        return bool(value)
    if kind in ("i", "u"):
        return int(value)
    if kind == "f":
        return _number(float(value))
    if kind == "M":
        return plain(value.astype("datetime64[us]").item())
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise ValueError("is bytes, which JSON has not; send text, as in base64.b64encode(value).decode()")
    raise ValueError(
        f"is a {type(value).__name__}; send text, a number, a bool, a date or an instant, or None where there is none"
    )
