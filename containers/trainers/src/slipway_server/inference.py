"""The four functions that the toolkit in AWS's inference images calls; this file lies in `code/`.

Where the archive brings its packages, the model runs in a process of its own with those and Python's
standard library only, because the toolkit has already loaded the image's NumPy into this one.
"""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

CODE = Path(__file__).resolve().parent

# SageMaker gives a serverless endpoint that long for one request.
REQUEST_SECONDS = 60


class ModelError(Exception):
    """The model could not answer; the message has the user's file and line first."""


class InThisProcess:
    """The image's Python has the model's packages: so it is on a laptop."""

    def __init__(self, folder: Path):
        if str(CODE) not in sys.path:
            sys.path.append(str(CODE))
        from served import Served

        self._served = Served.load(folder)

    def answer(self, body: bytes) -> dict:
        from served import told

        try:
            return self._served.answer(json.loads(body))
        except Exception as error:
            print(told(error), file=sys.stderr, flush=True)
            raise ModelError(str(error).splitlines()[0]) from None


class InItsOwnProcess:
    """A server on the loopback with the archive's packages; it ends with this process."""

    def __init__(self, folder: Path, packages: Path):
        server = [sys.executable, "-S", str(CODE / "serve.py"), str(folder)]
        self._process = subprocess.Popen(
            [*server, "--host", "127.0.0.1", "--port", "0", "--until-stdin-ends"],
            env={**os.environ, "PYTHONPATH": str(packages)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._address = f"http://127.0.0.1:{self._port()}/invocations"
        threading.Thread(target=self._pass_on_output, daemon=True).start()

    def _port(self) -> int:
        # The user's own code may print while it is loaded.
        for line in self._process.stdout:
            if line.startswith("listening on "):
                return int(line.split()[-1])
            print(line, end="", flush=True)
        self._process.wait()
        raise ModelError("the model does not load; the lines above in this log say why")

    def _pass_on_output(self) -> None:
        for line in self._process.stdout:
            print(line, end="", flush=True)

    def answer(self, body: bytes) -> dict:
        request = urllib.request.Request(
            self._address, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise ModelError(json.load(error).get("error", "no reason given")) from None


def model_fn(model_dir: str, context: object = None) -> InThisProcess | InItsOwnProcess:
    """The model of an unpacked archive. Raises ModelError, or UserCodeError with the user's line first."""
    folder = Path(model_dir)
    packages = folder / "packages"
    return InItsOwnProcess(folder, packages) if packages.is_dir() else InThisProcess(folder)


def input_fn(
    body: bytes | bytearray | str, content_type: str = "application/json", context: object = None
) -> bytes:
    """The body as it came; it is read where the model is."""
    if content_type.split(";")[0].strip() not in ("application/json", ""):
        raise ModelError(f"content type {content_type!r} is not read; send application/json")
    return body.encode() if isinstance(body, str) else bytes(body)


def predict_fn(data: bytes, model: InThisProcess | InItsOwnProcess, context: object = None) -> dict:
    """The reply's body. Raises ModelError with one line, the user's file and line first."""
    return model.answer(data)


def output_fn(prediction: dict, accept: str = "application/json", context: object = None) -> str:
    """JSON."""
    return json.dumps(prediction)
