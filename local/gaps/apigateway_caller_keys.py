"""Gap: an API whose keys come from its authoriser counts a caller on the key that the authoriser names.

MiniStack takes a key from the header x-api-key alone, whatever the API's key source is, and CloudFormation
does not tell it the key source. On AWS, with the source AUTHORIZER, the header says nothing and
`usageIdentifierKey` of the authoriser's answer is the value of the key, kept with the answer.
"""

import contextvars
import json

from ministack.services import apigateway_v1
from ministack.services.cloudformation import provisioners

# In the authoriser's context, which is what is kept of its answer besides the policy. No function sees it.
_KEPT_AS = "\0usageIdentifierKey"

# None where the key comes from the header.
_named = contextvars.ContextVar("slipway_usage_identifier_key", default=None)


def install() -> None:
    """Patch authorisation, the key of a request, and CloudFormation's API."""
    _keep_what_the_authorizer_names()
    _count_on_it()
    create = provisioners._apigw_rest_api_create

    def create_with_key_source(logical_id, props, stack_name):
        api_id, attributes = create(logical_id, props, stack_name)
        apigateway_v1._rest_apis[api_id]["apiKeySource"] = props.get("ApiKeySourceType", "HEADER")
        return api_id, attributes

    provisioners._apigw_rest_api_create = create_with_key_source
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]["create"] = create_with_key_source


def _keep_what_the_authorizer_names() -> None:
    invoke = apigateway_v1._invoke_authorizer_lambda

    async def invoke_and_keep(*args):
        result = await invoke(*args)
        if not result or result.get("error"):
            return result
        answer = result.get("body")
        try:
            answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
        except ValueError:
            return result
        if isinstance(answer, dict) and answer.get("usageIdentifierKey"):
            kept = {**(answer.get("context") or {}), _KEPT_AS: answer["usageIdentifierKey"]}
            result = {**result, "body": {**answer, "context": kept}}
        return result

    apigateway_v1._invoke_authorizer_lambda = invoke_and_keep


def _count_on_it() -> None:
    execute = apigateway_v1._execute_in_scope
    authorize = apigateway_v1._authorize_request_v1
    from_header = apigateway_v1._api_key_from_request

    async def execute_with_key_source(request, api_id, *args):
        source = (apigateway_v1._rest_apis.get(api_id) or {}).get("apiKeySource")
        token = _named.set("" if source == "AUTHORIZER" else None)
        try:
            return await execute(request, api_id, *args)
        finally:
            _named.reset(token)

    async def authorize_and_name(*args):
        error, context = await authorize(*args)
        if not context or _KEPT_AS not in context:
            return error, context
        # A copy: the authoriser's answer is kept for its other requests.
        context = dict(context)
        key = context.pop(_KEPT_AS)
        if _named.get() is not None:
            _named.set(key)
        return error, context

    def key_of_source(headers):
        named = _named.get()
        return from_header(headers) if named is None else named

    apigateway_v1._execute_in_scope = execute_with_key_source
    apigateway_v1._authorize_request_v1 = authorize_and_name
    apigateway_v1._api_key_from_request = key_of_source
