"""Gap: CloudFormation types the emulator refuses, so that a stack with one of them does not deploy at all.

What they describe is not emulated here either: nothing scales a process of this machine, no network is around
it, and a cache is no part of the laptop cloud. The stack keeps the resource, Ref and GetAtt give what they give on
AWS, and an endpoint that is asked for leads nowhere.
"""

from __future__ import annotations

import hashlib
import time

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import provisioners


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def _scaling_policy(logical_id: str, props: dict, stack: str) -> tuple[str, dict]:
    target = props.get("ScalingTargetId", "||").split("|")
    namespace, resource = props.get("ServiceNamespace", target[2]), props.get("ResourceId", target[0])
    arn = _arn("autoscaling", f"scalingPolicy:{_digest(stack, logical_id)[:36]}:resource/{namespace}/{resource}"
               f":policyName/{props['PolicyName']}")
    return arn, {"Arn": arn}


def _serverless_cache(logical_id: str, props: dict, stack: str) -> tuple[str, dict]:
    name = props["ServerlessCacheName"]
    # A top-level domain that is reserved for names that lead nowhere.
    address = f"{name}-{_digest(stack, logical_id)[:6]}.serverless.invalid"
    return name, {
        "ARN": _arn("elasticache", f"serverlesscache:{name}"), "Status": "available",
        "CreateTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "FullEngineVersion": f"{props['Engine']}-{props.get('MajorEngineVersion', '8')}",
        "Endpoint.Address": address, "Endpoint.Port": "6379",
        "ReaderEndpoint.Address": address, "ReaderEndpoint.Port": "6380",
    }


def _of_network(prefix: str):
    """What a network lets through is nobody's to hold here."""
    def describe(logical_id: str, props: dict, stack: str) -> tuple[str, dict]:
        identifier = f"{prefix}-{_digest(stack, logical_id)[:17]}"
        return identifier, {"Id": identifier}
    return describe


_TYPES = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::EC2::FlowLog": _of_network("fl"),
    "AWS::EC2::SecurityGroupEgress": _of_network("sgr"),
    "AWS::EC2::SecurityGroupIngress": _of_network("sgr"),
    "AWS::ElastiCache::ServerlessCache": _serverless_cache,
}


def _handler(describe) -> dict:
    return {
        "create": describe,
        "update": lambda physical, old, new, stack, logical_id: describe(logical_id, new, stack),
        "update_with_logical_id": True,
        "delete": lambda physical, props: None,
    }


def install() -> None:
    known = sorted(set(_TYPES) & set(provisioners._RESOURCE_HANDLERS))
    if known:
        raise RuntimeError(f"MiniStack now has {', '.join(known)}: the pinned version changed, and this gap with it.")
    provisioners._RESOURCE_HANDLERS.update({name: _handler(describe) for name, describe in _TYPES.items()})
