"""Folders for what this process unpacks."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def temporary_folder(prefix: str) -> Path:
    """A new folder that goes with this process, also when it fails or is interrupted."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    # A process that the user's code forked runs this too when it ends.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
