"""From a fitted object to the files of a version: exported or packed, proved, measured, written."""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from slipway_exporters.export import (
    TOLERANCES,
    Exported,
    export_columns,
    export_features,
    is_network,
    kind_of,
    library_of,
)
from slipway_server.failures import UserCodeError
from slipway_server.program import Program
from slipway_trainer.archive import lay_out, pack, prove_archive
from slipway_trainer.contract import TrainingJob
from slipway_trainer.documents import environment, write_bytes, write_document
from slipway_trainer.errors import ParityError
from slipway_trainer.graph_parity import Session, parity_document, prove
from slipway_trainer.probes import sample
from slipway_trainer.raw_tables import Rows
from slipway_trainer.scores import scores
from slipway_trainer.specification import Specification

# A container has no graph to prove; its rows prove that it answers alone as in training.
ARCHIVE_ROWS = 200


@dataclass(frozen=True)
class Candidate:
    """A fitted object with everything that is known about it."""

    fitted: object
    program: Program
    spec: Specification
    task: str
    label: str
    container: bool
    seed: int
    parity_rows: int

    def predict(self, data: pd.DataFrame) -> np.ndarray:
        """float64 [rows]. Raises UserCodeError."""
        return self.program.answers(self.fitted, data, self.task).predictions

    def tolerance(self) -> tuple[float, float]:
        # Who brings a predict() of their own around a network computes in float32 too.
        inexact = self.container and "torch" in sys.modules
        return TOLERANCES["network" if inexact else kind_of(self.fitted)]


def hand_over(
    job: TrainingJob, candidate: Candidate, tables: dict[str, Rows], started: float
) -> None:
    """Writes the model's files; nothing where it does not predict what the fitted object does."""
    metrics = {
        "task": candidate.task,
        "kind": kind_of(candidate.fitted),
        "library": library_of(candidate.fitted),
        **{
            name: {
                "rows": len(rows.labels),
                **scores(candidate.task, rows.labels, candidate.predict(rows.data)[:, None]),
            }
            for name, rows in tables.items()
        },
    }
    write_model(job, candidate, next(iter(tables.values())).data, metrics, started)


def write_model(
    job: TrainingJob,
    candidate: Candidate,
    data: pd.DataFrame,
    metrics: dict[str, object],
    started: float,
) -> None:
    """Proves and writes, metrics.json last. `data`: rows that the proof and parity.json are taken from."""
    measured = time.monotonic()
    write = _write_container if candidate.container else _write_graph
    largest, compared = write(job, candidate, data)
    document = parity_document(
        candidate.predict,
        data,
        candidate.spec,
        candidate.tolerance(),
        candidate.parity_rows,
        candidate.seed,
    )
    write_document(job.model / "parity.json", document)
    write_document(
        job.model / "environment.json", environment({"seed": candidate.seed, "device": "cpu"})
    )
    write_document(job.model / "metrics.json", metrics)
    named = "model.tar.gz" if candidate.container else "model.onnx"
    print(
        f"{named}: {(job.model / named).stat().st_size} bytes; equals the fitted object on {compared} rows (largest "
        f"difference {largest:.3g}); fitted in {measured - started:.1f} s, handed over in "
        f"{time.monotonic() - measured:.1f} s",
        flush=True,
    )


def _write_graph(job: TrainingJob, candidate: Candidate, data: pd.DataFrame) -> tuple[float, int]:
    rows = sample(data, max(1000, candidate.parity_rows), candidate.seed)
    try:
        exported, proof = _proved(candidate, rows, None)
    except ParityError:
        # A network that gives log-odds, with a predict() that makes probabilities of them.
        if not (is_network(candidate.fitted) and candidate.program.has_predict):
            raise
        exported, proof = _proved(candidate, rows, "Sigmoid")
    if proof.skipped:
        print(
            f"not compared, because the fitted object does not answer it: {'; '.join(proof.skipped[:5])}"
            + (f" and {len(proof.skipped) - 5} more" if len(proof.skipped) > 5 else ""),
            flush=True,
        )
    write_bytes(job.model / "model.onnx", exported.model)
    return proof.largest_difference, proof.rows


def _proved(candidate: Candidate, rows: pd.DataFrame, link: str | None):
    spec = candidate.spec
    exported: Exported
    if spec.columns is None:
        exported = export_features(candidate.fitted, spec.names, link)
    else:
        exported = export_columns(candidate.fitted, spec.columns, link)
    proof = prove(
        Session(exported.model, spec), candidate.predict, rows, spec, exported.thresholds, candidate.tolerance(),
        candidate.seed,
    )  # fmt: skip
    return exported, proof


def _write_container(
    job: TrainingJob, candidate: Candidate, data: pd.DataFrame
) -> tuple[float, int]:
    rows = sample(data, min(ARCHIVE_ROWS, max(1, candidate.parity_rows)), candidate.seed)
    columns = [
        {"name": c["name"], "type": c["type"], "floating": _floating(data[c["name"]], c["type"])}
        for c in candidate.spec.columns or []
    ]
    document = {
        "columns": columns,
        "task": candidate.task,
        "label": candidate.label,
        "model": job.text("model") or "model",
    }
    with tempfile.TemporaryDirectory(prefix="slipway-") as scratch:
        folder = Path(scratch) / "model"
        lay_out(folder, candidate.fitted, candidate.program.folder, document)
        largest = prove_archive(
            folder, rows, candidate.predict(rows), candidate.spec, candidate.tolerance()
        )
        pack(folder, job.model / "model.tar.gz")
    return largest, len(rows)


def _floating(values: pd.Series, kind: str) -> bool:
    return kind in ("integer", "boolean") and values.dtype == np.float64


def require_container_columns(spec: Specification) -> None:
    """A container computes its features itself."""
    if spec.columns is None:
        raise UserCodeError(
            "a container takes raw columns; write `features: { inModel: [...] }` in model.ts instead of declared features."
        )
