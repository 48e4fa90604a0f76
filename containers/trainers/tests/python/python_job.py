"""A job of the trainer `python`: raw columns, a program, and the platform's way to answer rows."""

import json
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent.parent))

from job import SOURCE, Finished, Job, JobCase  # noqa: E402

TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}

COLUMNS = {
    "plan": "string",
    "home city": "string",
    "age": "number",
    "balance $": "number",
    "visits": "integer",
}


def made_frame(rows: int = 600, seed: int = 1) -> pd.DataFrame:
    """Raw rows with holes, and the label `left` that depends on them."""
    random = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "plan": random.choice(["basic", "plus", "pro"], rows).astype(object),
            "home city": random.choice(["Oslo", "São Paulo", "Łódź", "Kyoto"], rows).astype(object),
            "age": random.normal(45, 12, rows),
            "balance $": random.normal(0, 1e4, rows),
            "visits": random.integers(0, 30, rows).astype(float),
        }
    )
    score = (
        (data["age"] - 45) / 12
        + (data["plan"] == "pro")
        - data["visits"] / 30
        + random.normal(size=rows)
    )
    for name, share in (("plan", 0.05), ("age", 0.1)):
        data.loc[random.random(rows) < share, name] = np.nan
    return data.assign(left=(score > 0).astype(float), value=score * 1000 + data["balance $"])


class PythonJob(Job):
    """`program` writes the user's files; `table` the rows and features.json."""

    def program(self, train: str, **others: str) -> None:
        archive = self._channel_folder("program") / "program.zip"
        with zipfile.ZipFile(archive, "w") as zipped:
            for name, text in {"train": train, **others}.items():
                zipped.writestr(f"{name}.py", textwrap.dedent(text).lstrip())

    def configured(self, **hyperparameters: object) -> None:
        values = {
            "trainer": "python", "task": "binary_classification", "seed": "7", "label": "left", "serving": "lambda",
            "user": "{}", **{n: v if isinstance(v, str) else json.dumps(v) for n, v in hyperparameters.items()},
        }  # fmt: skip
        self._config("hyperparameters", values)
        self._config("checkpointconfig", {"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/checkpoints"})

    def table(
        self,
        data: pd.DataFrame,
        columns: dict[str, str],
        label: str = "left",
        channel: str = "train",
    ) -> None:
        """Raw columns, as `features: { inModel }` has them."""
        document = {
            "input": "columns",
            "features": [],
            "columns": [{"name": n, "type": t} for n, t in columns.items()],
        }
        (self._channel_folder("features") / "features.json").write_text(json.dumps(document))
        arrays = {
            n: pa.array(data[n].tolist(), TYPES[t], from_pandas=True) for n, t in columns.items()
        }
        self._parquet(arrays, data[label], channel)

    def declared(self, data: pd.DataFrame, names: list[str], label: str = "left") -> None:
        """Declared features, as float32."""
        document = {"features": [{"name": name} for name in names]}
        (self._channel_folder("features") / "features.json").write_text(json.dumps(document))
        arrays = {
            n: pa.array(data[n].to_numpy(np.float32), pa.float32(), from_pandas=True) for n in names
        }
        self._parquet(arrays, data[label], "train")

    def _parquet(self, arrays: dict, label: pd.Series, channel: str) -> None:
        table = pa.table({**arrays, "__label": pa.array(label.to_numpy(np.float64))})
        pq.write_table(table, self._channel_folder(channel) / "part-0.parquet")

    def graph(self) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(str(self.model / "model.onnx"))


def answered(
    session: onnxruntime.InferenceSession, data: pd.DataFrame, columns: dict[str, str]
) -> np.ndarray:
    """The graph's predictions, with tensors made here of nothing but the contract."""
    inputs = {}
    for name, kind in columns.items():
        if kind == "string":
            cells = [["" if pd.isna(v) else v] for v in data[name]]
            inputs[name] = np.array(cells, object)
        else:
            inputs[name] = data[name].to_numpy(np.float64).reshape(-1, 1)
    return session.run(["prediction"], inputs)[0][:, 0]


class PythonCase(JobCase):
    """A test with a job of the trainer `python`."""

    def new_job(self) -> PythonJob:
        made = super().new_job()
        made.__class__ = PythonJob
        return made

    def fails(self, finished: Finished, *words: str) -> str:
        """The failure file has every word, no model was left; gives its first line."""
        self.assertEqual(finished.code, 1, finished.output + finished.errors)
        for word in words:
            self.assertIn(word, finished.failure)
        self.assertLessEqual(len(finished.failure), 1024)
        for name in ("model.onnx", "model.tar.gz", "metrics.json"):
            self.assertFalse((self.job.model / name).exists(), name)
        return finished.failure.splitlines()[0]


__all__ = ["COLUMNS", "SOURCE", "PythonCase", "PythonJob", "answered", "made_frame"]
