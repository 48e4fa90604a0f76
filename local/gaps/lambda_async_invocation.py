"""Asynchronous invocations end as on AWS, whoever made them.

EventBridge and SNS invoke asynchronously too, so their events are retried and not lost. When the retries are
over, the dead-letter queue gets the event itself with the error as attributes, and the failure destination
gets an invocation record; a success destination gets one as well. Retries follow after 1 s and 2 s instead
of 1 and 2 minutes.
"""

import contextvars
import datetime
import json
import logging
import threading
import time

from ministack.core.arn import parse_arn
from ministack.core.concurrency import esm_wake
from ministack.core.responses import _request_account_id, _request_region, new_uuid
from ministack.services import eventbridge, lambda_svc, sns, sqs

_logger = logging.getLogger("lambda")
_RETRY_AFTER_SECONDS = (1, 2)
_DEFAULT_EVENT_AGE_SECONDS = 6 * 60 * 60
_ERROR_MESSAGE_LIMIT = 1024


def install() -> None:
    """Replace `lambda_svc.invoke_async_with_retry` and send EventBridge's and SNS's invocations through it."""
    for module, name in (
        (lambda_svc, "invoke_async_with_retry"),
        (eventbridge, "_dispatch_to_lambda"),
        (sns, "_deliver_to_lambda"),
    ):
        if not callable(getattr(module, name, None)):
            raise RuntimeError(f"{module.__name__}.{name} is gone")
    lambda_svc.invoke_async_with_retry = invoke
    eventbridge._dispatch_to_lambda = _from_eventbridge
    sns._deliver_to_lambda = _from_sns


def invoke(function: dict, event) -> None:
    """Invokes in the background, at most three times, and reports the end to the configured destinations."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, function, event), daemon=True).start()


def _from_eventbridge(arn: str, payload: str) -> None:
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        _logger.warning("EventBridge: function %s not found", name)
        return
    invoke(lambda_svc._execution_record_for_config(function, config), json.loads(payload))


def _from_sns(endpoint, envelope, _topic_arn, subscription_arn, _id, _message, _attributes) -> None:
    function, config, name = lambda_svc._get_func_record_for_ref(endpoint)
    if not function or not config:
        _logger.warning("SNS: function %s not found", name)
        return
    record = {
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "EventSource": "aws:sns",
        "Sns": json.loads(envelope),
    }
    invoke(lambda_svc._execution_record_for_config(function, config), {"Records": [record]})


def _run(function: dict, event) -> None:
    config = function.get("config") or function
    account_id, region = lambda_svc._account_region_from_function_config(config)
    _request_account_id.set(account_id)
    _request_region.set(region)
    settings = (
        function.get("event_invoke_config")
        or (function.get("event_invoke_configs") or {}).get("$LATEST")
        or {}
    )
    retries = settings.get("MaximumRetryAttempts")
    retries = len(_RETRY_AFTER_SECONDS) if retries is None else int(retries)
    expires = time.time() + int(settings.get("MaximumEventAgeInSeconds") or _DEFAULT_EVENT_AGE_SECONDS)
    condition = "RetriesExhausted"
    attempts = 0
    while True:
        attempts += 1
        result = lambda_svc._execute_function(function, event)
        if not result.get("error") and not result.get("throttle"):
            condition = "Success"
            break
        if attempts > retries:
            break
        pause = _RETRY_AFTER_SECONDS[attempts - 1]
        if time.time() + pause > expires:
            condition = "EventAgeExceeded"
            break
        time.sleep(pause)
    _report(config, settings, event, result, condition, attempts)


def _report(config: dict, settings: dict, event, result: dict, condition: str, attempts: int) -> None:
    destinations = settings.get("DestinationConfig") or {}
    side = "OnSuccess" if condition == "Success" else "OnFailure"
    destination = (destinations.get(side) or {}).get("Destination")
    request_id = new_uuid()
    if destination:
        deliver(destination, json.dumps(_record(config, event, result, condition, attempts, request_id)), {})
    dead_letters = (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if dead_letters and condition != "Success":
        payload = _payload(result)
        message = payload.get("errorMessage", "") if isinstance(payload, dict) else str(payload)
        attributes = {
            "RequestID": ("String", request_id),
            "ErrorCode": ("Number", "429" if result.get("throttle") else "200"),
            "ErrorMessage": ("String", message[:_ERROR_MESSAGE_LIMIT] or "Unhandled"),
        }
        deliver(dead_letters, json.dumps(event), attributes)


def _record(config: dict, event, result: dict, condition: str, attempts: int, request_id: str) -> dict:
    arn = config.get("FunctionArn", "")
    version = config.get("Version") or "$LATEST"
    response = {"statusCode": 200, "executedVersion": version}
    if condition != "Success":
        response["functionError"] = result.get("function_error") or "Unhandled"
    return {
        "version": "1.0",
        "timestamp": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "requestContext": {
            "requestId": request_id,
            "functionArn": arn if arn.count(":") > 6 else f"{arn}:{version}",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": response,
        "responsePayload": _payload(result),
    }


def _payload(result: dict):
    body = result.get("body")
    if isinstance(body, bytes):
        body = body.decode("utf-8", errors="replace")
    if isinstance(body, str):
        try:
            return json.loads(body)
        except ValueError:
            return body
    return body


def deliver(arn: str, body: str, attributes: dict[str, tuple[str, str]]) -> None:
    """Sends a text to a queue, topic, function or event bus, with attributes `{name: (type, value)}` where it has them."""
    spec = parse_arn(arn)
    described = {
        name: {"DataType": kind, "StringValue": value} for name, (kind, value) in attributes.items()
    }
    if spec.service == "sqs":
        send_to_queue(arn, body, described)
    elif spec.service == "sns":
        sns.publish_internal(arn, body, message_attributes=described)
    elif spec.service == "lambda":
        _from_eventbridge(arn, body)
    elif spec.service == "events":
        eventbridge._put_events(_event_of(spec, body), allow_aws_source=True)
    else:
        _logger.error("Lambda destination %s is not supported", arn)


def _event_of(spec, body: str) -> dict:
    record = json.loads(body)
    succeeded = record["requestContext"]["condition"] == "Success"
    outcome = "Success" if succeeded else "Failure"
    return {"Entries": [{
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {outcome}",
        "Detail": body,
        "EventBusName": spec.resource.partition("/")[2],
        "Resources": [record["requestContext"]["functionArn"]],
    }]}


def send_to_queue(arn: str, body: str, attributes: dict) -> None:
    """Puts a message into a queue from inside the emulator; a queue that is gone loses it, and says so."""
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        _logger.error("dead-letter queue %s does not exist", arn)
        return
    now = time.time()
    message = {
        "id": new_uuid(),
        "body": body,
        "message_attributes": attributes,
        "md5_attrs": sqs._md5_msg_attrs(attributes),
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(queue),
    }
    sqs._ensure_msg_fields(message)
    queue["messages"].append(message)
    esm_wake.set()
