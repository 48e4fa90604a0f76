"""Gap: a Node function's process behaves as one of Lambda's execution environments does.

The bare emulator reports every thrown error as ``Runtime.HandlerError``, throws the process away after each of them,
kills all processes of a function when one cannot start (and shows an empty stderr), waits 50 ms for log lines after an
invocation that printed none, names a killed process "Worker process died", hands the emulator's own environment
variables to the function, and unpacks code and layers again for each process.
"""

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from gaps import _lambda_logs, door, json_response
from gaps._lambda_package import package

_LOOP_STARTS = "let handlerFn = null;"
_RUNTIME_JS = Path(__file__).with_name("lambda-node-runtime.js")
# The variables of the host a function may see; AWS sets all others itself or not at all.
_HOST_VARIABLES = ("PATH", "HOME", "AWS_ENDPOINT_URL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_INIT_SECONDS = 10.0
_LOGS_SECONDS = 2.0
_MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100


class InitFailed(Exception):
    """The process did not come up; ``error`` is the shape that AWS answers, ``lines`` what it had printed."""

    def __init__(self, error: dict, lines: list):
        super().__init__(error["errorMessage"])
        self.error = error
        self.lines = lines


class NodeEnvironment(lambda_runtime.Worker):
    """One Node process that serves one invocation at a time. ``invoke`` returns what MiniStack's worker returns, with
    ``error`` as AWS's error object, and ``lines`` as (epoch milliseconds, text)."""

    def __init__(self, func_name, config, code_zip):
        super().__init__(func_name, config, code_zip)
        self._answers: queue.Queue = queue.Queue()
        self._lines: queue.Queue = queue.Queue()
        self.log_stream = ""
        self.init_milliseconds = 0.0

    def _spawn(self):
        started = time.monotonic()
        self._discard_tmpdir()
        self._tmpdir = tempfile.mkdtemp(prefix=f"lambda-{self.func_name}-")
        folder = package(self.config, self.code_zip)
        self.log_stream = f"{time.strftime('%Y/%m/%d')}/[{self.config.get('Version', '$LATEST')}]{uuid.uuid4().hex}"
        script = os.path.join(self._tmpdir, "runtime.js")
        Path(script).write_text(_script())
        self._start_process(script, folder)
        module, handler = self.config.get("Handler", "index.handler").rsplit(".", 1)
        end = uuid.uuid4().hex
        self._send({
            "code_dir": str(folder / "task"), "module": module, "handler": handler, "end": end,
            "log_format": (self.config.get("LoggingConfig") or {}).get("LogFormat", "Text"),
        })
        # AWS repeats an init that takes more than 10 s under the function's own timeout: together that is the limit.
        answer = self._answer(_INIT_SECONDS + float(self.config.get("Timeout", 3)))
        if answer is None or answer["status"] != "ready":
            lines = self._lines_until(end)
            error = answer["error"] if answer else self._ended("", self._stop())
            self._stop()
            raise InitFailed(error, lines)
        self._init_lines = self._lines_until(end)
        self.init_milliseconds = (time.monotonic() - started) * 1000
        self._start_time = time.time()

    def _start_process(self, script: str, folder: Path) -> None:
        reader, writer = os.pipe()
        try:
            self._proc = subprocess.Popen(
                [shutil.which("node") or "node", script, str(writer)],
                cwd=folder / "task", env=self._environment(folder), pass_fds=(writer,),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        finally:
            os.close(writer)
        self._answers, self._lines = queue.Queue(), queue.Queue()
        for source, drain in ((os.fdopen(reader, "rb"), self._answers), (self._proc.stdout, self._lines)):
            threading.Thread(target=_pump, args=(source, drain), daemon=True).start()

    def _environment(self, folder: Path) -> dict:
        config = self.config
        account_region = lambda_runtime._account_region_from_function_config(config)
        name = config.get("FunctionName", "")
        temporary = os.path.join(self._tmpdir, "tmp")
        os.mkdir(temporary)
        own = (config.get("Environment") or {}).get("Variables") or {}
        port = os.environ.get("GATEWAY_PORT", "4566")
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            **{key: os.environ[key] for key in _HOST_VARIABLES if key in os.environ},
            "NODE_PATH": f"{folder / 'opt/nodejs/node_modules'}:{folder / 'opt/nodejs'}:{folder / 'task'}",
            "LANG": "en_US.UTF-8", "TZ": ":UTC", "TMPDIR": temporary,
            **{key: value for key, value in own.items() if key not in lambda_runtime._RESERVED_RUNTIME_ENV_VARS},
            **lambda_runtime.execution_credentials(config),
            "AWS_REGION": account_region[1], "AWS_DEFAULT_REGION": account_region[1],
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime')}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": _lambda_logs.log_group(config),
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
            "LAMBDA_TASK_ROOT": str(folder / "task"), "_HANDLER": config.get("Handler", ""),
            lambda_runtime.HOST_PREFIX_ENV: "true",
        }

    def invoke(self, event, request_id, *, trace_id=None, depth=None, durable=None, invoked_function_arn=None):
        with self._lock:
            init_lines = []
            cold = self._proc is None or self._proc.poll() is not None
            if cold:
                self._spawn()
                init_lines = self._init_lines
            end = uuid.uuid4().hex
            timeout = float(self.config.get("Timeout", 3))
            arn = invoked_function_arn or self.config.get("FunctionArn", "")
            sent = self._send({"event": event, "ctx": {
                "request_id": request_id, "invoked_function_arn": arn, "timeout_ms": int(timeout * 1000),
                "trace_id": trace_id, "depth": depth, "end": end}})
            started = time.monotonic()
            answer = self._answer(timeout) if sent else None
            milliseconds = (time.monotonic() - started) * 1000
            if answer is None:
                timed_out = sent and self._proc.poll() is None and milliseconds >= timeout * 1000 - 50
                error = _timed_out(request_id, timeout) if timed_out else self._ended(request_id, self._stop())
                self._stop()
                answer = {"status": "error", "error": error}
            elif answer.get("exits"):
                self._stop()
            lines = init_lines + self._lines_until(end)
            if answer["status"] == "error" and answer["error"]["errorType"] in ("Sandbox.Timedout", "Runtime.ExitError"):
                lines.append((time.time_ns() // 1_000_000, f"{answer['error']['errorMessage']}"))
            return {"milliseconds": milliseconds, **answer, "cold_start": cold, "lines": lines}

    def _send(self, message: dict) -> bool:
        try:
            self._proc.stdin.write(json.dumps(message).encode() + b"\n")
            self._proc.stdin.flush()
            return True
        except (BrokenPipeError, OSError, ValueError):
            return False

    def _answer(self, seconds: float) -> dict | None:
        """The next answer; None when the process ended or the time is over."""
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            return None
        return None if line is None else json.loads(line[1])

    def _lines_until(self, end: str) -> list:
        """What the process printed up to the mark it prints after each invocation, or up to its end."""
        lines, deadline = [], time.monotonic() + _LOGS_SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return lines
            if line is None or line[1] == end:
                return lines
            lines.append(line)

    def _stop(self) -> int | None:
        """Kills the process if it still runs; its exit status, negative for a signal."""
        proc, self._proc = self._proc, None
        if proc is None:
            return None
        # The pipe of answers closes a moment before the process can be waited for.
        try:
            return proc.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            proc.kill()
            return proc.wait()

    def _ended(self, request_id: str, status: int | None) -> dict:
        names = {-9: "signal: killed", -15: "signal: terminated", -6: "signal: aborted", -11: "signal: segmentation fault"}
        reason = names.get(status, f"exit status {status}" if status and status > 0 else None)
        reason = f"Runtime exited with error: {reason}" if reason else "Runtime exited without providing a reason"
        return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {reason}"}


def _pump(source, drain: queue.Queue) -> None:
    with source:
        for line in source:
            # A carriage return stands for a line break within one event, as in AWS's own Node runtime.
            text = line.decode(errors="replace").rstrip("\n").replace("\r", "\n")
            drain.put((time.time_ns() // 1_000_000, text))
    drain.put(None)


def _timed_out(request_id: str, timeout: float) -> dict:
    message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
    return {"errorType": "Sandbox.Timedout", "errorMessage": message}


def _script() -> str:
    """MiniStack's Node worker up to its loop, then ours."""
    own = lambda_runtime._sub_runtime_tokens(_RUNTIME_JS.read_text())
    return lambda_runtime._NODEJS_WORKER_SCRIPT.split(_LOOP_STARTS)[0] + own


def _execute(func: dict, event, request_id: str) -> dict:
    """Replaces ``lambda_svc._execute_function_warm`` for Node: same arguments, same kind of answer."""
    config = func.get("config") or func
    code_zip = func.get("code_zip")
    if not code_zip:
        return {"error": True, "log": "", "body": {
            "errorType": "Runtime.ImportModuleError", "errorMessage": "The function has no code."}}
    lambda_svc._ensure_reaper_thread()
    name, version = config.get("FunctionName", "unknown"), config.get("Version", "$LATEST")
    worker, _ = lambda_runtime.acquire_worker(name, config, code_zip, qualifier=version)
    try:
        answer = worker.invoke(
            event, request_id, trace_id=lambda_svc._xray_trace_id_for_invocation(config),
            invoked_function_arn=config.get("FunctionArn", ""), depth=lambda_svc._invoke_depth.get())
    except InitFailed as failure:
        answer = {"status": "error", "error": failure.error, "lines": failure.lines, "milliseconds": 0.0}
    finally:
        lambda_runtime.release_worker(worker)
    answer = _limited(answer)
    log = _lambda_logs.write(config, worker, request_id, answer)
    result = {"log": log, "milliseconds": answer["milliseconds"]}
    if answer["status"] == "ok":
        return {**result, "body": answer["result"]}
    return {**result, "body": answer["error"], "error": True, "function_error": "Unhandled"}


def _limited(answer: dict) -> dict:
    if answer["status"] != "ok" or not isinstance(answer["result"], (dict, list, str)):
        return answer
    size = len(json.dumps(answer["result"], ensure_ascii=False).encode())
    if size <= _MAX_RESPONSE_BYTES:
        return answer
    message = f"Response payload size exceeded maximum allowed payload size (6291556 bytes): {size} bytes."
    error = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
    return {**answer, "status": "error", "error": error}


async def _environments(_method, _path, _body):
    """The living environments, for those who want to watch or kill one."""
    with lambda_runtime._lock:
        workers = [worker for entries in lambda_runtime._workers.values() for worker in entries]
    processes = [(worker, worker._proc) for worker in workers]
    return json_response(200, [
        {"function": worker.func_name, "pid": process.pid, "busy": worker.in_use}
        for worker, process in processes if process is not None and process.poll() is None])


def install() -> None:
    for module, names in (
        (lambda_runtime, ("Worker", "_worker_class_for", "_NODEJS_WORKER_SCRIPT", "_sub_runtime_tokens", "acquire_worker",
                          "release_worker", "execution_credentials", "_RESERVED_RUNTIME_ENV_VARS", "HOST_PREFIX_ENV")),
        (lambda_svc, ("_execute_function_warm", "_emit_lambda_logs", "_resolve_layer_zip", "_invoke_depth",
                      "_extract_zip_preserving_mode", "_xray_trace_id_for_invocation", "_ensure_reaper_thread")),
    ):
        for name in names:
            if not hasattr(module, name):
                raise RuntimeError(f"MiniStack's {module.__name__} has no {name}: the pinned version changed.")
    if lambda_runtime._NODEJS_WORKER_SCRIPT.count(_LOOP_STARTS) != 1 or "_realWriteSync" not in _script():
        raise RuntimeError("MiniStack's Node worker changed: its loop is not where it was.")

    bare_class, bare_execute = lambda_runtime._worker_class_for, lambda_svc._execute_function_warm
    bare_logs = lambda_svc._emit_lambda_logs

    def is_node(config: dict) -> bool:
        return str(config.get("Runtime", "")).startswith("nodejs")

    def worker_class(config):
        return NodeEnvironment if is_node(config) else bare_class(config)

    def execute(func, event, request_id):
        run = _execute if is_node(func.get("config") or func) else bare_execute
        return run(func, event, request_id)

    def emit_logs(func, request_id, *args, **kwargs):
        if request_id in _lambda_logs.written:
            _lambda_logs.written.discard(request_id)
            return
        bare_logs(func, request_id, *args, **kwargs)

    lambda_runtime._worker_class_for = worker_class
    lambda_svc._execute_function_warm = execute
    lambda_svc._emit_lambda_logs = emit_logs
    door("lambda", _environments)
