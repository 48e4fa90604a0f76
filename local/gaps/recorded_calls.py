"""Tells who called what: every decision of IAM since the start, at `GET /_laptop/calls`.

Answers a JSON list of `{"principal", "action", "resource", "allowed", "count"}`, one entry for each different
call. The principal is the ARN of the role for a session of a role, else of the user or account, or null for an
anonymous caller. `DELETE` forgets them. What a stack's roles may do can so be compared with what they did.
"""

from gaps import door, json_response
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam

_counts: dict[tuple, int] = {}


def install() -> None:
    """Wrap `iam_evaluator.enforce`."""
    enforce = iam_evaluator.enforce

    def enforce_and_record(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        refusal = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        call = (_principal(access_key_id), iam_action, resource_arn, refusal is None)
        _counts[call] = _counts.get(call, 0) + 1
        return refusal

    iam_evaluator.enforce = enforce_and_record
    door("calls", _serve)


def _principal(access_key_id: str) -> str | None:
    identity = iam_evaluator.resolve_caller_identity(access_key_id)
    arn = identity["userArn"] if identity else None
    if arn is None or ":assumed-role/" not in arn:
        return arn
    name = iam_evaluator._role_name_from_assumed_arn(arn)
    role = iam._roles.get_scoped(get_account_id(), None, name) or {}
    return role.get("Arn") or f"arn:aws:iam::{get_account_id()}:role/{name}"


async def _serve(method: str, _path: str, _body: bytes):
    if method == "DELETE":
        _counts.clear()
        return json_response(200, [])
    fields = ("principal", "action", "resource", "allowed")
    calls = [{**dict(zip(fields, call, strict=True)), "count": count} for call, count in _counts.items()]
    return json_response(200, calls)
