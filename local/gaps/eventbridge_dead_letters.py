"""An event that cannot reach its target ends in the target's dead-letter queue, with the reason as attributes.

The target may be gone, or the role that starts a state machine may not be allowed to. Without such a queue the
event is lost, as on AWS.
"""

import json
import logging

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import eventbridge, lambda_svc, sns, sqs, stepfunctions

from gaps._roles import role_allows
from gaps.lambda_async_invocation import send_to_queue

_logger = logging.getLogger("eventbridge")


def install() -> None:
    """Wrap `eventbridge._invoke_target`."""
    invoke = eventbridge._invoke_target

    def invoke_or_bury(target, event, rule, view=None):
        problem = _problem(target)
        if problem is None:
            return invoke(target, event, rule, view)
        code, message = problem
        _logger.error("EventBridge could not deliver to %s: %s", target.get("Arn"), message)
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue:
            return None
        view = view or eventbridge._pattern_event_view(event)
        attributes = {
            "RULE_ARN": rule.get("Arn", ""),
            "TARGET_ARN": target.get("Arn", ""),
            "ERROR_CODE": code,
            "ERROR_MESSAGE": message,
            "RETRY_ATTEMPTS": "0",
        }
        body = json.dumps(view.event_with_detail())
        described = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        send_to_queue(queue, body, described)
        return None

    eventbridge._invoke_target = invoke_or_bury


def _problem(target: dict) -> tuple[str, str] | None:
    arn, role = target.get("Arn", ""), target.get("RoleArn", "")
    if not _exists(arn):
        return "NO_RESOURCE", "The target of the rule does not exist."
    if ":states:" in arn and not role_allows(role, "events", "states:StartExecution", arn):
        return "NO_PERMISSIONS", f"{role or 'A target without a role'} is not allowed to states:StartExecution on it."
    return None


def _exists(arn: str) -> bool:
    try:
        service = parse_arn(arn).service
    except ArnParseError:
        return False
    if service == "lambda":
        return lambda_svc._get_func_record_for_ref(arn)[0] is not None
    if service == "states":
        return stepfunctions._resolve_state_machine_arn(arn) is not None
    if service == "sqs":
        return sqs._queue_by_arn(arn) is not None
    if service == "sns":
        return sns._topic_by_arn_any_scope(arn) is not None
    return True
