"""Runs MiniStack in this process, with the gaps of ``local/gaps`` closed first.

    python local/launcher.py [--port N] [--parent PID] [--bare] [--without GAP ...]

Listens on 127.0.0.1 only; port 0 (the default) takes a free one. Prints one line of JSON
``{"port": N, "gaps": [...]}`` on standard output once requests are accepted; everything else goes to
standard error. Everything it writes lies in TMPDIR, which must be a folder of its own: it is removed
at the end. Ends on SIGTERM, SIGINT, or when the parent process is gone, and takes the Lambda workers
and training processes with it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import pkgutil
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

HOST = "127.0.0.1"
PARENT_POLL_SECONDS = 0.5


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--parent", type=int, default=None, help="process whose end ends this one")
    parser.add_argument("--bare", action="store_true", help="close no gap")
    parser.add_argument("--without", action="append", default=[], metavar="GAP", help="leave one gap open")
    return parser.parse_args()


def listen(port: int) -> socket.socket:
    """A bound socket: no other process can take the port between choosing and serving it."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        raise SystemExit(f"port {port} cannot be opened: {error.strerror}. Name another, or none.") from error
    return bound


def prepare_environment(port: int) -> None:
    """MiniStack reads its settings when it is imported."""
    os.environ.update(
        GATEWAY_PORT=str(port),
        BIND_HOST=HOST,
        MINISTACK_HOST="localhost",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        STATE_DIR=os.path.join(tempfile.gettempdir(), "state"),
        S3_DATA_DIR=os.path.join(tempfile.gettempdir(), "s3"),
    )
    # A daemon of this machine is none of this cloud's business.
    os.environ["DOCKER_HOST"] = f"unix://{tempfile.gettempdir()}/no-docker.sock"


def close_gaps(without: list[str]) -> list[str]:
    """Imports every module of the gaps folder and installs it.

    @raises SystemExit when a gap is named that does not exist.
    """
    import gaps

    names = sorted(module.name for module in pkgutil.iter_modules(gaps.__path__) if module.name[0] != "_")
    unknown = sorted(set(without) - set(names))
    if unknown:
        raise SystemExit(f"no such gap: {', '.join(unknown)}. There are: {', '.join(names)}")
    closed = [name for name in names if name not in without]
    for name in closed:
        importlib.import_module(f"gaps.{name}").install()
    return closed


def with_doors(application):
    """The emulator's application behind the doors that the gaps registered."""
    import gaps

    async def serve(scope, receive, send):
        handler = gaps.find_door(scope["path"]) if scope["type"] == "http" else None
        if handler is None:
            await application(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, headers, answer = await handler(scope["method"], scope["path"], body)
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        pairs.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": answer})

    return serve


def remove_folder(folder: str) -> None:
    """Threads that are still running may write while it is being removed, so more than once."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.05)


def end_everything() -> None:
    """Ends every process this one started, removes the folder, and ends this one. Never returns."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    gaps = sys.modules.get("gaps")
    if gaps:
        gaps.run_exits()
    leads_group = os.getpgrp() == os.getpid()
    if leads_group:
        os.killpg(0, signal.SIGTERM)
    else:
        runtime = sys.modules.get("ministack.core.lambda_runtime")
        if runtime:
            runtime.reset()
    remove_folder(tempfile.gettempdir())
    if leads_group:
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


async def announce(port: int, closed: list[str]) -> None:
    """Says where the cloud is once its first answer is there."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            healthy = (await reader.readline()).split()[1:2] == [b"200"]
            writer.close()
            if healthy:
                break
        except OSError:
            pass
        await asyncio.sleep(0.02)
    print(json.dumps({"port": port, "gaps": closed}), flush=True)


async def serve(application, bound: socket.socket, closed: list[str]) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{bound.fileno()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    announcement = asyncio.create_task(announce(bound.getsockname()[1], closed))
    await hypercorn_serve(application, config, shutdown_trigger=asyncio.Event().wait)
    await announcement


def raise_file_limit() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 65_536
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            pass


def main() -> None:
    arguments = parse_arguments()
    # The folder goes away at the end, so the machine's shared one must never be it.
    if "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="laptop-cloud-")
        tempfile.tempdir = None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end_everything())
    if arguments.parent is not None:
        threading.Thread(target=watch_parent, args=(arguments.parent,), daemon=True).start()
    bound = listen(arguments.port)
    prepare_environment(bound.getsockname()[1])
    raise_file_limit()
    from ministack.app import app

    closed = [] if arguments.bare else close_gaps(arguments.without)
    try:
        asyncio.run(serve(with_doors(app), bound, closed))
    finally:
        end_everything()


if __name__ == "__main__":
    main()
