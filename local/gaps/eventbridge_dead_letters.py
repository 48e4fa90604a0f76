"""An event whose target is gone ends in the target's dead-letter queue, with the reason as attributes."""

import json

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import eventbridge, lambda_svc, sns, sqs, stepfunctions

from gaps.lambda_async_invocation import send_to_queue


def install() -> None:
    """Wrap `eventbridge._invoke_target`."""
    invoke = eventbridge._invoke_target

    def invoke_or_bury(target, event, rule, view=None):
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if not queue or _exists(target.get("Arn", "")):
            return invoke(target, event, rule, view)
        view = view or eventbridge._pattern_event_view(event)
        attributes = {
            "RULE_ARN": rule.get("Arn", ""),
            "TARGET_ARN": target.get("Arn", ""),
            "ERROR_CODE": "NO_RESOURCE",
            "ERROR_MESSAGE": "The target of the rule does not exist.",
            "RETRY_ATTEMPTS": "0",
        }
        body = json.dumps(view.event_with_detail())
        described = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        send_to_queue(queue, body, described)
        return None

    eventbridge._invoke_target = invoke_or_bury


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
