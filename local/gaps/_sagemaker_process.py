"""A training container as a process: its folder tree, its environment, its output, its end."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import gaps

_logger = logging.getLogger("sagemaker")
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_FLUSH_SECONDS = 0.5
_MAX_EVENT_BYTES = 256_000
_running: set[int] = set()
_gone = threading.Event()


def container_path(path: str, base: str) -> str:
    """A path of the container on this machine: ``/opt/ml`` lies at ``base``."""
    return path.replace("/opt/ml", base)


def write_tree(base: str, request: dict) -> None:
    """The folders and configuration files a container finds under /opt/ml."""
    for folder in ("input/config", "input/data", "model", "output/data", "code"):
        os.makedirs(os.path.join(base, folder), exist_ok=True)
    documents = {
        "hyperparameters": request.get("HyperParameters", {}),
        "inputdataconfig": {channel["ChannelName"]: _channel_config(channel, request)
                            for channel in request.get("InputDataConfig", [])},
        "resourceconfig": _resource_config(request["ResourceConfig"]),
    }
    checkpoints = request.get("CheckpointConfig")
    if checkpoints:
        documents["checkpointconfig"] = {**checkpoints, "LocalPath": checkpoint_folder(base, checkpoints)}
    for name, document in documents.items():
        with open(os.path.join(base, "input", "config", f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(document, file)


def _channel_config(channel: dict, request: dict) -> dict:
    config = {
        "TrainingInputMode": channel.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"],
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return {"ContentType": channel["ContentType"], **config} if channel.get("ContentType") else config


def _resource_config(resources: dict) -> dict:
    instance_type, group = resources.get("InstanceType"), "homogeneousCluster"
    return {
        "current_host": "algo-1", "current_instance_type": instance_type, "current_group_name": group,
        "hosts": ["algo-1"], "network_interface_name": "eth0",
        "instance_groups": [{"instance_group_name": group, "instance_type": instance_type, "hosts": ["algo-1"]}],
    }


def checkpoint_folder(base: str, config: dict) -> str:
    return container_path(config.get("LocalPath") or "/opt/ml/checkpoints", base)


def _command(request: dict, base: str) -> list[str]:
    specification = request["AlgorithmSpecification"]
    arguments = specification.get("ContainerArguments")
    # Without an entry point SageMaker runs `docker run image train`.
    entry = specification.get("ContainerEntrypoint") or ["train"]
    return [container_path(part, base) for part in [*entry, *(arguments or [])]]


def _environment(request: dict, base: str, arn: str, region: str) -> dict[str, str]:
    image, scratch = request["AlgorithmSpecification"]["TrainingImage"], os.path.dirname(base)
    return {
        "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
        **{name: str(value) for name, value in request.get("Environment", {}).items()},
        "PATH": os.pathsep.join([os.path.join(image, "bin"), os.environ.get("PATH", os.defpath)]),
        "HOME": os.path.join(scratch, "home"), "TMPDIR": os.path.join(scratch, "tmp"),
        "SAGEMAKER_BASE_DIR": base, "TRAINING_JOB_NAME": request["TrainingJobName"], "TRAINING_JOB_ARN": arn,
        "AWS_REGION": region,
    }


class LogStream:
    """Lines of one container's output, on their way to CloudWatch Logs; metrics are read from them in passing."""

    def __init__(self, logs, group: str, stream: str, metric_definitions: list[dict], *, creates_group: bool = True):
        self._logs, self._group, self._stream = logs, group, stream
        self._definitions = [(each["Name"], re.compile(each["Regex"])) for each in metric_definitions]
        self._waiting: list[dict] = []
        self._flushed = time.monotonic()
        self.metrics: dict[str, dict] = {}
        steps = [(logs.create_log_group, {})] if creates_group else []
        for create, names in [*steps, (logs.create_log_stream, {"logStreamName": stream})]:
            try:
                create(logGroupName=group, **names)
            except logs.exceptions.ResourceAlreadyExistsException:
                pass
            except logs.exceptions.ClientError as error:
                # A role without the permission trains all the same, as on AWS; its lines are lost.
                _logger.warning("%s has no log: %s", stream, error)

    def read(self, source) -> None:
        """Takes every line until the source ends."""
        flusher = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(flusher,), daemon=True)
        ticker.start()
        try:
            for raw in source:
                self._take(raw.decode("utf-8", "replace").rstrip("\r\n"))
        except ValueError:
            pass  # closed while reading: the process is gone
        finally:
            flusher.set()
            ticker.join()
            self._flush()

    def _tick(self, over: threading.Event) -> None:
        while not over.wait(_FLUSH_SECONDS):
            self._flush()

    def _take(self, line: str) -> None:
        now = time.time()
        if line:
            self._waiting.append({"timestamp": int(now * 1000), "message": line[:_MAX_EVENT_BYTES]})
        for name, expression in self._definitions:
            for match in expression.finditer(line):
                try:
                    value = float(match.group(1) if match.groups() else match.group(0))
                except (TypeError, ValueError):
                    continue
                self.metrics[name] = {"MetricName": name, "Value": value, "Timestamp": now}

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), 1000):
            try:
                self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream,
                                          logEvents=waiting[start:start + 1000])
            except Exception as error:
                _logger.warning("log events of %s were lost: %s", self._stream, error)


class ContainerProcess:
    """A container's main process, in a process group of its own; its output goes to a log stream."""

    def __init__(self, command: list[str], folder: str, environment: dict[str, str], log: LogStream):
        if _gone.is_set():
            raise RuntimeError("the laptop cloud is being stopped")
        for variable in ("HOME", "TMPDIR"):
            os.makedirs(environment[variable], exist_ok=True)
        # The child's own PATH decides, as in a container; Popen would look on this process's.
        executable = shutil.which(command[0], path=environment["PATH"])
        if executable is None:
            raise FileNotFoundError(command[0])
        self.log = log
        self._process = subprocess.Popen(
            [executable, *command[1:]], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        _record(self._process.pid)
        self._reader = threading.Thread(target=self.log.read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def exit_code(self) -> int | None:
        """None while it runs; as a shell gives it otherwise, 128 + n after signal n."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def wait(self, seconds: float) -> None:
        """Until it has ended. @raises TimeoutError when it has not by then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"it still runs after {seconds} s") from error

    def kill(self) -> None:
        """Ends the whole process group; returns when it is gone and its output is read."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join(5)
        _forget(self._process.pid)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # nobody left in it


class Container(ContainerProcess):
    """One run of the training image's entry point."""

    def __init__(self, request: dict, base: str, arn: str, region: str, logs):
        stream = f"{request['TrainingJobName']}/algo-1-{int(time.time())}"
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
        super().__init__(_command(request, base), base, _environment(request, base, arn, region),
                         LogStream(logs, LOG_GROUP, stream, definitions))


def _note(pid: int) -> str:
    # Whoever cleans up after a launcher that was killed finds the groups that outlived it here.
    return os.path.join(tempfile.gettempdir(), "process-groups", str(pid))


def _record(pid: int) -> None:
    _running.add(pid)
    os.makedirs(os.path.dirname(_note(pid)), exist_ok=True)
    open(_note(pid), "w").close()


def _forget(pid: int) -> None:
    _running.discard(pid)
    try:
        os.remove(_note(pid))
    except FileNotFoundError:
        pass  # the cloud's folder is gone already


def kill_all() -> None:
    _gone.set()
    for pid in list(_running):
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


gaps.at_exit(kill_all)
