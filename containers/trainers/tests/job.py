"""One training job in a temporary folder, started through the door that SageMaker uses."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SOURCE = Path(__file__).parent.parent / "src"

DEFAULTS = {
    "trainer": "xgboost",
    "task": "binary_classification",
    "num_round": "12",
    "max_depth": "4",
    "nthread": "2",
    "seed": "7",
}


class Job:
    """Configuration and channels are written by `configure` and `channel`; `run` trains."""

    def __init__(self, base: Path):
        self.base = base
        self.checkpoints = base / "checkpoints"
        self.model = base / "model"

    def configure(self, *without: str, checkpoints: bool = True, **hyperparameters: object) -> None:
        values = {**DEFAULTS, **{name: str(value) for name, value in hyperparameters.items()}}
        self._config("hyperparameters", {n: v for n, v in values.items() if n not in without})
        self._config("resourceconfig", {"current_host": "algo-1", "hosts": ["algo-1"]})
        if checkpoints:
            self._config(
                "checkpointconfig", {"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/checkpoints"}
            )

    def features(self, count: int) -> None:
        folder = self._channel_folder("features")
        document = {"features": [{"name": f"f{i}", "kind": "numeric"} for i in range(count)]}
        (folder / "features.json").write_text(json.dumps(document))

    def channel(self, name: str, features: np.ndarray, label: object, **others: object) -> None:
        """`others` replace or add columns; None removes one."""
        columns = {
            f"f{i}": pa.array(features[:, i], pa.float32(), from_pandas=True)
            for i in range(features.shape[1])
        }
        columns |= {"__label": label, "__row": np.arange(len(features), dtype=np.int64), **others}
        table = pa.table({name: c for name, c in columns.items() if c is not None})
        pq.write_table(table, self._channel_folder(name) / "part-0.parquet")

    def start(self, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, str(SOURCE), "train"],
            env={
                "PATH": os.environ["PATH"],
                "SAGEMAKER_BASE_DIR": str(self.base),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> "Finished":
        process = self.start()
        output, errors = process.communicate(timeout=120)
        return Finished(process.returncode, output, errors, self.failure())

    def failure(self) -> str | None:
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else None

    def document(self, name: str) -> dict:
        return json.loads((self.model / name).read_text())

    def model_hash(self) -> str:
        return hashlib.sha256((self.model / "model.onnx").read_bytes()).hexdigest()

    def on_a_fresh_machine(self) -> None:
        """A spot instance is lost: of all that the job wrote, only its checkpoints come back."""
        shutil.rmtree(self.model, ignore_errors=True)
        shutil.rmtree(self.base / "output", ignore_errors=True)

    def _config(self, name: str, document: dict) -> None:
        folder = self.base / "input" / "config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(document))

    def _channel_folder(self, name: str) -> Path:
        folder = self.base / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Finished:
    def __init__(self, code: int, output: str, errors: str, failure: str | None):
        self.code = code
        self.output = output
        self.errors = errors
        self.failure = failure


class JobCase(unittest.TestCase):
    """A test with a job that is ready to train on made-up rows."""

    def setUp(self) -> None:
        self.job = self.new_job()

    def new_job(self) -> Job:
        folder = tempfile.TemporaryDirectory(prefix="slipway-trainer-")
        self.addCleanup(folder.cleanup)
        return Job(Path(folder.name))

    def assert_trained(self, finished: Finished) -> None:
        self.assertEqual(finished.code, 0, finished.errors)
        self.assertIsNone(finished.failure)

    def assert_refused(self, finished: Finished, *words: str) -> None:
        """Every word is in the failure file, and no model was left."""
        self.assertEqual(finished.code, 1, finished.output)
        for word in words:
            self.assertIn(word, finished.failure)
        self.assertLessEqual(len(finished.failure), 1024)
        self.assertIn("Traceback", finished.errors)
        self.assertFalse((self.job.model / "model.onnx").exists())


def made_rows(rows: int, features: int = 6, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Features with holes and a number that depends on them: a label is made from it."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(rows, features)).astype(np.float32)
    values[:, 0] = generator.integers(0, 18, rows)
    outcome = values[:, 1] * values[:, 2] + np.sin(values[:, 0]) + generator.normal(size=rows)
    values[generator.random(values.shape) < 0.05] = np.nan
    return values, outcome.astype(np.float64)


def kill_after(process: subprocess.Popen, checkpoints: int, seconds: float) -> list[str]:
    """SIGKILL that long after so many checkpoint lines; gives the lines that were printed."""
    lines = []
    while checkpoints and (line := process.stdout.readline()):
        lines.append(line)
        checkpoints -= line.startswith("checkpoint written")
    time.sleep(seconds)
    process.kill()
    rest, _ = process.communicate()
    return lines + rest.splitlines(keepends=True)


def kill_randomly(job: Job, times: int, seed: int) -> list[list[str]]:
    """Starts the job and kills it, so many times; gives each start's output."""
    chance = random.Random(seed)
    outputs = []
    for _ in range(times):
        # One in five dies wherever it is, often before its first round.
        if chance.random() < 0.2:
            outputs.append(kill_after(job.start(), 0, chance.uniform(0, 2)))
        else:
            outputs.append(kill_after(job.start(), chance.randint(1, 2), chance.uniform(0, 0.03)))
        job.on_a_fresh_machine()
    return outputs
