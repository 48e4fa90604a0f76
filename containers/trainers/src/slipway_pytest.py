"""Fixtures for a model's own tests: its sample rows as a training reads them, and what train() makes of them.

`slipway test` loads this with pytest. tests/sample.csv is read and its features are computed by the platform's
own code, so that a test of pandas code against declared features compares with what will be served.
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slipway_server.program import load_program, parameters_of
from slipway_trainer.raw_tables import read_rows, with_label
from slipway_trainer.specification import read_specification

NO_SAMPLE = "there is no tests/sample.csv: put some rows with a header there, the label included"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Says how many tests there were, for the command that ran them."""
    report = os.environ.get("SLIPWAY_TEST_REPORT")
    if report is None:
        return
    stats = session.config.pluginmanager.get_plugin("terminalreporter").stats
    counts = {kind: len(stats.get(kind, ())) for kind in ("passed", "failed", "error", "skipped")}
    Path(report).write_text(json.dumps(counts), encoding="utf-8")


@pytest.fixture(scope="session")
def _context() -> dict:
    return json.loads(Path(os.environ["SLIPWAY_TEST_CONTEXT"]).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def _channels(_context: dict) -> Path:
    if _context["channels"] is None:
        pytest.skip(NO_SAMPLE)
    return Path(_context["channels"])


@pytest.fixture(scope="session")
def label(_context: dict) -> str:
    """Name of the label column."""
    return _context["label"]


@pytest.fixture(scope="session")
def task(_context: dict) -> str:
    """binary_classification or regression."""
    return _context["task"]


@pytest.fixture(scope="session")
def hyperparameters(_context: dict) -> dict:
    """Those of model.ts."""
    return _context["hyperparameters"]


@pytest.fixture(scope="session")
def data(_context: dict, _channels: Path, label: str) -> pd.DataFrame:
    """The sample's rows as train() gets them, label included; features.py is not applied yet."""
    spec = read_specification(_channels / "features")
    rows = read_rows("train", _channels / "train", spec, _context["serving"] == "container")
    return with_label(rows.data, label, rows.labels)


@pytest.fixture(scope="session")
def raw(_channels: Path) -> pd.DataFrame:
    """The sample's rows with all declared columns but the label, as features.py gets them."""
    return read_rows("raw", _channels / "raw", read_specification(_channels / "raw"), True).data


@pytest.fixture(scope="session")
def declared(_channels: Path) -> pd.DataFrame:
    """The declared features of the sample's rows; a category is its own value, and NaN one that is missing."""
    spec = read_specification(_channels / "features")
    if spec.columns is not None:
        pytest.skip("the model takes raw columns; it declares no features")
    features = read_rows("train", _channels / "train", spec, False).data
    document = json.loads((_channels / "features" / "features.json").read_text(encoding="utf-8"))
    for feature in document["features"]:
        if feature.get("vocabulary"):
            words = dict(enumerate(feature["vocabulary"]))
            features[feature["name"]] = features[feature["name"]].map(words, na_action="ignore")
    return features


@pytest.fixture(scope="session")
def _program(_context: dict):
    program = load_program(Path(_context["folder"]))
    if _context["serving"] != "container":
        # A graph is what answers; features.py is only what declared features are compared with.
        program.features = None
    return program


@pytest.fixture(scope="session")
def fitted(_context: dict, _program, data: pd.DataFrame, label: str, hyperparameters: dict, tmp_path_factory):
    """What train() returns for the sample's rows."""
    from python_trainer import seed_everything

    inputs = data.drop(columns=[label])
    rows = with_label(_program.with_features(inputs), label, data[label].to_numpy(np.float64))
    arguments = [rows, dict(hyperparameters)]
    if parameters_of(_program.train.train) == 3:
        arguments.append(tmp_path_factory.mktemp("checkpoints"))
    seed_everything(_context["seed"])
    return _program.train.train(*arguments)


@pytest.fixture(scope="session")
def predict(_program, fitted, task: str, label: str):
    """A function from rows, as `data` has them, to one prediction each: as it will be served."""

    def predictions(rows: pd.DataFrame) -> np.ndarray:
        return _program.answers(fitted, rows.drop(columns=[label], errors="ignore"), task).predictions

    return predictions
