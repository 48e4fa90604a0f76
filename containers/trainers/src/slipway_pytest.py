"""Fixtures for a model's own tests: its sample rows as a training reads them, and what train() makes of them.

`slipway test` loads this with pytest. tests/sample.csv is read and its features are computed by the platform's
own code, so that a test of pandas code against declared features compares with what will be served.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pytest

from slipway_server.failures import UserCodeError, is_in
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> None:
    """Of a failure only the frames of the model's own files are shown; --full-trace shows all."""
    if call.excinfo is None or not isinstance(call.excinfo.value, Exception):
        return
    if item.config.getoption("fulltrace"):
        return
    _show_own_frames(call.excinfo.value, item.config.rootpath)
    call.excinfo = pytest.ExceptionInfo.from_exception(call.excinfo.value)


def _show_own_frames(error: BaseException, folder: Path) -> None:
    """Takes other frames out of the traceback. Errors that led to it and have none of the model's are left out."""
    error.__traceback__ = _own_frames(error.__traceback__, folder) or error.__traceback__
    shown = error
    while (
        earlier := shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    ) is not None:
        frames = _own_frames(earlier.__traceback__, folder)
        if frames is None:
            # Setting a cause also takes the context away.
            shown.__cause__ = None
            return
        earlier.__traceback__ = frames
        shown = earlier


def _own_frames(frame: TracebackType | None, folder: Path) -> TracebackType | None:
    if frame is None:
        return None
    rest = _own_frames(frame.tb_next, folder)
    if not is_in(frame.tb_frame.f_code.co_filename, folder):
        return rest
    return TracebackType(rest, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)


def _told_once(config: pytest.Config, what: str, work: Callable[[], object]) -> object:
    """What the work gives. The user's error in it is told here, and shortly by each test that needs it."""
    try:
        return work()
    except UserCodeError as error:
        told = str(error)
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        terminal.ensure_newline()
        terminal.write_line(told, red=True)
    # The session keeps this outcome: the work is not done again.
    pytest.fail(f"{what} failed, see above", pytrace=False)


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
def _program(_context: dict, pytestconfig: pytest.Config):
    folder = Path(_context["folder"])
    program = _told_once(pytestconfig, "loading train.py", lambda: load_program(folder))
    if _context["serving"] != "container":
        # A graph is what answers; features.py is only what declared features are compared with.
        program.features = None
    return program


@pytest.fixture(scope="session")
def _features(
    _program, data: pd.DataFrame, label: str, pytestconfig: pytest.Config
) -> pd.DataFrame:
    """The sample's rows as train() gets them, features.py applied."""
    inputs = data.drop(columns=[label])
    made = _told_once(pytestconfig, "features.py", lambda: _program.with_features(inputs))
    return with_label(made, label, data[label].to_numpy(np.float64))


@pytest.fixture(scope="session")
def fitted(
    _context: dict,
    _program,
    _features,
    hyperparameters: dict,
    tmp_path_factory,
    pytestconfig: pytest.Config,
):
    """What train() returns for the sample's rows."""
    from python_trainer import seed_everything

    arguments = [_features, dict(hyperparameters)]
    if parameters_of(_program.train.train) == 3:
        arguments.append(tmp_path_factory.mktemp("checkpoints"))
    seed_everything(_context["seed"])
    train = _program.train.train
    return _told_once(pytestconfig, "train.py", lambda: _program.call(train, *arguments))


@pytest.fixture(scope="session")
def predict(_program, fitted, task: str, label: str):
    """A function from rows, as `data` has them, to one prediction each: as it will be served."""

    def predictions(rows: pd.DataFrame) -> np.ndarray:
        inputs = rows.drop(columns=[label], errors="ignore")
        try:
            return _program.answers(fitted, inputs, task).predictions
        except UserCodeError as error:
            # Its text has the user's frames.
            raise UserCodeError(str(error)) from None

    return predictions
