"""An API of the tests' own on this machine: it answers as it is told, and keeps what arrived."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import settings

from slipway_client import Slipway

# The same examples each time, nothing is written beside the tests; a slow machine is no failure.
settings.register_profile("here", database=None, deadline=None, derandomize=True)
settings.load_profile("here")


@dataclass(frozen=True)
class Arrived:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def rows(self) -> list[Any]:
        (rows,) = json.loads(self.body).values()
        return rows


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Fault = Reply | str
"""A reply, or 'hang up': the connection ends without one."""


class Api:
    """Faults come first, in order; then answer() says what the API says."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.faults: list[Fault] = []
        self.answer: Callable[[Arrived], Reply] = predictions
        self._lock = threading.Lock()

    def next_reply(self, arrived: Arrived) -> Fault:
        with self._lock:
            self.arrived.append(arrived)
            fault = self.faults.pop(0) if self.faults else None
        return fault or self.answer(arrived)

    def serve(self) -> ThreadingHTTPServer:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = api.next_reply(Arrived(self.command, self.path, headers, body))
                if isinstance(reply, str):
                    self.close_connection = True
                    return
                text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                with suppress(BrokenPipeError):  # a client that has given up
                    self.wfile.write(text.encode())

            do_GET = do_POST = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        return server


def predictions(arrived: Arrived) -> Reply:
    """To each row its field x; None counts as 0."""
    rows = arrived.rows
    return Reply(
        200,
        {
            "predictions": [row.get("x") or 0 for row in rows],
            "prediction_ids": [f"churn-v3-{len(rows)}-{i}" for i in range(len(rows))],
            "model_name": "churn",
            "model_version": "3",
        },
    )


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def url(api: Api) -> Iterator[str]:
    server = api.serve()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/live"
    server.shutdown()
    server.server_close()
    thread.join()


Connect = Callable[..., Slipway]


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """Makes clients of the API, which are closed when the test ends."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Slipway(url, *args, **options))


@pytest.fixture
def slipway(url: str) -> Iterator[Slipway]:
    with Slipway(url) as door:
        yield door
