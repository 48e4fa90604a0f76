"""The trainer's packages, where the image does not have them.

The channel `wheels` holds one zip of wheels, made from the trainer's lock. They are installed without
a network, and the trainer starts again with them and Python's standard library only: of the packages
that the image has none is seen, so that another image of the same Python computes the same.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NoReturn

from slipway_trainer.contract import TrainingJob
from slipway_trainer.errors import TrainingInputError

CHANNEL = "wheels"


class WheelsError(Exception):
    """The wheels do not install into this image's Python."""


def install_wheels(job: TrainingJob) -> Path | None:
    """The folder of the installed packages; None when there is nothing to install.

    Raises TrainingInputError or WheelsError.
    """
    channel = job.channel(CHANNEL)
    # Started again already: Python was told to leave the image's packages alone.
    if channel is None or sys.flags.no_site:
        return None
    return _install(channel, Path(tempfile.mkdtemp(prefix="slipway-")))


def start_again_with(packages: Path) -> NoReturn:
    """In this process's place, so that signals still arrive."""
    os.execve(
        sys.executable,
        [sys.executable, "-S", *sys.argv],
        {**os.environ, "PYTHONPATH": str(packages)},
    )


def _install(channel: Path, folder: Path) -> Path:
    wheels = folder / "wheels"
    for archive in sorted(channel.rglob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(wheels)
    found = sorted(str(path) for path in wheels.rglob("*.whl"))
    if not found:
        raise TrainingInputError(
            f"channel '{CHANNEL}' holds no zip of wheels (it has {_names(channel)}); make them with "
            "`node bin/setup.mjs wheels` and deploy again."
        )
    packages = folder / "packages"
    # fmt: off
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--isolated", "--disable-pip-version-check",
        "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--target", str(packages), *found,
    ]
    # fmt: on
    done = subprocess.run(
        command,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise WheelsError(
            f"the wheels do not install into Python {sys.version.split()[0]}: {done.stdout.strip()[-600:]}"
        )
    return packages


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.rglob("*"))) or "nothing"
