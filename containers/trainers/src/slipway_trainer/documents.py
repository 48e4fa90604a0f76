"""The documents that a training leaves beside its model, and the hashes that name its inputs."""

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def canonical(document: object) -> bytes:
    """One way only to write a document, so that equal documents have equal hashes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def write_document(path: Path, document: object) -> None:
    """Indented JSON with sorted keys; NaN and infinity are refused."""
    text = json.dumps(document, sort_keys=True, indent=2, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def write_bytes(path: Path, data: bytes) -> None:
    """The file is there whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(data)
    os.replace(partial, path)


def sha256_of_files(root: Path, files: Iterable[Path]) -> str:
    """Hash of names relative to the root and contents, in the order of the names."""
    hashes = {}
    for path in files:
        with open(path, "rb") as file:
            hashes[str(path.relative_to(root))] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(canonical(hashes)).hexdigest()


def code_sha256(code: Path) -> str:
    """Hash of the trainers' Python files; the same whether they run from a folder or from a zip."""
    if code.is_dir():
        sources = {
            path.relative_to(code).as_posix(): path.read_bytes() for path in code.rglob("*.py")
        }
    else:
        with zipfile.ZipFile(code) as archive:
            names = [name for name in archive.namelist() if name.endswith(".py")]
            sources = {name: archive.read(name) for name in names}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sources.items()}
    return hashlib.sha256(canonical(hashes)).hexdigest()


def running_code() -> Path:
    """The zip or folder that this process runs from."""
    return Path(__file__).parent.parent


def environment(choices: Mapping[str, object]) -> dict[str, object]:
    """environment.json: what has to be the same for a training to be the same again.

    `choices` are the trainer's own: seed, device, number of threads.
    """
    packages = {
        distribution.metadata["Name"].lower(): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.metadata["Name"]
    }
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": f"{platform.system().lower()}-{platform.machine()}",
        "packages": packages,
        "packagesSha256": hashlib.sha256(canonical(packages)).hexdigest(),
        "codeSha256": code_sha256(running_code()),
        **choices,
    }
