"""Gap: every invocation counts in AWS/Lambda's metrics, whoever made it.

The bare emulator counts direct synchronous calls only: those of Step Functions, API Gateway, queues and streams are
missing, and an asynchronous one counts as a success before it ran.
"""

from ministack.services import cloudwatch, lambda_svc


def install() -> None:
    for name in ("_emit_lambda_metrics", "_execute_function_dispatch", "_acquire_execution_slot"):
        if not hasattr(lambda_svc, name):
            raise RuntimeError(f"MiniStack's lambda_svc has no {name}: the pinned version changed.")
    dispatch, acquire = lambda_svc._execute_function_dispatch, lambda_svc._acquire_execution_slot

    def record(config: dict, metric: str, value: float, unit: str = "Count") -> None:
        name = config.get("FunctionName", "unknown")
        for dimensions in ({"FunctionName": name}, {}):
            cloudwatch.record_metric("AWS/Lambda", metric, value, unit, dimensions)

    def counted_dispatch(func, config, event, request_id, started):
        record(config, "ConcurrentExecutions", lambda_svc._inflight.get(lambda_svc._inflight_key(config), 1))
        result = dispatch(func, config, event, request_id, started)
        record(config, "Invocations", 1)
        record(config, "Errors", 1 if result.get("error") else 0)
        record(config, "Throttles", 0)
        if "milliseconds" in result:
            record(config, "Duration", result["milliseconds"], "Milliseconds")
        return result

    def counted_acquire(func, config):
        slot, limit = acquire(func, config)
        if slot is None:
            record(config, "Throttles", 1)
        return slot, limit

    lambda_svc._execute_function_dispatch = counted_dispatch
    lambda_svc._acquire_execution_slot = counted_acquire
    # The emulator's own counting, at the doors it counts at.
    lambda_svc._emit_lambda_metrics = lambda *_args, **_kwargs: None
