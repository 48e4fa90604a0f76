"""The event a REST API gives a function has the fields, and only the fields, that it has on AWS.

MiniStack adds a version, sends the first of several values where AWS sends the last, leaves out most of
`requestContext`, and uses another request id than the one in the response's header.
"""

import contextvars

from ministack.core.responses import get_region
from ministack.services import apigateway_v1

_NO_CALLER = dict.fromkeys((
    "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
    "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn",
))
# API Gateway consumes these; a signature, too, is not shown to the function.
_CONSUMED_HEADERS = {"connection", "content-length", "expect", "transfer-encoding", "upgrade"}

_request_id = contextvars.ContextVar("slipway_apigateway_request_id", default=None)


def install() -> None:
    """Patch `apigateway_v1._execute_in_scope` for the request id and `_build_lambda_event_v1` for the event."""
    execute = apigateway_v1._execute_in_scope
    build = apigateway_v1._build_lambda_event_v1

    async def execute_with_one_request_id(request, *args):
        token = _request_id.set(request["request_id"])
        try:
            response = await execute(request, *args)
        finally:
            _request_id.reset(token)
        if isinstance(response, tuple):
            response[1].setdefault("x-amzn-requestid", request["request_id"])
        return response

    def build_as_aws(api_id, stage_name, stage, *args, **kwargs):
        event = build(api_id, stage_name, stage, *args, **kwargs)
        return _as_aws(event, api_id, stage)

    apigateway_v1._execute_in_scope = execute_with_one_request_id
    apigateway_v1._build_lambda_event_v1 = build_as_aws


def _as_aws(event: dict, api_id: str, stage: dict) -> dict:
    event.pop("version", None)
    context = event["requestContext"]
    context["identity"] = {**_NO_CALLER, **context["identity"]}
    context["requestId"] = _request_id.get() or context["requestId"]
    context["domainPrefix"] = api_id
    context["domainName"] = f"{api_id}.execute-api.{get_region()}.amazonaws.com"
    context["deploymentId"] = stage.get("deploymentId", "")
    values = event["multiValueHeaders"] = _headers(event["multiValueHeaders"], context["identity"]["sourceIp"])
    event["headers"] = {name: of[-1] for name, of in values.items()}
    several = event["multiValueQueryStringParameters"]
    event["queryStringParameters"] = {name: of[-1] for name, of in several.items()} if several else None
    return event


def _headers(received: dict[str, list[str]], source: str) -> dict[str, list[str]]:
    headers = {}
    for name, values in received.items():
        signed = name == "authorization" and values[-1].startswith("AWS4-")
        if name not in _CONSUMED_HEADERS and not signed:
            headers["Host" if name == "host" else name] = values
    headers.setdefault("X-Forwarded-For", [source])
    headers.setdefault("X-Forwarded-Port", ["443"])
    headers.setdefault("X-Forwarded-Proto", ["https"])
    return headers
