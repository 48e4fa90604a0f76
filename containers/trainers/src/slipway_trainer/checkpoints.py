"""Checkpoints that survive a SIGKILL at any moment, and any file that was cut short.

A checkpoint is a folder `<fingerprint>-round-<n>` with its files and manifest.json, which holds the
SHA-256 of each. The manifest comes last and by rename, all flushed to disk: without it there is no
checkpoint. What a sync to S3 tore apart is found by the hashes, and the one before it is taken. The
fingerprint says what is being trained, so checkpoints of another training are never continued.
"""

import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

KEEP = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """`round` rounds were finished; `files` are the bytes that continue from there."""

    round: int
    files: dict[str, bytes]


class CheckpointFolder:
    """The checkpoints of one training; neither a bad one nor a full disk makes a training fail."""

    def __init__(self, folder: Path, fingerprint: str):
        self._folder = folder
        self._fingerprint = fingerprint[:12]
        self._name = re.compile(rf"{re.escape(self._fingerprint)}-round-(\d+)")

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint. Those that are not whole are removed."""
        for round_number, path in self._own():
            try:
                return Checkpoint(round_number, _read(path, self._fingerprint, round_number))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                _warn(f"checkpoint {path.name} is not whole and is skipped: {error}")
                shutil.rmtree(path, ignore_errors=True)
        return None

    def others(self) -> int:
        """How many checkpoints in the folder belong to other trainings."""
        return sum(
            1
            for path in _entries(self._folder)
            if re.fullmatch(r"[0-9a-f]{12}-round-\d+", path.name)
            and not self._name.fullmatch(path.name)
        )

    def write(self, checkpoint: Checkpoint) -> bool:
        """Writes one and removes all but the newest. False when it could not be written."""
        folder = self._folder / f"{self._fingerprint}-round-{checkpoint.round:08d}"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self._write_files(folder, checkpoint)
            _sync_folder(self._folder)
        except OSError as error:
            _warn(f"checkpoint of round {checkpoint.round} could not be written: {error}")
            shutil.rmtree(folder, ignore_errors=True)
            return False
        for _, path in self._own()[KEEP:]:
            shutil.rmtree(path, ignore_errors=True)
        return True

    def _write_files(self, folder: Path, checkpoint: Checkpoint) -> None:
        manifest = {
            "fingerprint": self._fingerprint,
            "round": checkpoint.round,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in checkpoint.files.items()},
        }
        for name, data in checkpoint.files.items():
            _write_synced(folder / name, data)
        partial = folder / f".{MANIFEST}.partial"
        _write_synced(partial, json.dumps(manifest, sort_keys=True).encode())
        os.replace(partial, folder / MANIFEST)
        _sync_folder(folder)

    def _own(self) -> list[tuple[int, Path]]:
        """Newest first."""
        found = [(self._name.fullmatch(path.name), path) for path in _entries(self._folder)]
        return sorted(((int(match[1]), path) for match, path in found if match), reverse=True)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _read(folder: Path, fingerprint: str, round_number: int) -> dict[str, bytes]:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    if manifest["fingerprint"] != fingerprint or manifest["round"] != round_number:
        raise ValueError("its manifest is of another checkpoint")
    files = {}
    for name, expected in manifest["files"].items():
        data = (folder / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != expected:
            raise ValueError(f"{name} ({len(data)} bytes) does not have the hash in its manifest")
        files[name] = data
    return files


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)
