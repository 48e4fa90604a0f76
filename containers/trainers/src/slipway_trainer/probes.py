"""Rows that would show a graph that differs: missing, unknown, extreme, and at the trees' thresholds."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

UNSEEN = "a value that no training row has"

# Of each kind and column; what is probed at most, rows and values.
ROWS_EACH = 20
ROWS_AT_MOST = 20_000
VALUES_AT_MOST = 4_000_000
COLUMNS_AT_MOST = 100


def sample(data: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """A seeded sample without repetition, in the order of the table."""
    count = max(1, min(rows, len(data), VALUES_AT_MOST // data.shape[1]))
    chosen = np.random.default_rng(seed).choice(len(data), count, replace=False)
    return data.iloc[np.sort(chosen)].reset_index(drop=True)


def probes(
    rows: pd.DataFrame, thresholds: Mapping[str, Sequence[float]], single: bool, seed: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """What is probed, and rows for it. `single`: the inputs are float32 numbers."""
    random = np.random.default_rng(seed)
    names = list(rows.columns)
    most = max(5, min(COLUMNS_AT_MOST, VALUES_AT_MOST // (2 * ROWS_EACH * len(names))))
    if len(names) > most:
        names = [names[i] for i in np.sort(random.choice(len(names), most, replace=False))]
    # What a model refuses, it refuses of all columns: kind by kind, so that it is found in few calls.
    for name in names:
        few = _few(rows, random)
        gone = pd.Series(np.nan, index=few.index, dtype=rows[name].dtype)
        yield f"'{name}' missing", few.assign(**{name: gone})
    for name in names:
        few = _few(rows, random)
        if rows[name].dtype == object:
            yield f"'{name}' a new value", few.assign(**{name: UNSEEN})
        else:
            seen = rows[name].to_numpy()
            ends = [np.nanmin(seen) - 1, np.nanmax(seen) + 1] if np.isfinite(seen).any() else [0.0]
            yield (
                f"'{name}' beyond what was seen",
                _with(few, name, np.resize(ends, len(few)), single),
            )
    left = min(ROWS_AT_MOST, max(1, VALUES_AT_MOST // rows.shape[1]))
    each = max(5, left // max(1, len(thresholds)))
    for name, values in thresholds.items():
        near = _near(np.asarray(values), single)
        near = (
            near
            if len(near) <= each
            else near[np.sort(random.choice(len(near), each, replace=False))]
        )
        made = rows.iloc[random.integers(len(rows), size=len(near))].reset_index(drop=True)
        yield f"'{name}' at a threshold", _with(made, name, near, single)


def _few(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    return rows.iloc[random.integers(len(rows), size=min(ROWS_EACH, len(rows)))].reset_index(
        drop=True
    )


def _near(thresholds: np.ndarray, single: bool) -> np.ndarray:
    """Each threshold and its neighbours, in float32 and, where the input has it, in double precision."""
    narrow = thresholds.astype(np.float32)
    low, high = np.float32(-np.inf), np.float32(np.inf)
    made = [narrow, np.nextafter(narrow, low), np.nextafter(narrow, high)]
    if not single:
        made += [thresholds, np.nextafter(thresholds, -np.inf), np.nextafter(thresholds, np.inf)]
    return np.unique(np.concatenate([each.astype(np.float64) for each in made]))


def _with(rows: pd.DataFrame, name: str, values: np.ndarray, single: bool) -> pd.DataFrame:
    made = values.astype(np.float32).astype(np.float64) if single else values
    return rows.assign(**{name: made})
