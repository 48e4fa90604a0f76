"""Gap: a REST API's requests count in AWS/ApiGateway. The bare emulator counts none of them."""

import time

from ministack.services import apigateway_v1, cloudwatch


def _record(api: str, stage: str, status: int, milliseconds: float) -> None:
    values = {"Count": 1, "4XXError": int(400 <= status < 500), "5XXError": int(status >= 500)}
    for dimensions in ({"ApiName": api}, {"ApiName": api, "Stage": stage}):
        for metric, value in values.items():
            cloudwatch.record_metric("AWS/ApiGateway", metric, value, "Count", dimensions)
        cloudwatch.record_metric("AWS/ApiGateway", "Latency", milliseconds, "Milliseconds", dimensions)


def install() -> None:
    for name in ("_handle_execute_in_scope", "_rest_apis"):
        if not hasattr(apigateway_v1, name):
            raise RuntimeError(f"MiniStack's apigateway_v1 has no {name}: the pinned version changed.")
    handle = apigateway_v1._handle_execute_in_scope

    async def handle_and_count(api_id, stage_name, *rest, **named):
        started = time.monotonic()
        answer = await handle(api_id, stage_name, *rest, **named)
        api = (apigateway_v1._rest_apis.get(api_id) or {}).get("name", api_id)
        _record(api, stage_name, answer[0], (time.monotonic() - started) * 1000)
        return answer

    apigateway_v1._handle_execute_in_scope = handle_and_count
