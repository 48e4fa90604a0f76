"""What MiniStack 1.5.33 does not do as AWS does, closed from outside.

One module per gap, named after it, with a function ``install()`` that extends or replaces the
emulator's own tables and functions; the launcher calls each before the first request. A gap is
closed for every caller alike and knows nothing of what is deployed. Every gap has a test that fails
on the bare emulator.

A module that serves an address of its own registers it with ``door``; one that starts processes
registers their end with ``at_exit``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable

Response = tuple[int, dict[str, str], bytes]
Door = Callable[[str, str, bytes], Awaitable[Response]]

_doors: dict[str, Door] = {}
_exits: list[Callable[[], None]] = []


def door(prefix: str, handler: Door) -> None:
    """Serves every path that starts with ``/_laptop/<prefix>``: ``await handler(method, path, body)``."""
    _doors[f"/_laptop/{prefix}"] = handler


def find_door(path: str) -> Door | None:
    """The handler of the longest registered prefix of the path."""
    matches = [prefix for prefix in _doors if path == prefix or path.startswith(prefix + "/")]
    return _doors[max(matches, key=len)] if matches else None


def at_exit(end: Callable[[], None]) -> None:
    """Calls ``end()`` when the cloud stops; it must leave no process behind and return within 2 s."""
    _exits.append(end)


def run_exits() -> None:
    """Calls every registered end; one that fails does not keep the others from running."""
    for end in reversed(_exits):
        try:
            end()
        except Exception as error:  # noqa: BLE001 - the cloud is going away whatever happens here
            print(f"laptop cloud: {end.__module__} did not end cleanly: {error!r}", flush=True)


def json_response(status: int, document: object) -> Response:
    """A plain JSON answer for a door."""
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def endpoint() -> str:
    """Address of this cloud, as its own processes reach it."""
    return f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
