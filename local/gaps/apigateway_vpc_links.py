"""Gap: a REST API asks a load balancer over a VPC link of the second kind.

MiniStack has no such links, forgets the load balancer that an integration names, does not add the headers that an
integration maps, and keeps of an answer only its type. The stage comes before the path, as on AWS. There is no
network here whose borders a link would cross: the load balancer is asked at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import time
import urllib.parse

from ministack.core.responses import StreamingResponse, new_uuid
from ministack.services import alb, apigateway_v1
from ministack.services.cloudformation import provisioners

_TYPE = "AWS::ApiGatewayV2::VpcLink"
#: API Gateway renames these of an answer, and gives its own instead.
_OWN_HEADERS = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "x-amzn-requestid"}

_request = contextvars.ContextVar("slipway_vpc_link_request")


def install() -> None:
    """Patch the request's scope, its authorisation, the proxy, and CloudFormation's methods and links."""
    _remember_request()
    proxy = apigateway_v1._invoke_http_proxy_v1

    async def ask(integration, path, method, headers, body, query_params, path_params=None):
        if integration.get("connectionType") != "VPC_LINK" or not integration.get("integrationTarget"):
            return await proxy(integration, path, method, headers, body, query_params, path_params)
        return await _ask_load_balancer(integration, method, headers, body, query_params, path_params or {})

    apigateway_v1._invoke_http_proxy_v1 = ask
    _tell_cloudformation()


def _remember_request() -> None:
    execute, authorize = apigateway_v1._execute_in_scope, apigateway_v1._authorize_request_v1

    async def execute_remembered(request, api_id, stage_name, *args):
        token = _request.set({"requestId": request["request_id"], "stage": stage_name})
        try:
            return await execute(request, api_id, stage_name, *args)
        finally:
            _request.reset(token)

    async def authorize_remembered(api_id, stage_name, method_obj, method, path, resource, headers, *args):
        error, context = await authorize(api_id, stage_name, method_obj, method, path, resource, headers, *args)
        known = _request.get(None)
        if known is not None:
            known["authorizer"] = context or {}
            if (method_obj.get("authorizationType") or "").upper() == "AWS_IAM":
                known["identity"] = apigateway_v1._iam_caller_identity(headers, args[1] if len(args) > 1 else {}) or {}
        return error, context

    apigateway_v1._execute_in_scope = execute_remembered
    apigateway_v1._authorize_request_v1 = authorize_remembered


def _mapped(source: str, headers: dict, path_params: dict) -> str | None:
    """The value of a mapping expression: a quoted text, or something of the request or its context."""
    if source.startswith("'"):
        return source.strip("'")
    kind, _, name = source.partition(".")
    if kind == "context":
        found = _request.get()
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return None if found is None else str(found)
    place, _, key = name.removeprefix("request.").partition(".")
    return {"path": path_params, "header": headers}.get(place, {}).get(key)


async def _ask_load_balancer(integration, method, headers, body, query_params, path_params):
    uri = urllib.parse.urlsplit(integration["uri"])
    path, sent = uri.path, {name: text for name, text in headers.items() if name.lower() != "content-length"}
    for target, source in (integration.get("requestParameters") or {}).items():
        place, _, name = target.removeprefix("integration.request.").partition(".")
        text = _mapped(source, headers, path_params)
        if place == "path":
            path = path.replace("{" + name + "}", text or "")
        elif place == "header":
            sent = {known: value for known, value in sent.items() if known.lower() != name.lower()}
            if text is not None:
                sent[name] = text
    balancer = alb._lbs.get(integration["integrationTarget"])
    if not balancer:
        return apigateway_v1._gw_error("INTEGRATION_FAILURE", "Internal server error")
    sent["host"] = uri.netloc
    path = f"/{_request.get()['stage']}{path}"
    port = uri.port or (443 if uri.scheme == "https" else 80)
    try:
        status, answered, answer = await asyncio.wait_for(
            alb.dispatch_request(balancer, method, path, sent, body, query_params, port),
            int(integration.get("timeoutInMillis") or 29_000) / 1000)
    except TimeoutError:
        return apigateway_v1._gw_error("INTEGRATION_TIMEOUT", "Endpoint request timed out")
    kept = {name: value for name, value in answered.items() if name.lower() not in _OWN_HEADERS}
    return status, kept, await _whole(answer)


async def _whole(answer) -> bytes:
    """The body of a streamed answer in one piece."""
    if not isinstance(answer, StreamingResponse):
        return answer if isinstance(answer, bytes) else str(answer).encode()
    parts: list[bytes] = []

    async def send(message):
        parts.append(message.get("body", b""))

    await answer.runner(send, asyncio.Event().wait)
    return b"".join(parts)


def _link(logical_id: str, props: dict, stack: str) -> tuple[str, dict]:
    identifier = hashlib.sha256(f"{stack}/{logical_id}/{new_uuid()}".encode()).hexdigest()[:10]
    return identifier, {"VpcLinkId": identifier, "CreatedDate": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def _tell_cloudformation() -> None:
    if _TYPE in provisioners._RESOURCE_HANDLERS:
        raise RuntimeError(f"MiniStack now has {_TYPE}: the pinned version changed, and this gap with it.")
    provisioners._RESOURCE_HANDLERS[_TYPE] = {"create": _link, "delete": lambda physical, props: None}
    create = provisioners._apigw_method_create

    def create_with_target(logical_id, props, stack_name):
        created = create(logical_id, props, stack_name)
        resource = apigateway_v1._resources[props["RestApiId"]][props["ResourceId"]]
        integration = resource["resourceMethods"][props["HttpMethod"]].get("methodIntegration")
        if integration is not None:
            asked = props.get("Integration") or {}
            integration.update(connectionId=asked.get("ConnectionId"), integrationTarget=asked.get("IntegrationTarget"))
        return created

    # An update creates the method anew, by this name.
    provisioners._apigw_method_create = create_with_target
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Method"]["create"] = create_with_target
