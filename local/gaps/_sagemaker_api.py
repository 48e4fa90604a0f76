"""SageMaker's API as the emulator serves it: which gap answers which call, and what IAM is asked about it."""

from __future__ import annotations

import asyncio
import contextvars
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gaps._aws_model import SerializationError, check_request
from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response

# Operation → what answers it. Each gap adds its own.
OPERATIONS: dict[str, Callable[[dict], dict]] = {}
# Operation → members of its request that name a role, which the caller must be allowed to pass on.
PASSES_ROLE: dict[str, str] = {}
# Operation → type and member of a second resource that IAM is asked about.
ALSO_NAMES: dict[str, tuple[str, str]] = {}
Invocation = Callable[[str, dict, bytes], tuple[int, dict[str, str], bytes]]
# Path of the runtime's API, with the resource's name as its group → what answers it: (name, headers, body).
ROUTES: dict[str, Invocation] = {}

# Type of a resource, and the member that names it; of a request that has several, the first is the one it is about.
_RESOURCES = (("training-job", "TrainingJobName"), ("endpoint", "EndpointName"),
              ("endpoint-config", "EndpointConfigName"), ("model", "ModelName"))
# An invocation takes as long as its container; none waits for another's.
_invocations = ThreadPoolExecutor(256, thread_name_prefix="sagemaker-invocation")


class ApiError(Exception):
    """An error of the API, by its name there."""

    def __init__(self, name: str, message: str, status: int = 400, **members: object):
        super().__init__(message)
        self.name, self.message, self.status, self.members = name, message, status, members


def invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def arn_of(kind: str, name: str, account: str, region: str) -> str:
    """A resource's ARN, in which AWS writes the name in small letters."""
    return f"arn:aws:sagemaker:{region}:{account}:{kind}/{name.lower()}"


def arn_here(kind: str, name: str) -> str:
    """The ARN in the account and region of the request that is being answered."""
    return arn_of(kind, name, get_account_id(), get_region())


def call(operation: str, request: dict) -> dict:
    """One call of the API. @raises ApiError"""
    act = OPERATIONS.get(operation)
    if act is None:
        raise ApiError("UnknownOperationException", f"SageMaker's {operation} is not available in the laptop cloud.")
    try:
        message = check_request("sagemaker", operation, request)
    except SerializationError as error:
        raise ApiError("SerializationException", str(error)) from error
    if message:
        raise invalid(message)
    return act(request)


def _check(headers: dict, query_params: dict, action: str, resource: str, context: dict | None = None) -> None:
    """@raises ApiError where IAM is enforced and the caller may not."""
    from ministack import app

    if not app.AUTH:
        return
    refusal = iam_evaluator.enforce(
        router.extract_access_key_id(headers, query_params), action, "sagemaker", get_region(),
        resource_arn=resource, service_context=context or {})
    if refusal:
        caller = getattr(refusal, "principal_arn", "the caller")
        raise ApiError("AccessDeniedException", f"User: {caller} is not authorized to perform: {action} on "
                       f"resource: {resource} because no identity-based policy allows the {action} action")


def _check_beyond(operation: str, headers: dict, query_params: dict, request: dict) -> None:
    """What IAM is asked beyond the action on the request's own resource."""
    role = request.get(PASSES_ROLE.get(operation, ""))
    if isinstance(role, str):
        _check(headers, query_params, "iam:PassRole", role, {"iam:passedtoservice": "sagemaker.amazonaws.com"})
    kind, member = ALSO_NAMES.get(operation, ("", ""))
    if isinstance(request.get(member), str):
        _check(headers, query_params, f"sagemaker:{operation}", arn_here(kind, request[member]))


async def handle_request(method: str, path: str, headers: dict, body: bytes, query_params: dict):
    """The emulator's interface of a service."""
    try:
        for pattern, act in ROUTES.items():
            found = re.fullmatch(pattern, path)
            if found and method == "POST":
                context = contextvars.copy_context()
                return await asyncio.get_running_loop().run_in_executor(
                    _invocations, context.run, act, found.group(1), headers, body)
        operation = headers.get("x-amz-target", "").removeprefix("SageMaker.")
        request = json.loads(body or b"{}")
        _check_beyond(operation, headers, query_params, request)
        # The first call reads the API model, which takes a moment that other requests need not share.
        return json_response(await asyncio.to_thread(call, operation, request))
    except ApiError as error:
        return error_response_json(error.name, error.message, error.status, error.members)


def _authorize_by_role() -> None:
    """With IAM enforced, SageMaker's actions count like any other's, each on the resource it names."""
    iam_actions.SERVICE_TO_IAM_NAMESPACE["sagemaker"] = "sagemaker"
    iam_actions._BOTOCORE_SERVICE_MAP["sagemaker"] = ["sagemaker", "sagemaker-runtime"]
    resource_arn = iam_actions.extract_resource_arn

    def with_sagemaker(service, method, path, headers, body, query_params, region, account_id):
        if service != "sagemaker":
            return resource_arn(service, method, path, headers, body, query_params, region, account_id)
        for pattern in ROUTES:
            found = re.fullmatch(pattern, path)
            if found:
                return arn_of("endpoint", found.group(1), account_id, region)
        request = json.loads(body or b"{}")
        if request.get("ResourceArn"):
            return request["ResourceArn"]
        named = next(((kind, request[member]) for kind, member in _RESOURCES if request.get(member)), None)
        return arn_of(*named, account_id, region) if named else "*"

    iam_actions.extract_resource_arn = with_sagemaker


def install() -> None:
    """Serves what the gaps have added; whichever of them comes first does it."""
    from ministack import app

    if app.SERVICE_HANDLERS.get("sagemaker") is handle_request:
        return
    router.SERVICE_PATTERNS["sagemaker"] = {
        "target_prefixes": ["SageMaker."], "host_patterns": [r"(api|runtime)\.sagemaker\."],
        "credential_scope": "sagemaker"}
    app.SERVICE_HANDLERS["sagemaker"] = handle_request
    _authorize_by_role()
