"""Rows for a model that came without any: what its own graph tells of them, and chance."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from slipway_server.frames import frame_of
from slipway_trainer.specification import Specification

UNKNOWN = "a value of no category"
SECOND_MICROSECONDS = 1_000_000
YEAR_2020_SECONDS, YEAR_2026_SECONDS = 1_577_836_800, 1_767_225_600


def made_rows(
    spec: Specification, rows: int, seed: int, thresholds: Mapping[str, Sequence[float]],
    categories: Mapping[str, Sequence], container: bool,
) -> pd.DataFrame:  # fmt: skip
    """Rows without a missing value, of the types of the contract."""
    random = np.random.default_rng(seed)
    if spec.columns is None:
        data = {n: _numbers(random, rows, n, thresholds, categories) for n in spec.names}
        return pd.DataFrame({n: v.astype(np.float32).astype(np.float64) for n, v in data.items()})
    made = {}
    for column in spec.columns:
        name, kind = column["name"], column["type"]
        if kind == "string":
            made[name] = random.choice([*map(str, categories.get(name, ())), UNKNOWN], rows).astype(
                object
            )
        elif kind == "boolean":
            made[name] = random.integers(0, 2, rows).astype(np.float64)
        elif kind == "timestamp":
            seconds = random.integers(YEAR_2020_SECONDS, YEAR_2026_SECONDS, rows)
            made[name] = (seconds * SECOND_MICROSECONDS).astype(np.float64)
        else:
            values = _numbers(random, rows, name, thresholds, categories)
            made[name] = np.round(values) if kind == "integer" else values
    data = pd.DataFrame(made)
    return _as_sent(data, spec) if container else data


def _numbers(
    random: np.random.Generator,
    rows: int,
    name: str,
    thresholds: Mapping[str, Sequence[float]],
    categories: Mapping[str, Sequence],
) -> np.ndarray:
    """About as large as what the model compares with; else small and, for some, large."""
    if categories.get(name):
        return random.choice(np.asarray(categories[name], np.float64), rows)
    known = np.asarray(thresholds.get(name, ()), np.float64)
    if len(known):
        spread = known.std() if len(known) > 1 else abs(float(known[0])) + 1
        return random.choice(known, rows) + random.normal(0, spread / 4 + 1e-3, rows)
    return random.normal(size=rows) * random.choice([1.0, 10.0, 100.0], rows)


def _as_sent(data: pd.DataFrame, spec: Specification) -> pd.DataFrame:
    """The types that the server makes of a request."""
    times = [c["name"] for c in spec.columns or [] if c["type"] == "timestamp"]
    for name in times:
        stamps = pd.to_datetime(data[name], unit="us", utc=True)
        data[name] = stamps.map(lambda at: at.isoformat())
    return frame_of(spec.columns or [], data.to_dict("records"))
