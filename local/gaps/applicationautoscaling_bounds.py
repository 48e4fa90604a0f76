"""Gap: a scalable target keeps what it scales within its bounds.

The emulator refuses the type. Nothing scales by a metric here either: one machine has no more to give. But a
service whose target asks for two tasks has two.
"""

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs
from ministack.services.cloudformation import provisioners

_TYPE = "AWS::ApplicationAutoScaling::ScalableTarget"


def _bound(props: dict) -> None:
    kind, _, name = str(props["ResourceId"]).partition("/")
    service = ecs._services.get(name) if kind == "service" else None
    if not service:
        return
    wanted = min(max(service["desiredCount"], int(props["MinCapacity"])), int(props["MaxCapacity"]))
    if wanted != service["desiredCount"]:
        cluster, _, service_name = name.partition("/")
        ecs._update_service({"cluster": cluster, "service": service_name, "desiredCount": wanted})


def _create(logical_id: str, props: dict, stack: str) -> tuple[str, dict]:
    name = "|".join((props["ResourceId"], props["ScalableDimension"], props["ServiceNamespace"]))
    arn = f"arn:aws:application-autoscaling:{get_region()}:{get_account_id()}:scalable-target/{name}"
    _bound(props)
    return name, {"Id": name, "ScalableTargetARN": arn}


def install() -> None:
    if _TYPE in provisioners._RESOURCE_HANDLERS:
        raise RuntimeError(f"MiniStack now has {_TYPE}: the pinned version changed, and this gap with it.")
    provisioners._RESOURCE_HANDLERS[_TYPE] = {
        "create": _create,
        "update": lambda physical, old, new, stack, logical_id: _create(logical_id, new, stack),
        "update_with_logical_id": True,
        "delete": lambda physical, props: None,
    }
