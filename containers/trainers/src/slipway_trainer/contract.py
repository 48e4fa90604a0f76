"""SageMaker's training container contract: where things are, and how a failure is told.

The base folder is SAGEMAKER_BASE_DIR, or /opt/ml. Nothing else is read from the environment: the
SM_* variables come from a toolkit that the image may not have.
"""

import json
import os
import traceback
from pathlib import Path, PurePosixPath

from slipway_server.failures import UserCodeError
from slipway_trainer.errors import TrainingInputError

SAGEMAKER_BASE = "/opt/ml"

# SageMaker shows only that much of the failure file.
FAILURE_CHARACTERS = 1024


class TrainingJob:
    """One job's folders and configuration files below its base folder."""

    def __init__(self, base: Path):
        self.base = base
        self.config = base / "input" / "config"
        self.data = base / "input" / "data"
        self.model = base / "model"
        self.failure = base / "output" / "failure"

    @classmethod
    def from_environment(cls) -> "TrainingJob":
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR") or SAGEMAKER_BASE))

    def hyperparameters(self) -> dict[str, object]:
        """Every value arrives as a string; those that are JSON are decoded, others stay as they are."""
        return {name: _decoded(value) for name, value in self._document("hyperparameters").items()}

    def text(self, name: str) -> str | None:
        """A hyperparameter as it arrived: a name may look like JSON."""
        value = self._document("hyperparameters").get(name)
        return None if value is None else str(value)

    def resource_config(self) -> dict[str, object]:
        return self._document("resourceconfig", required=False)

    def channel(self, name: str) -> Path | None:
        """The folder of a channel; None when the job has no such channel."""
        folder = self.data / name
        declared = self._document("inputdataconfig", required=False)
        if declared and name not in declared:
            return None
        return folder if folder.is_dir() else None

    def required_channel(self, name: str) -> Path:
        folder = self.channel(name)
        if folder is None:
            raise TrainingInputError(
                f"channel '{name}' is missing: the job has {self._channel_names()}. "
                f"Add a channel named '{name}' to the job's InputDataConfig."
            )
        return folder

    def checkpoints(self) -> Path | None:
        """The synced folder; None when the job was created without a CheckpointConfig."""
        configured = self._document("checkpointconfig", required=False)
        if not configured:
            # AWS documents the folder only; that there is a file about it is not promised.
            folder = self.base / "checkpoints"
            return folder if folder.is_dir() else None
        local = PurePosixPath(str(configured.get("LocalPath") or f"{SAGEMAKER_BASE}/checkpoints"))
        # Elsewhere than on SageMaker the whole tree lives under another base folder.
        if local.is_relative_to(SAGEMAKER_BASE):
            return self.base / local.relative_to(SAGEMAKER_BASE)
        return Path(local)

    def write_failure(self, error: BaseException) -> None:
        """Puts the message first, because SageMaker cuts; the whole traceback belongs on stderr."""
        # Of the user's own code the message begins with their file and line.
        users = isinstance(error, UserCodeError)
        text = str(error) if users else f"{type(error).__name__}: {error}"
        if not users and not isinstance(error, TrainingInputError):
            text += "\n" + "".join(traceback.format_exception(error))
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(text[:FAILURE_CHARACTERS], encoding="utf-8")

    def _channel_names(self) -> str:
        names = sorted(entry.name for entry in self.data.glob("*") if entry.is_dir())
        return ", ".join(names) or "no channel"

    def _document(self, name: str, required: bool = True) -> dict[str, object]:
        path = self.config / f"{name}.json"
        if not path.is_file():
            if required:
                raise TrainingInputError(f"{path} is missing; it is part of SageMaker's contract.")
            return {}
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            return {}
        try:
            document = json.loads(text)
        except ValueError as error:
            raise TrainingInputError(f"{path} is not JSON: {error}.") from error
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise TrainingInputError(f"{path} must hold a JSON object; it holds {text[:80]}.")
        return document


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
