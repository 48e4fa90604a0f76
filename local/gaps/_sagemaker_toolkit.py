"""Stands in for the inference toolkit of SageMaker's framework images: serves /opt/ml/model/code/inference.py.

Run by the image's own Python, and by nothing else of this package. Calls the user's functions as the toolkit does,
https://sagemaker.readthedocs.io/en/stable/frameworks/pytorch/using_pytorch.html#serve-a-pytorch-model:
``model_fn(model_dir)`` once, before /ping answers; per request ``input_fn(body, content_type)``,
``predict_fn(data, model)`` and ``output_fn(prediction, accept)``, whose answer is the body, or it with its content
type. What they raise is answered with status 500 and its traceback, which also goes to the log.

One process with threads answers what an endpoint's several containers would.
"""

import importlib.util
import json
import os
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")


def load_program(path):
    """The user's module. @raises AttributeError when a function is missing."""
    sys.path.insert(0, os.path.dirname(path))
    specification = importlib.util.spec_from_file_location("inference", path)
    program = importlib.util.module_from_spec(specification)
    sys.modules["inference"] = program
    specification.loader.exec_module(program)
    missing = [name for name in _FUNCTIONS if not callable(getattr(program, name, None))]
    if missing:
        raise AttributeError(f"{path} has no {', '.join(missing)}")
    return program


def handler_of(program, model):
    """Answers /ping and /invocations."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._reply(200 if self.path == "/ping" else 404, "text/plain", b"")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != "/invocations":
                self._reply(404, "text/plain", b"")
                return
            try:
                self._reply(200, *self._answer(body))
            except Exception:
                text = traceback.format_exc()
                print(text, file=sys.stderr, flush=True)
                self._reply(500, "text/plain", text.encode())

        def _answer(self, body):
            accept = self.headers.get("Accept") or "application/json"
            data = program.input_fn(body, self.headers.get("Content-Type", "application/json"))
            answer = program.output_fn(program.predict_fn(data, model), accept)
            answer, content_type = answer if isinstance(answer, tuple) else (answer, accept)
            return content_type, answer if isinstance(answer, bytes) else str(answer).encode()

        def _reply(self, status, content_type, body):
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass  # a line a request would hide what the model says

    return Handler


def main():
    base = os.environ["SAGEMAKER_BASE_DIR"]
    program = load_program(os.path.join(base, "model", "code", os.environ["SAGEMAKER_PROGRAM"]))
    model = program.model_fn(os.path.join(base, "model"))
    address = ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(address, handler_of(program, model))
    print(json.dumps({"serving": os.environ["SAGEMAKER_PROGRAM"]}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
