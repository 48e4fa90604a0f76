"""Gap: bodies of an API for which every type is binary (``*/*``).

MiniStack takes a request that names no type, or accepts none, for text. On AWS it counts as JSON, which
``*/*`` includes. A mock has no mapping template for a binary body there, and fails, unless its integration
converts bodies to text; MiniStack has it answer, and CloudFormation does not tell it of the conversion.
"""

import contextvars

from ministack.services import apigateway_v1
from ministack.services.cloudformation import provisioners

_binary_types = contextvars.ContextVar("slipway_binary_media_types", default=())


def install() -> None:
    """Patch how a type is matched, the check before a mock, and CloudFormation's methods."""
    matches = apigateway_v1._media_type_matches
    execute = apigateway_v1._execute_in_scope
    check = apigateway_v1._check_passthrough_behavior

    def matches_or_json(media_type, binary_media_types):
        return matches(media_type or "application/json", binary_media_types)

    async def execute_knowing_types(request, api_id, *args):
        types = (apigateway_v1._rest_apis.get(api_id) or {}).get("binaryMediaTypes") or ()
        token = _binary_types.set(types)
        try:
            return await execute(request, api_id, *args)
        finally:
            _binary_types.reset(token)

    def check_mocks_too(integration, headers):
        refused = check(integration, headers)
        if refused is not None or integration.get("type") != "MOCK":
            return refused
        media_type = apigateway_v1._header_ci(headers, "content-type")
        if integration.get("contentHandling") != "CONVERT_TO_TEXT" and matches_or_json(
            media_type, _binary_types.get()
        ):
            return apigateway_v1._gw_error("DEFAULT_5XX", "Internal server error")
        return None

    apigateway_v1._media_type_matches = matches_or_json
    apigateway_v1._execute_in_scope = execute_knowing_types
    apigateway_v1._check_passthrough_behavior = check_mocks_too
    _tell_cloudformation()


def _tell_cloudformation() -> None:
    create = provisioners._apigw_method_create

    def create_with_conversion(logical_id, props, stack_name):
        created = create(logical_id, props, stack_name)
        handling = (props.get("Integration") or {}).get("ContentHandling")
        resource = apigateway_v1._resources[props["RestApiId"]][props["ResourceId"]]
        method = resource["resourceMethods"][props["HttpMethod"]]
        if method.get("methodIntegration"):
            method["methodIntegration"]["contentHandling"] = handling
        return created

    # An update creates the method anew, by this name.
    provisioners._apigw_method_create = create_with_conversion
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Method"]["create"] = create_with_conversion
