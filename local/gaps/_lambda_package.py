"""A function's code and layers as folders."""

from __future__ import annotations

import hashlib
import io
import tempfile
import threading
import zipfile
from pathlib import Path

from ministack.services import lambda_svc

_packages_lock = threading.Lock()
_packages: dict[str, Path] = {}


def package(config: dict, code_zip: bytes) -> Path:
    """Code in ``task`` and layers merged in ``opt``, unpacked once per content, for all processes, as /var/task and
    /opt are on AWS (where nobody can write to them either)."""
    layers = [lambda_svc._resolve_layer_zip(layer) or b"" for layer in config.get("Layers") or []]
    key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in (code_zip, *layers))).hexdigest()
    with _packages_lock:
        if key in _packages and _packages[key].exists():
            return _packages[key]
        folder = Path(tempfile.mkdtemp(prefix="lambda-package-"))
        for name, parts in (("task", [code_zip]), ("opt", layers)):
            (folder / name).mkdir()
            for part in parts:
                _unpack(part, folder / name)
        _packages[key] = folder
        return folder


def _unpack(content: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            if not (folder / member).resolve().is_relative_to(folder.resolve()):
                raise RuntimeError(f"The archive's entry {member!r} leaves its folder; build the archive again.")
        lambda_svc._extract_zip_preserving_mode(archive, str(folder))
