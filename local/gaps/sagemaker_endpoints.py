"""Gap: SageMaker's serverless endpoints. The bare emulator has no SageMaker at all.

Create, Describe and Delete of models, endpoint configurations and endpoints, ListEndpoints, and InvokeEndpoint. A
container runs as a process of this machine: Image names a folder; its bin/serve is run as SageMaker runs an image,
or, where Environment has SAGEMAKER_PROGRAM, its bin/python3 with a stand-in for the framework images' toolkit.
/opt/ml lies at SAGEMAKER_BASE_DIR, the port to answer on is SAGEMAKER_BIND_TO_PORT. After five minutes without a
request the process ends, and the next request starts it again; POST /_laptop/idle-endpoints does so at once.

An endpoint has one process, where AWS starts a container for each request that comes at the same time.
"""

from __future__ import annotations

import threading

import gaps
from gaps import _sagemaker_api
from gaps._sagemaker_api import ApiError, arn_here, invalid
from gaps._sagemaker_serving import Endpoint
from ministack.core.responses import get_account_id, get_region

_models: dict[str, dict] = {}
_configs: dict[str, dict] = {}
_endpoints: dict[str, Endpoint] = {}
_lock = threading.Lock()
_KINDS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}


def _add(table: dict, kind: str, name: str, item) -> str:
    arn = arn_here(kind, name)
    with _lock:
        if arn in table:
            raise invalid(f'Cannot create already existing {_KINDS[kind]} "{arn}".')
        table[arn] = item
    return arn


def _find(table: dict, kind: str, name: str):
    arn = arn_here(kind, name)
    if arn not in table:
        raise invalid(f'Could not find {_KINDS[kind]} "{arn}".')
    return table[arn]


def _remove(table: dict, kind: str, name: str):
    found = _find(table, kind, name)
    with _lock:
        table.pop(arn_here(kind, name), None)
    return found


def _refuse(what: str) -> ApiError:
    return invalid(f"{what} is not available in the laptop cloud.")


def _create_model(request: dict) -> dict:
    container = request.get("PrimaryContainer")
    if not container or not container.get("Image"):
        raise _refuse("a model without PrimaryContainer.Image")
    if request.get("EnableNetworkIsolation"):
        # As AWS refuses it when a serverless endpoint is made of such a model.
        raise invalid("Network isolation is not supported by serverless endpoints.")
    return {"ModelArn": _add(_models, "model", request["ModelName"], request)}


def _create_config(request: dict) -> dict:
    variants = request["ProductionVariants"]
    if len(variants) != 1 or not variants[0].get("ServerlessConfig"):
        raise _refuse("an endpoint configuration other than one variant with a ServerlessConfig")
    _find(_models, "model", variants[0]["ModelName"])
    return {"EndpointConfigArn": _add(_configs, "endpoint-config", request["EndpointConfigName"], request)}


def _create_endpoint(request: dict) -> dict:
    config = _find(_configs, "endpoint-config", request["EndpointConfigName"])
    model = _find(_models, "model", config["ProductionVariants"][0]["ModelName"])
    endpoint = Endpoint(request, config, model, get_account_id(), get_region())
    arn = _add(_endpoints, "endpoint", endpoint.name, endpoint)
    threading.Thread(target=endpoint.create, daemon=True, name=f"endpoint-{endpoint.name}").start()
    return {"EndpointArn": arn}


def _described(table: dict, kind: str, name: str, more: dict) -> dict:
    request = {key: value for key, value in _find(table, kind, name).items() if key != "Tags"}
    return {**request, **more, "CreationTime": 0}


def _describe_model(request: dict) -> dict:
    name = request["ModelName"]
    return _described(_models, "model", name, {"ModelArn": arn_here("model", name)})


def _describe_config(request: dict) -> dict:
    name = request["EndpointConfigName"]
    return _described(_configs, "endpoint-config", name, {"EndpointConfigArn": arn_here("endpoint-config", name)})


def _describe_endpoint(request: dict) -> dict:
    return _find(_endpoints, "endpoint", request["EndpointName"]).describe()


def _list_endpoints(request: dict) -> dict:
    here = (get_account_id(), get_region())
    found = [endpoint.describe() for endpoint in list(_endpoints.values())
             if (endpoint.account, endpoint.region) == here and request.get("NameContains", "") in endpoint.name]
    members = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    found.sort(key=lambda endpoint: endpoint["CreationTime"], reverse=request.get("SortOrder") != "Ascending")
    start, size = int(request.get("NextToken", 0)), request.get("MaxResults", 100)
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    page = found[start:start + size]
    return {"Endpoints": [{name: endpoint[name] for name in members} for endpoint in page], **more}


def _delete_endpoint(request: dict) -> dict:
    endpoint = _find(_endpoints, "endpoint", request["EndpointName"])
    if endpoint.status == "Creating":
        raise invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    _remove(_endpoints, "endpoint", endpoint.name).delete()
    return {}


def _delete_config(request: dict) -> dict:
    _remove(_configs, "endpoint-config", request["EndpointConfigName"])
    return {}


def _delete_model(request: dict) -> dict:
    _remove(_models, "model", request["ModelName"])
    return {}


_OPERATIONS = {
    "CreateModel": _create_model, "DescribeModel": _describe_model, "DeleteModel": _delete_model,
    "CreateEndpointConfig": _create_config, "DescribeEndpointConfig": _describe_config,
    "DeleteEndpointConfig": _delete_config, "CreateEndpoint": _create_endpoint,
    "DescribeEndpoint": _describe_endpoint, "ListEndpoints": _list_endpoints, "DeleteEndpoint": _delete_endpoint,
}


def _invoke(name: str, headers: dict, body: bytes) -> tuple[int, dict[str, str], bytes]:
    endpoint = _endpoints.get(arn_here("endpoint", name))
    if endpoint is None or endpoint.status != "InService":
        raise ApiError("ValidationError", f"Endpoint {name} of account {get_account_id()} not found.", 400)
    return endpoint.invoke(headers, body)


async def _idle_door(method: str, _path: str, _body: bytes) -> gaps.Response:
    if method == "POST":
        for endpoint in list(_endpoints.values()):
            endpoint.freeze()
    return gaps.json_response(200, {endpoint.name: endpoint.status for endpoint in list(_endpoints.values())})


def install() -> None:
    _sagemaker_api.OPERATIONS.update(_OPERATIONS)
    _sagemaker_api.PASSES_ROLE["CreateModel"] = "ExecutionRoleArn"
    _sagemaker_api.ALSO_NAMES["CreateEndpoint"] = ("endpoint-config", "EndpointConfigName")
    _sagemaker_api.ROUTES[r"/endpoints/([A-Za-z0-9-]+)/invocations"] = _invoke
    _sagemaker_api.install()
    gaps.door("idle-endpoints", _idle_door)
