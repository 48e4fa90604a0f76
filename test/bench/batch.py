"""Makes flights and a model for the batch bench, and scores them as a Python person would.

Usage: batch.py make FOLDER ROWS      flights.parquet (ROWS flights, seeded), model.onnx, features.json
       batch.py score FOLDER [ids]    reads, computes the features, runs ONNX Runtime, writes; tells the seconds;
                                      with ids also the columns that Slipway writes beside the prediction
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ORIGINS = ["ATL", "BOS", "EWR", "JFK", "MIA"]
DESTINATIONS = ["DEN", "DFW", "LAX", "ORD", "SEA", "SFO"]
SEED = 20261126
ROWS_OF_A_RUN = 4096


def flights(rows: int) -> pa.Table:
    random = np.random.default_rng(SEED)
    minutes = random.integers(0, 58 * 24 * 60, rows)
    distance = random.integers(200, 2700, rows).astype(np.float64)
    return pa.table({
        "flight_id": pa.array([f"F{i}" for i in range(rows)]),
        "date": pa.array((np.datetime64("2001-01-01T00:00") + minutes.astype("timedelta64[m]")).astype("datetime64[us]")),
        "origin": pa.array(np.array(ORIGINS)[random.integers(0, len(ORIGINS), rows)]),
        "destination": pa.array(np.array(DESTINATIONS)[random.integers(0, len(DESTINATIONS), rows)]),
        "distance": pa.array(distance, mask=random.random(rows) < 0.01),
    })


def features(table: pa.Table) -> np.ndarray:
    """The features of models/flight-delay: two codes, a number, the day of the week; NaN is missing."""

    def codes(name: str, words: list[str]) -> np.ndarray:
        at = pc.index_in(table[name], value_set=pa.array(words))
        return at.cast(pa.float32()).to_numpy(zero_copy_only=False)

    distance = table["distance"].cast(pa.float32()).to_numpy(zero_copy_only=False)
    day = pc.day_of_week(table["date"], count_from_zero=False).cast(pa.float32())
    columns = [codes("origin", ORIGINS), codes("destination", DESTINATIONS), distance]
    return np.column_stack([*columns, day.to_numpy(zero_copy_only=False)]).astype(np.float32)


def make(folder: Path, rows: int) -> None:
    import xgboost

    sys.path.insert(0, str(Path(__file__).parents[2] / "containers" / "trainers" / "src"))
    from slipway_trainer.onnx_trees import to_onnx
    from xgboost_trees import to_ensemble

    table = flights(rows)
    pq.write_table(table, folder / "flights.parquet")
    sample = table.slice(0, 20_000)
    matrix = features(sample)
    random = np.random.default_rng(SEED)
    late = random.random(len(matrix)) < 0.05 + 0.16 * matrix[:, 0] + 0.01 * matrix[:, 1]
    data = xgboost.DMatrix(matrix, label=late)
    settings = {"objective": "binary:logistic", "eta": 0.1, "max_depth": 6, "seed": 7, "nthread": 1}
    booster = xgboost.train(settings, data, num_boost_round=200)
    onnx = to_onnx(to_ensemble(booster))
    (folder / "model.onnx").write_bytes(onnx)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    first = matrix[:16]
    answers = session.run(["prediction"], {"features": first})[0].ravel()
    rows_of_sample = [[None if np.isnan(x) else float(x) for x in row] for row in first]
    (folder / "sample.json").write_text(json.dumps({"rows": rows_of_sample, "answers": answers.tolist()}))


def with_ids(table: pa.Table) -> pa.Table:
    rows = pa.array(np.arange(table.num_rows, dtype=np.int64))
    version = pa.array(np.full(table.num_rows, 1, dtype=np.int32))
    prefix = "flight-delay-v1-00000000000000000000000000-"
    ids = pc.binary_join_element_wise(pa.scalar(prefix), rows.cast(pa.string()), "")
    more = (("prediction_id", ids), ("model_version", version), ("__row", pc.add(rows, 1)))
    for name, column in more:
        table = table.append_column(name, column)
    return table


def score(folder: Path, ids: bool) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    started, cpu = time.perf_counter(), time.process_time()
    table = pq.read_table(folder / "flights.parquet")
    read = time.perf_counter()
    matrix = features(table)
    computed = time.perf_counter()
    runs = [session.run(["prediction"], {"features": matrix[at : at + ROWS_OF_A_RUN]})[0].ravel()
            for at in range(0, len(matrix), ROWS_OF_A_RUN)]
    predictions = np.concatenate(runs)
    ran = time.perf_counter()
    result = table.append_column("prediction", pa.array(predictions))
    pq.write_table(with_ids(result) if ids else result, folder / "python.parquet", compression="zstd")
    ended = time.perf_counter()
    print(json.dumps({"rows": len(matrix), "seconds": ended - started, "cpuSeconds": time.process_time() - cpu,
                      "read": read - started, "features": computed - read, "run": ran - computed,
                      "write": ended - ran}))


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    make(folder, int(sys.argv[3])) if what == "make" else score(folder, "ids" in sys.argv[3:])
