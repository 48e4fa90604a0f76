"""A REST API answers its own failures through its gateway responses.

MiniStack does so for most of them. Missing are: a caller whose policies deny the method, a function that
fails or returns something that is no proxy response, the integration's time limit, and the payload limit.
"""

import asyncio
import json

from ministack import app
from ministack.core.arn import execute_api_arn
from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import apigateway_v1

_PAYLOAD_LIMIT_BYTES = 10 * 1024 * 1024
_DEFAULT_TIMEOUT_MS = 29_000
_PROXY_RESPONSE_FIELDS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}


class _FunctionFailed(Exception):
    """The function failed, or its answer is no proxy response."""


def install() -> None:
    """Patch the enforcement, the request handling and the Lambda proxy of `apigateway_v1`."""
    _answer_denials()
    _refuse_large_payloads()
    _answer_function_failures()
    apigateway_v1._GATEWAY_RESPONSE_ERROR_TYPES.update(
        REQUEST_TOO_LARGE="RequestEntityTooLargeException", INTEGRATION_TIMEOUT="InternalServerErrorException"
    )


def _answer_denials() -> None:
    enforce = app._enforce_execute_api

    def enforce_through_gateway_responses(api_id, stage, method, path, headers, query_params, **kwargs):
        refusal = enforce(api_id, stage, method, path, headers, query_params, **kwargs)
        if refusal is None:
            return None
        message = _denial_message(refusal[2])
        scope = apigateway_v1.find_api_scope(api_id)
        deployed = apigateway_v1.stages_for_api(api_id).get(stage) if scope else None
        if message is None or deployed is None:
            return refusal
        with request_scope(*scope):
            # AWS shows no more than the last four digits of the account.
            account = "*" * 8 + get_account_id()[-4:]
            arn = execute_api_arn(get_region(), account, api_id, stage, method, path)
            segments = [segment for segment in path.strip("/").split("/") if segment]
            resource, parameters = apigateway_v1._match_resource_tree(api_id, segments)
            action = "execute-api:Invoke"
            message = message.replace(f"perform: {action} ", f"perform: {action} on resource: {arn} ", 1)
            request = {
                "api_id": api_id, "stage_name": stage, "stage": deployed, "headers": headers,
                "query_params": query_params, "path_params": parameters or {},
                "resource_path": (resource or {}).get("path", ""), "request_id": new_uuid(),
            }
            error = apigateway_v1._GatewayError("ACCESS_DENIED", message)
            return apigateway_v1._gateway_error_response(error, request)

    app._enforce_execute_api = enforce_through_gateway_responses


def _denial_message(body: bytes) -> str | None:
    """The message of a denial that has not been through a gateway response, None for any other answer."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    if isinstance(document, dict) and str(document.get("__type", "")).startswith("AccessDenied"):
        return document.get("message") or document.get("Message")
    return None


def _refuse_large_payloads() -> None:
    execute = apigateway_v1._execute_in_scope

    async def execute_within_the_limit(request, api_id, stage_name, method, path, headers, body, *args):
        stage = apigateway_v1._stages_v1.get(api_id, {}).get(stage_name)
        if stage is not None and len(body or b"") > _PAYLOAD_LIMIT_BYTES:
            request["stage"] = stage
            return apigateway_v1._gw_error(
                "REQUEST_TOO_LARGE", f"HTTP content length exceeded {_PAYLOAD_LIMIT_BYTES} bytes."
            )
        return await execute(request, api_id, stage_name, method, path, headers, body, *args)

    apigateway_v1._execute_in_scope = execute_within_the_limit


def _answer_function_failures() -> None:
    invoke = apigateway_v1._invoke_lambda_proxy_v1
    shape = apigateway_v1._lambda_proxy_response
    answer = apigateway_v1._gateway_error_response

    def shape_or_fail(result):
        if result.get("throttle"):
            return shape(result)
        if result.get("error") or not _is_proxy_response(result.get("body")):
            raise _FunctionFailed
        return shape(result)

    async def invoke_in_time(integration, *args, **kwargs):
        limit = int(integration.get("timeoutInMillis") or _DEFAULT_TIMEOUT_MS) / 1000
        invocation = asyncio.ensure_future(invoke(integration, *args, **kwargs))
        done, _pending = await asyncio.wait({invocation}, timeout=limit)
        if not done:
            # The function itself runs on, as it does on AWS; nobody asks for its answer any more.
            invocation.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            return apigateway_v1._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
        try:
            return invocation.result()
        except _FunctionFailed:
            error = apigateway_v1._gw_error("DEFAULT_5XX", "Internal server error")
            error.status = 502
            return error

    def answer_with_status(error, request):
        status, headers, body = answer(error, request)
        return (getattr(error, "status", status) if status == 500 else status), headers, body

    apigateway_v1._lambda_proxy_response = shape_or_fail
    apigateway_v1._invoke_lambda_proxy_v1 = invoke_in_time
    apigateway_v1._gateway_error_response = answer_with_status


def _is_proxy_response(payload) -> bool:
    if isinstance(payload, (str, bytes)):
        try:
            payload = json.loads(payload)
        except ValueError:
            return False
    if not isinstance(payload, dict) or payload.keys() - _PROXY_RESPONSE_FIELDS:
        return False
    if not isinstance(payload.get("body", ""), (str, type(None))):
        return False
    if not str(payload.get("statusCode", 200)).isdigit():
        return False
    return all(isinstance(payload.get(name) or {}, dict) for name in ("headers", "multiValueHeaders"))
