"""Gap: a nested execution (``startExecution.sync``) is an execution of its own.

On the bare emulator it sends no status events, ends the parent with the child's own error and goes on when the parent
is stopped.
"""

import json

from ministack.services import stepfunctions as sfn

from gaps.stepfunctions_stop_and_timeout import control, on_stop, stop_execution

_POLL_SECONDS = 0.02


def _describe(arn: str) -> dict:
    execution = sfn._executions[arn]
    keys = ("executionArn", "input", "name", "output", "startDate", "stateMachineArn", "status", "stopDate", "error", "cause")
    return {key[0].upper() + key[1:]: execution[key] for key in keys if execution.get(key) is not None}


def _run(resource: str, parameters: dict) -> dict:
    status, _, body = sfn._start_execution(sfn._nested_start_execution_request(parameters))
    answer = json.loads(body)
    if status >= 400:
        name = f"StepFunctions.{answer.get('__type', 'AWSStepFunctionsException').split('#')[-1]}"
        raise sfn._ExecutionError(name, answer.get("message", ""))
    arn = answer["executionArn"]
    with on_stop(lambda: stop_execution({"executionArn": arn})):
        while sfn._executions[arn]["status"] == "RUNNING":
            control().sleep(_POLL_SECONDS)
    result = _describe(arn)
    if result["Status"] != "SUCCEEDED":
        raise sfn._ExecutionError("States.TaskFailed", json.dumps(result))
    if resource.endswith(".sync:2"):
        result["Output"] = json.loads(result["Output"])
    return result


def install() -> None:
    for name in ("_invoke_nested_start_execution_sync", "_nested_start_execution_request"):
        if not hasattr(sfn, name):
            raise RuntimeError(f"MiniStack's stepfunctions has no {name}: the pinned version changed.")
    sfn._invoke_nested_start_execution_sync = _run
