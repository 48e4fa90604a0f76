"""`python serve.py [--port 8080] [--host 0.0.0.0] <folder>`: answers /ping and /invocations.

A server of Python's standard library, one thread a connection: it is what runs behind SageMaker's own
server, on a laptop, and in an image of one's own. With port 0 the system chooses; the port is printed.
"""

import argparse
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

if __package__:
    from slipway_server.failures import UserCodeError
    from slipway_server.frames import RowsError
    from slipway_server.served import Served, told
else:
    from failures import UserCodeError
    from frames import RowsError
    from served import Served, told

# More than SageMaker passes on (4 MB a request of a serverless endpoint).
LONGEST_BODY_BYTES = 8_000_000


class Handler(BaseHTTPRequestHandler):
    """GET /ping: 200 when loaded. POST /invocations: 200, 400 for a bad request, 500 with the user's line."""

    protocol_version = "HTTP/1.1"
    served: Served

    def do_GET(self) -> None:
        self._reply(
            *((200, {}) if self.path == "/ping" else (404, {"error": f"no {self.path} here"}))
        )

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_BODY_BYTES:
            self.close_connection = True
            self._reply(
                413,
                {"error": f"the body has {length} bytes; at most {LONGEST_BODY_BYTES} are read"},
            )
            return
        body = self.rfile.read(length)
        if self.path != "/invocations":
            self._reply(404, {"error": f"no {self.path} here"})
            return
        self._reply(*self._answered(body))

    def _answered(self, body: bytes) -> tuple[int, dict]:
        try:
            return 200, self.served.answer(json.loads(body))
        except (RowsError, ValueError) as error:
            return 400, {
                "error": str(error) if isinstance(error, RowsError) else "the body is not JSON"
            }
        except UserCodeError as error:
            print(told(error), file=sys.stderr, flush=True)
            return 500, {"error": str(error).splitlines()[0]}
        except Exception as error:  # noqa: BLE001 - a request must not end the server
            print(told(error), file=sys.stderr, flush=True)
            return 500, {"error": f"{type(error).__name__} in the server; its log says more"}

    def _reply(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """One line a request would be noise: the platform logs requests."""


def _end_with_stdin() -> None:
    # Not through sys.stdin, whose lock a thread would hold when the process ends otherwise.
    while os.read(0, 4096):
        pass
    os._exit(0)


def main(arguments: list[str]) -> int:
    """Exit code 1 when the folder does not load; stderr says why."""
    parser = argparse.ArgumentParser(prog="serve", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the unpacked archive")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104 - a container is reached from outside
    parser.add_argument(
        "--until-stdin-ends", action="store_true", help="for a parent that may be killed"
    )
    options = parser.parse_args(arguments)
    if options.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        Handler.served = Served.load(options.folder)
    except Exception as error:  # noqa: BLE001 - whoever starts it reads why
        print(told(error), file=sys.stderr, flush=True)
        return 1
    with ThreadingHTTPServer((options.host, options.port), Handler) as server:
        print(f"listening on {server.server_address[1]}", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
