"""Gap: CloudFormation waits for a service of ECS until its tasks run, and fails with it.

MiniStack counts a service as there once it is asked for, whatever becomes of its tasks.
"""

from __future__ import annotations

import time

from ministack.services import ecs
from ministack.services.cloudformation import provisioners, stacks

_TYPE = "AWS::ECS::Service"
_POLL_SECONDS = 0.1
_LONGEST_SECONDS = 300


def _record(arn: str) -> dict:
    return next(service for service in ecs._services.values() if service["serviceArn"] == arn)


def _reasons(service: dict) -> str:
    """What its tasks stopped for, the newest first."""
    tasks = [task for task in ecs._tasks.values() if task.get("group") == f"service:{service['serviceName']}"]
    return "; ".join(dict.fromkeys(task["stoppedReason"] for task in reversed(tasks) if task.get("stoppedReason")))


def _await_steady(service: dict, definition: str) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        deployments = list(service["deployments"])
        primary = ecs._primary_deployment(service)
        # The newest one comes first.
        wanted = next((each for each in deployments if each["taskDefinition"] == definition), None)
        if wanted and wanted["rolloutState"] == "FAILED":
            raise ValueError(f"Error occurred during operation 'ECS Deployment Circuit Breaker was triggered': "
                             f"{_reasons(service)}")
        others = [each for each in deployments if each is not primary and each["rolloutState"] != "FAILED"]
        if (wanted is primary and primary and primary["rolloutState"] == "COMPLETED" and not others
                and primary["runningCount"] >= service["desiredCount"]):
            return
        time.sleep(_POLL_SECONDS)
    raise ValueError(f"Exceeded attempts to wait: {_reasons(service) or 'the service did not become steady'}")


def _physical(arn: str, service: dict) -> tuple[str, dict]:
    # The cluster of a service's ARN is its name, also where the template has the cluster's ARN.
    return arn, {"ServiceArn": arn, "Name": service["serviceName"]}


def _created(create):
    def create_and_wait(logical_id, props, stack_name):
        cluster = str(props.get("Cluster", "default")).rsplit("/", 1)[-1]
        create(logical_id, {**props, "Cluster": cluster}, stack_name)
        name = props.get("ServiceName", f"{stack_name}-{logical_id}")
        service = ecs._services[f"{cluster}/{name}"]
        service["healthCheckGracePeriodSeconds"] = int(props.get("HealthCheckGracePeriodSeconds") or 0)
        try:
            _await_steady(service, service["taskDefinition"])
        except ValueError:
            ecs._delete_service({"cluster": cluster, "service": name, "force": True})
            raise
        return _physical(service["serviceArn"], service)
    return create_and_wait


def _updated(update):
    def update_and_wait(physical_id, old_props, new_props, stack_name):
        update(physical_id, old_props, new_props, stack_name)
        service = _record(physical_id)
        _await_steady(service, new_props["TaskDefinition"])
        return _physical(physical_id, service)
    return update_and_wait


def install() -> None:
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
    handlers["create"] = _created(handlers["create"])
    handlers["update"] = _updated(handlers["update"])
    waits = stacks._runs_on_worker_thread
    # Tasks fetch what they run from this cloud, which must be able to answer meanwhile.
    stacks._runs_on_worker_thread = lambda kind: kind == _TYPE or waits(kind)
