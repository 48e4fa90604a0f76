"""Gap: without Docker a task of ECS is only a record, and with it its containers are started all at once.

Here a task's containers are processes of this machine: in the order of their `dependsOn`, with their role's
credentials, volumes as folders, their output in CloudWatch Logs, and the task's ports as free ones of this machine,
which a variable that names one is given instead. What an image brings is not there: `node`, `tar` and the like are
this machine's. A task behind a load balancer counts as running, and is given requests, once its health check
answers; told to stop, it is given none any more, and then SIGTERM.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time

from gaps import _ecs_containers as containers
from gaps._ecs_containers import TaskPlace, value
from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, ecs

_logger = logging.getLogger("ecs")
_POLL_SECONDS = 0.1
_DEPENDENCY_SECONDS = 120
_LEAST_START_SECONDS = 60


class _StartFailed(Exception):
    """A container that others wait for, or the task's health check, has failed."""


class _Containers:
    """What MiniStack asks of a Docker client, about containers of tasks that run here."""

    def __init__(self):
        self._known: dict[str, _Handle] = {}

    def add(self, container, place: TaskPlace) -> None:
        self._known[container.id] = _Handle(container, place)

    def get(self, identifier: str) -> _Handle:
        return self._known[identifier]

    def list(self, **_) -> list:
        return []


class _Handle:
    def __init__(self, container, place: TaskPlace):
        self._container, self._place = container, place
        self.id = container.id

    @property
    def status(self) -> str:
        return self._container.status

    def reload(self) -> None:
        pass

    def wait(self) -> dict:
        return {"StatusCode": self._container.exit_code()}

    def stop(self, timeout: int = 0) -> None:
        # What it has still to answer may take as long as its stopTimeout: nobody waits for that.
        threading.Thread(target=self._end, daemon=True, name=f"ecs-stop-{self.id[:8]}").start()

    def _end(self) -> None:
        self._container.end()
        self._place.ended()

    def remove(self, **_) -> None:
        pass


class _Client:
    containers = _Containers()


_client = _Client()


def _ordered(definition: dict) -> list[dict]:
    """Containers after those that they depend on."""
    waiting, ordered = list(definition["containerDefinitions"]), []
    while waiting:
        started = {container["name"] for container in ordered}
        ready = [container for container in waiting
                 if {value(need, "containerName") for need in value(container, "dependsOn", [])} <= started]
        if not ready:
            raise _StartFailed("the containers of the task wait for each other")
        ordered += ready
        waiting = [container for container in waiting if container not in ready]
    return ordered


def _await_dependencies(definition: dict, started: dict) -> None:
    deadline = time.monotonic() + _DEPENDENCY_SECONDS
    for need in value(definition, "dependsOn", []):
        name, condition = value(need, "containerName"), value(need, "condition")
        container = started[name]
        while condition in ("SUCCESS", "COMPLETE") and container.exit_code() is None:
            if time.monotonic() > deadline:
                raise _StartFailed(f"dependency {name} did not complete")
            time.sleep(_POLL_SECONDS)
        if condition == "SUCCESS" and container.exit_code() != 0:
            raise _StartFailed(f"dependency {name} ended with {container.exit_code()}")


def _variables(definition: dict, overrides: list[dict]) -> dict[str, str]:
    override = ecs._container_override_for(overrides, definition["name"])
    return {value(each, "name"): value(each, "value") for source in (definition, override)
            for each in value(source, "environment", [])}


def _service_of(task: dict) -> dict | None:
    cluster = ecs._cluster_name_from_arn(task.get("clusterArn", ""))
    group = task.get("group", "")
    return ecs._services.get(f"{cluster}/{group.removeprefix('service:')}") if group.startswith("service:") else None


def _is_healthy(port: int, target_group: dict) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", target_group.get("HealthCheckPath") or "/")
        wanted = (target_group.get("Matcher") or {}).get("HttpCode") or "200"
        return str(connection.getresponse().status) in wanted.split(",")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _await_health(task: dict, place: TaskPlace, started: dict) -> None:
    """Until each target group that the service names would send requests to the task."""
    service = _service_of(task) or {}
    grace = max(_LEAST_START_SECONDS, int(service.get("healthCheckGracePeriodSeconds") or 0))
    deadline = time.monotonic() + grace
    for balancer in service.get("loadBalancers") or []:
        group, name = alb._tgs.get(balancer.get("targetGroupArn")), balancer["containerName"]
        port = place.ports[int(balancer["containerPort"])]
        while group and not _is_healthy(port, group):
            if started[name].exit_code() is not None:
                raise _StartFailed(f"the container {name} ended with {started[name].exit_code()}")
            if time.monotonic() > deadline:
                raise _StartFailed(f"the container {name} failed its health checks for {grace} s")
            if not ecs._task_is_active(task["taskArn"], task):
                return
            time.sleep(_POLL_SECONDS)


def _attach(task: dict, definition: dict, started: dict) -> None:
    """Tells the record of the task what runs, in the order of its definition."""
    names = [container["name"] for container in definition["containerDefinitions"]]
    with resource_lock("ecs-task", task["taskArn"]):
        task["_docker_ids"] = [started[name].id for name in names if name in started]
        for record in task["containers"]:
            container = started.get(record["name"])
            if container is not None and container.exit_code() is None:
                record["lastStatus"] = "RUNNING"
                record["runtimeId"] = container.id


def _start_task(task: dict, definition: dict, overrides: list[dict], client: _Client) -> None:
    """Replaces `ecs._start_task_worker`: starts the containers, waits, and says that the task runs."""
    arn = task["taskArn"]
    if not ecs._mark_task_pending(arn, task) or not ecs._mark_task_activating(arn, task):
        return
    place, started = TaskPlace(task, definition, get_account_id(), get_region()), {}
    task["_ports"] = place.ports
    try:
        for container in _ordered(definition):
            _await_dependencies(container, started)
            if not ecs._task_is_active(arn, task):
                raise _StartFailed("the task was stopped")
            running = containers.start_container(container, place, _variables(container, overrides))
            place.containers.append(running)
            client.containers.add(running, place)
            started[container["name"]] = running
            _attach(task, definition, started)
        _await_health(task, place, started)
        if not ecs._mark_task_running(arn, task):
            raise _StartFailed("the task was stopped")
    except Exception:
        for container in started.values():
            container.end()
        place.ended()
        raise


def _sync_targets(cluster_name: str, service: dict) -> None:
    """Replaces `ecs._sync_service_targets`: each task has a port of this machine instead of an address."""
    for balancer in service.get("loadBalancers") or []:
        arn, port = balancer.get("targetGroupArn"), int(balancer.get("containerPort", 80))
        with resource_lock("elbv2-targets", arn):
            running = [task for task in list(ecs._tasks.values())
                       if task.get("group") == f"service:{service['serviceName']}"
                       and task.get("clusterArn") == service.get("clusterArn")
                       and task.get("lastStatus") == "RUNNING" and service.get("status") == "ACTIVE"]
            targets = [("127.0.0.1", task["_ports"][port]) for task in running if port in task.get("_ports", {})]
            alb.set_targets_for_group(arn, targets, ("127.0.0.1",))


def _in_progress(make):
    """A new service's deployment is complete once its tasks run, and not before."""
    def deployment(*args, **kwargs):
        made = make(*args, **kwargs)
        if made["desiredCount"]:
            made.update(rolloutState="IN_PROGRESS", rolloutStateReason="")
        return made
    return deployment


def install() -> None:
    ecs._get_docker = lambda: _client
    ecs._start_task_worker = _start_task
    ecs._sync_service_targets = _sync_targets
    ecs._make_deployment = _in_progress(ecs._make_deployment)
    # Images are none here, so that nothing has to find out which.
    ecs._deployment_needs_first_task = lambda *_: False
