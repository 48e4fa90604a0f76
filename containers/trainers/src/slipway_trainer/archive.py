"""model.tar.gz of a model that is served as it is, and the proof that it answers alone.

Contents: fitted.pkl (cloudpickle, protocol 5), the user's Python files, serve.json, code/ with the server,
and packages/ where the training brought its packages along. Equal contents give equal bytes.
"""

import gzip
import json
import os
import pkgutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd

from slipway_server.failures import UserCodeError
from slipway_server.frames import wire_values
from slipway_trainer.documents import canonical
from slipway_trainer.errors import ParityError
from slipway_trainer.graph_parity import described
from slipway_trainer.specification import Specification

SERVER_FILES = ("failures.py", "frames.py", "program.py", "served.py", "serve.py", "inference.py")

# Used in training only, and large.
TRAINING_ONLY = ("onnx", "onnx_ir", "onnxscript", "skl2onnx", "pytest", "_pytest")

# Rows that are also asked one at a time.
ALONE = 20
ALONE_DIFFERS = (
    "a row alone gets another answer than among others: features.py or predict() computes over all the rows that it is "
    "given (a mean, a rank, a fit); compute such numbers in train() and keep them in what it returns"
)


def lay_out(folder: Path, fitted: object, program: Path, document: dict) -> None:
    """The archive's contents in a folder. Raises UserCodeError for what does not pickle."""
    code = folder / "code"
    code.mkdir(parents=True)
    for name in SERVER_FILES:
        (code / name).write_bytes(pkgutil.get_data("slipway_server", name))
    for path in sorted(program.rglob("*.py")):
        target = folder / path.relative_to(program)
        if target.parts[len(folder.parts)] not in ("tests", "code", "packages"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (folder / "serve.json").write_bytes(canonical(document))
    try:
        pickled = cloudpickle.dumps(fitted, protocol=5)
    except Exception as error:
        raise UserCodeError(
            f"what train() returned does not pickle ({type(error).__name__}: {error}); return plain data, arrays and "
            "estimators, and open files, connections and generators in predict()."
        ) from error
    (folder / "fitted.pkl").write_bytes(pickled)


def pack(folder: Path, target: Path) -> None:
    """A gzipped tar of the folder: names in order, no times, no owners; and the packages, where there are some."""
    partial = target.with_name(f".{target.name}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(partial, "wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                _put(archive, path, path.relative_to(folder).as_posix())
            packages = _own_packages()
            for path in sorted(p for p in packages.rglob("*") if p.is_file()) if packages else []:
                inside = path.relative_to(packages)
                if inside.parts[0] not in TRAINING_ONLY and "__pycache__" not in inside.parts:
                    _put(archive, path, f"packages/{inside.as_posix()}")
    os.replace(partial, target)


def _own_packages() -> Path | None:
    """Where slipway_trainer.wheels installed them; None where the image's are used."""
    return (
        Path(os.environ["PYTHONPATH"])
        if sys.flags.no_site and os.environ.get("PYTHONPATH")
        else None
    )


def _put(archive: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
    with open(path, "rb") as file:
        archive.addfile(entry, file)


@contextmanager
def server(folder: Path):
    """The archive's own server on the loopback; gives its address. Raises UserCodeError when it does not load."""
    isolated = ["-S"] if sys.flags.no_site else []
    arguments = [str(folder), "--host", "127.0.0.1", "--port", "0", "--until-stdin-ends"]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *isolated, str(folder / "code" / "serve.py"), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        try:
            port = next(
                (line.split()[-1] for line in process.stdout if line.startswith("listening on ")),
                None,
            )
            if port is None:
                process.wait()
                errors.seek(0)
                said = errors.read().strip()
                raise UserCodeError(
                    f"{said}\n(while the model was loaded in a process of its own, as it will be served)"
                )
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            process.kill()
            process.communicate()


def prove_archive(
    folder: Path,
    rows: pd.DataFrame,
    wanted: np.ndarray,
    spec: Specification,
    tolerance: tuple[float, float],
) -> float:
    """Asks the archive's server for all rows, and for some alone. The largest difference; raises ParityError."""
    records = _records(rows, spec)
    with server(folder) as address:
        together = _asked(address, records)
        try:
            alone = [_asked(address, [record])[0] for record in records[:ALONE]]
        except UserCodeError as error:
            raise ParityError(
                f"{ALONE_DIFFERS}. Among others it is answered, alone: {error}"
            ) from None
    _compare(
        together, wanted, rows, spec, tolerance,
        "a process of its own answers otherwise than the training: something is random, or a global was not pickled",
    )  # fmt: skip
    _compare(
        np.array(alone), wanted[:ALONE], rows, spec, tolerance,
        ALONE_DIFFERS,
    )  # fmt: skip
    return float(np.abs(together - wanted).max(initial=0.0))


def _records(rows: pd.DataFrame, spec: Specification) -> list[dict]:
    columns = {name: wire_values(spec.type_of(name), rows[name]) for name in spec.names}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _asked(address: str, records: Sequence[dict]) -> np.ndarray:
    body = json.dumps({"instances": records}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data=body)) as reply:
            answers = json.load(reply)["predictions"]
    except urllib.error.HTTPError as error:
        raise UserCodeError(json.load(error)["error"]) from None
    return np.array([each["prediction"] if isinstance(each, dict) else each for each in answers])


def _compare(
    got: np.ndarray, wanted: np.ndarray, rows: pd.DataFrame, spec: Specification, tolerance: tuple[float, float],
    why: str,
) -> None:  # fmt: skip
    excess = np.abs(got - wanted) - (tolerance[0] + tolerance[1] * np.abs(wanted))
    worst = int(np.argmax(excess))
    if excess[worst] > 0:
        raise ParityError(
            f"{why}. The worst of {int((excess > 0).sum())}: {got[worst]:.8g} instead of {wanted[worst]:.8g} for "
            f"{described(rows, worst, spec)}."
        )
