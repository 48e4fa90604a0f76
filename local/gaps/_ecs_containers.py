"""The containers of a task as processes of this machine, and what MiniStack asks of Docker about them."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import threading

from gaps import _sagemaker_storage as storage
from gaps import endpoint
from gaps._sagemaker_process import ContainerProcess, LogStream

_STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def value(document: dict, name: str, otherwise=None):
    """A member of a document whose keys begin with a small letter, or with a capital as in a template."""
    return document.get(name, document.get(name[:1].upper() + name[1:], otherwise))


def credentials(role_arn: str, account: str, task_id: str) -> dict[str, str]:
    """What containers get of the task's role."""
    from ministack.services import sts

    digest = hashlib.sha256(f"ecs:{role_arn}:{task_id}".encode()).hexdigest()
    key, secret, token = f"ASIA{digest[:16].upper()}", digest, digest[::-1]
    role = role_arn.rsplit("/", 1)[-1]
    sts.register_session(key, {"Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{task_id}",
                               "UserId": f"{role}:{task_id}", "SecretAccessKey": secret, "SessionToken": token})
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


class TaskPlace:
    """Where a task runs: its volumes as folders, its ports as free ones of this machine, its role's credentials."""

    def __init__(self, task: dict, definition: dict, account: str, region: str):
        self.task_id = task["taskArn"].rsplit("/", 1)[-1]
        self.account, self.region = account, region
        self.role_arn = value(definition, "taskRoleArn", "")
        self.execution_role_arn = value(definition, "executionRoleArn", "")
        self.folder = os.path.join(tempfile.gettempdir(), "ecs", self.task_id)
        self._volumes = {name: os.path.join(self.folder, "volumes", name)
                         for name in (value(volume, "name") for volume in definition.get("volumes") or [])}
        for folder in self._volumes.values():
            os.makedirs(folder, exist_ok=True)
        ports = [int(value(mapping, "containerPort")) for container in definition["containerDefinitions"]
                 for mapping in value(container, "portMappings", [])]
        #: Port in the container → port of this machine.
        self.ports = {port: free_port() for port in ports}
        self.containers: list = []
        self.credentials = credentials(self.role_arn, account, self.task_id)

    def path(self, container: dict, text: str) -> str:
        """A path of the container on this machine."""
        for mount in value(container, "mountPoints", []):
            inside = value(mount, "containerPath")
            if text == inside or text.startswith(inside + "/"):
                return self._volumes[value(mount, "sourceVolume")] + text[len(inside):]
        return text

    def environment(self, container: dict, variables: dict[str, str]) -> dict[str, str]:
        """The container's variables; one that holds a port of the container holds this machine's instead."""
        own = {name: self.path(container, str(self.ports.get(_number(text), text)))
               for name, text in variables.items()}
        scratch = os.path.join(self.folder, container["name"])
        return {
            "LANG": "C.UTF-8", "AWS_ENDPOINT_URL": endpoint(), "AWS_EC2_METADATA_DISABLED": "true",
            "PATH": os.environ.get("PATH", os.defpath), "HOME": os.path.join(scratch, "home"),
            "TMPDIR": os.path.join(scratch, "tmp"), "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", **self.credentials, **own,
        }

    def client(self, service: str):
        return storage.client(service, self.role_arn, self.account, self.region)

    def log(self, container: dict):
        """Where its lines go, by the role that starts it; nowhere without the driver awslogs."""
        options = (value(container, "logConfiguration") or {}).get("options") or {}
        if not options.get("awslogs-group"):
            return _NoLog()
        stream = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container['name']}/{self.task_id}"
        logs = storage.client("logs", self.execution_role_arn, self.account, self.region)
        return _TaskLog(logs, options["awslogs-group"], stream)

    def ended(self) -> None:
        """Removes what the task wrote, once nothing of it runs any more."""
        if all(container.exit_code() is not None for container in self.containers):
            shutil.rmtree(self.folder, ignore_errors=True)


def _number(text: str) -> int | None:
    return int(text) if str(text).isdigit() else None


class _TaskLog(LogStream):
    """The driver makes the stream and never the group, for which the role has no right."""

    def __init__(self, logs, group: str, stream: str):
        super().__init__(logs, group, stream, [], creates_group=False)

    def say(self, line: str) -> None:
        self.read([line.encode()])


class _NoLog:
    metrics: dict = {}

    def read(self, source) -> None:
        for _ in source:
            pass

    def say(self, line: str) -> None:
        pass


class ProcessContainer:
    """A container whose command runs as a process."""

    def __init__(self, container: dict, place: TaskPlace, variables: dict[str, str]):
        command = [place.path(container, part) for part in
                   [*(value(container, "entryPoint") or []), *(value(container, "command") or [])]]
        if not command:
            raise OSError(f"the container {container['name']} names no command, and there is no image to have one")
        self.id = f"{place.task_id}-{container['name']}"
        self._stop_seconds = float(value(container, "stopTimeout") or _STOP_SECONDS)
        environment = place.environment(container, variables)
        os.makedirs(place.folder, exist_ok=True)
        self._process = ContainerProcess(command, place.folder, environment, place.log(container))
        self._stopping = threading.Lock()

    def exit_code(self) -> int | None:
        return self._process.exit_code()

    @property
    def status(self) -> str:
        return "running" if self.exit_code() is None else "exited"

    def end(self) -> None:
        """SIGTERM, and SIGKILL where that was not enough in time."""
        with self._stopping:
            self._process.terminate()
            try:
                self._process.wait(self._stop_seconds)
            except TimeoutError:
                pass
            self._process.kill()


class CopyContainer:
    """A container of the AWS CLI that copies one object out of S3; the laptop has no such image, and needs none."""

    def __init__(self, container: dict, place: TaskPlace, _variables: dict[str, str]):
        self.id = f"{place.task_id}-{container['name']}"
        self._code: int | None = None
        log, command = place.log(container), value(container, "command") or []
        try:
            source, target = _copied(command)
            bucket, key = storage.parse_uri(source)
            storage.download(place.client("s3"), bucket, key, place.path(container, target))
            log.say(f"download: {source} to {target}")
            self._code = 0
        except Exception as error:  # noqa: BLE001 - whatever it is, the CLI ends with a message and a code
            log.say(f"fatal error: {error}")
            self._code = 1

    def exit_code(self) -> int | None:
        return self._code

    status = "exited"

    def end(self) -> None:
        pass


def _copied(command: list[str]) -> tuple[str, str]:
    if command[:2] != ["s3", "cp"] or len(command) < 4 or not command[2].startswith("s3://"):
        raise ValueError(f"on a laptop the AWS CLI knows `s3 cp s3://… <file>` alone, and was given {command}")
    return command[2], command[3]


def start_container(container: dict, place: TaskPlace, variables: dict[str, str]):
    """@raises OSError where its command cannot be run here."""
    repository = container["image"].split("@")[0].rsplit(":", 1)[0]
    kind = CopyContainer if repository.endswith("/aws-cli") else ProcessContainer
    return kind(container, place, variables)
