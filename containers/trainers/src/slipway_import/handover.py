"""An imported model's files."""

import time

import numpy as np
import pandas as pd

from slipway_exporters.export import (
    TOLERANCES,
    export_columns,
    export_features,
    is_network,
    kind_of,
    library_of,
)
from slipway_import.made_rows import made_rows
from slipway_import.onnx_files import adapted, original
from slipway_server.failures import UserCodeError
from slipway_server.program import Program, checked_answers
from slipway_trainer.contract import TrainingJob
from slipway_trainer.documents import environment, write_bytes, write_document
from slipway_trainer.errors import TrainingInputError
from slipway_trainer.graph_parity import Session, compare, parity_document
from slipway_trainer.handover import Candidate, require_container_columns, write_model
from slipway_trainer.specification import Specification

ROWS = 1000


def hand_over_fitted(
    job: TrainingJob,
    fitted: object,
    program: Program,
    spec: Specification,
    settings: dict,
    started: float,
) -> None:
    """As after a training, with made rows. Raises TrainingInputError or UserCodeError."""
    container = settings["serving"] == "container"
    if container:
        require_container_columns(spec)
    else:
        program.features = None
    thresholds, categories = _told_by(fitted, spec, container)
    rows = made_rows(spec, ROWS, settings["seed"], thresholds, categories, container)
    candidate = Candidate(
        fitted, program, spec, settings["task"], job.text("label") or "", container, settings["seed"],
        settings["parity_rows"],
    )  # fmt: skip
    metrics = {
        "task": settings["task"],
        "kind": kind_of(fitted),
        "library": library_of(fitted),
        "imported": True,
    }
    write_model(job, candidate, rows, metrics, started)


def _told_by(fitted: object, spec: Specification, container: bool) -> tuple[dict, dict]:
    """Thresholds and categories that the model has of its columns; a container needs no graph to be served."""
    if is_network(fitted):
        return {}, {}
    try:
        exported = (
            export_features(fitted, spec.names)
            if spec.columns is None
            else export_columns(fitted, spec.columns)
        )
    except TrainingInputError:
        if not container:
            raise
        return {}, {}
    return exported.thresholds, exported.categories


def hand_over_onnx(
    job: TrainingJob, data: bytes, spec: Specification, settings: dict, started: float
) -> None:
    """The graph behind the platform's inputs, held against the file as it came. Raises TrainingInputError."""
    task, seed = settings["task"], settings["seed"]
    model = adapted(data, spec, task)
    rows = made_rows(spec, ROWS, seed, {}, {}, container=False)

    def predict(asked: pd.DataFrame) -> np.ndarray:
        given = original(data, spec, asked)
        return checked_answers(given, len(asked), task, "the ONNX model answers").predictions

    try:
        largest = compare(
            Session(model, spec).predict(rows),
            predict(rows),
            rows,
            TOLERANCES["network"],
            spec,
            None,
        )
    except UserCodeError as error:
        raise TrainingInputError(str(error)) from error
    write_document(
        job.model / "parity.json",
        parity_document(predict, rows, spec, TOLERANCES["network"], settings["parity_rows"], seed),
    )
    write_document(job.model / "environment.json", environment({"seed": seed, "device": "cpu"}))
    write_document(
        job.model / "metrics.json",
        {"task": task, "kind": "network", "library": "onnx", "imported": True},
    )
    write_bytes(job.model / "model.onnx", model)
    print(
        f"model.onnx: {len(model)} bytes, {len(rows)} rows (largest difference {largest:.3g}) in {time.monotonic() - started:.1f} s",
        flush=True,
    )
