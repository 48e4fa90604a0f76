"""Gap: a Task, Map or Parallel state fails, is retried and is recorded as on AWS.

On the bare emulator the history calls every task's resource by its whole ARN and every failure ``TaskFailed``;
``States.ALL`` catches ``States.Runtime``; a throttled function is ``Lambda.Unknown``; ``MaxDelaySeconds``, jitter and
``TimeoutSecondsPath`` are ignored and delays are cut at 60 s; a JSONata Parallel ignores ``Arguments`` and ``Output``.
"""

from __future__ import annotations

import contextvars
import json
import random
import threading

from ministack.services import lambda_svc
from ministack.services import stepfunctions as sfn

from gaps.stepfunctions_stop_and_timeout import _previous, add_event, control, run_task

# States.ALL does not stand for these: an execution ends with them unless a catcher names them.
_TERMINAL = ("States.Runtime", "States.DataLimitExceeded")
_FOREVER = 99_999_999


def _kind(resource: str) -> tuple[str, dict]:
    """Event prefix and the details that name the resource, as GetExecutionHistory gives them."""
    if ":activity:" in resource:
        return "Activity", {"resource": resource}
    if resource.startswith("arn:aws:states:::"):
        service, _, action = resource.removeprefix("arn:aws:states:::").rpartition(":")
        return "Task", {"resourceType": service, "resource": action}
    return "LambdaFunction", {"resource": resource}


class _Recorder:
    """Writes one attempt's events."""

    def __init__(self, execution: dict, resource: str):
        self.execution = execution
        self.prefix, self.names = _kind(resource)

    def _add(self, what: str, details: dict) -> None:
        event = f"{self.prefix}{what}"
        if self.prefix == "Task":
            details = {**self.names, **details}
        add_event(self.execution, event, {f"{event[0].lower()}{event[1:]}EventDetails": details})

    def scheduled(self, parameters, timeout: float | None) -> None:
        limit = {} if timeout is None else {"timeoutInSeconds": int(timeout)}
        if self.prefix == "Task":
            region = self.execution["executionArn"].split(":")[3]
            self._add("Scheduled", {"region": region, "parameters": json.dumps(parameters), **limit})
        else:
            self._add("Scheduled", {**self.names, "input": json.dumps(parameters), **limit})
        self._add("Started", {})

    def succeeded(self, output) -> None:
        self._add("Succeeded", {"output": json.dumps(output)})

    def failed(self, error) -> None:
        what = "TimedOut" if error.error == "States.Timeout" else "Failed"
        self._add(what, {"error": error.error, "cause": error.cause})


def _timeout(state: dict, data, ctx: dict) -> float | None:
    value = state.get("TimeoutSeconds")
    if "TimeoutSecondsPath" in state:
        value = sfn._resolve_path_or_ctx(state["TimeoutSecondsPath"], data, ctx)
    if isinstance(value, str):
        value = sfn._jsonata_state_field(state, "TimeoutSeconds", "number", data, ctx)
    return None if value is None or value >= _FOREVER else float(value)


def _arguments(state: dict, data, ctx: dict):
    if sfn._state_query_language(state, ctx) == "JSONata":
        return sfn._apply_jsonata_arguments(state, data, ctx)
    return sfn._apply_parameters(state, sfn._apply_input_path(state, data, ctx), ctx)


def _output(state: dict, data, ctx: dict, result):
    if sfn._state_query_language(state, ctx) == "JSONata":
        output = sfn._apply_jsonata_output(state, data, ctx, result=result, default=result)
        sfn._apply_state_assign(state, data, ctx, result=result)
        return output
    selector = state.get("ResultSelector")
    if selector is not None:
        result = sfn._resolve_params_obj(selector, result, ctx)
    return sfn._apply_output_path(state, sfn._apply_result_path(state, data, result), ctx)


def _invoke(resource: str, parameters, state: dict, ctx: dict):
    if ".waitForTaskToken" in resource:
        return sfn._invoke_with_callback(resource, parameters, ctx["Task"]["Token"], {})
    return sfn._invoke_resource(resource, parameters)


def _execute_task(state: dict, data, execution: dict, ctx: dict):
    resource = state.get("Resource", "")

    def attempt():
        if ".waitForTaskToken" in resource:
            ctx["Task"] = {"Token": sfn.new_uuid()}
        recorder = _Recorder(execution, resource)
        parameters = _arguments(state, data, ctx)
        timeout = _timeout(state, data, ctx)
        recorder.scheduled(parameters, timeout)
        try:
            result = run_task(lambda: _invoke(resource, parameters, state, ctx), timeout)
        except sfn._ExecutionError as error:
            recorder.failed(error)
            raise
        recorder.succeeded(result)
        return _output(state, data, ctx, result), sfn._next_or_end(state)

    return _with_retry_and_catch(state, data, ctx, attempt)


def delay_seconds(retrier: dict, retries: int) -> float:
    """How long AWS waits before the attempt after ``retries`` retries of this retrier."""
    delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retries
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay


def _with_retry_and_catch(state: dict, data, ctx: dict, attempt):
    entered = ctx["State"]
    counts: dict[int, int] = {}
    while True:
        ctx["State"] = {**entered, "RetryCount": sum(counts.values())}
        try:
            return attempt()
        except sfn._ExecutionError as error:
            failure = error
        except Exception as error:
            failure = sfn._ExecutionError("States.Runtime", f"An error occurred while executing the state "
                                          f"'{entered['Name']}'. {error}")
        control().check()
        retrier, index = sfn._find_matching_retrier(state.get("Retry", []), failure.error, counts)
        if retrier is not None:
            control().sleep(delay_seconds(retrier, counts.get(index, 0)) * sfn._SFN_WAIT_SCALE)
            counts[index] = counts.get(index, 0) + 1
            continue
        catcher = sfn._find_matching_catcher(state.get("Catch", []), failure.error)
        if catcher is None:
            raise failure
        shape = {"Error": failure.error, "Cause": failure.cause}
        language = sfn._state_query_language(state, ctx)
        return sfn._apply_catcher(catcher, data, ctx, language, shape), catcher["Next"]


def _execute_parallel(state: dict, data, execution: dict, ctx: dict):
    def attempt():
        effective = _arguments(state, data, ctx)
        add_event(execution, "ParallelStateStarted")
        branches = state.get("Branches", [])
        results = run_branches([
            lambda branch=branch: sfn._run_sub_machine(branch["States"], branch["StartAt"], effective, execution, ctx)
            for branch in branches], len(branches), execution, "ParallelState")
        return _output(state, data, ctx, results), sfn._next_or_end(state)

    return _with_retry_and_catch(state, data, ctx, attempt)


def run_branches(calls: list, at_once: int, execution: dict, prefix: str) -> list:
    """Results of the calls in order, at most ``at_once`` at a time; no new one starts after a failure.

    @raises the first failure, after the running ones have ended.
    """
    results, failures, after = [None] * len(calls), [], _previous.get()
    waiting = iter(enumerate(calls))
    lock = threading.Lock()

    def work() -> None:
        while not failures:
            with lock:
                index, call = next(waiting, (None, None))
            if call is None:
                return
            _previous.set(after)
            try:
                results[index] = call()
            except Exception as error:  # noqa: BLE001 - raised again below, in the state's own thread
                failures.append(error)

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
               for _ in range(max(1, min(at_once, len(calls))) if calls else 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        add_event(execution, f"{prefix}Failed")
        raise failures[0]
    add_event(execution, f"{prefix}Succeeded")
    return results


def _call_lambda(reference, event):
    function, config, name = lambda_svc._get_func_record_for_ref(reference)
    if not function or not config:
        raise sfn._ExecutionError("Lambda.ResourceNotFoundException", f"Function not found: {name}")
    record = lambda_svc._execution_record_for_config(function, config)
    result = lambda_svc._execute_function_with_config_scope(record, event)
    body = result.get("body")
    if result.get("throttle"):
        raise sfn._ExecutionError("Lambda.TooManyRequestsException", body.get("message", "Rate Exceeded."))
    if result.get("error"):
        shape = body if isinstance(body, dict) else {"errorMessage": str(body)}
        raise sfn._ExecutionError(shape.get("errorType") or "Lambda.Unknown", json.dumps(shape))
    return body


def _invoke_lambda(parameters: dict) -> dict:
    reference = sfn._resolve_lambda_function_ref(parameters.get("FunctionName", ""), optimized=True)
    payload = _call_lambda(reference, parameters.get("Payload", {}))
    return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}


def install() -> None:
    names = ("_execute_task", "_execute_parallel", "_with_retry_and_catch", "_call_lambda", "_error_matches",
             "_invoke_resource", "_find_matching_retrier", "_find_matching_catcher", "_apply_catcher")
    for name in names:
        if not hasattr(sfn, name):
            raise RuntimeError(f"MiniStack's stepfunctions has no {name}: the pinned version changed.")
    matches, invoke = sfn._error_matches, sfn._invoke_resource

    def error_matches(error_equals, error):
        if error in _TERMINAL:
            return error in error_equals
        return matches(error_equals, error)

    def invoke_resource(resource, parameters):
        if resource == "arn:aws:states:::lambda:invoke":
            return _invoke_lambda(parameters)
        return invoke(resource, parameters)

    sfn._error_matches = error_matches
    sfn._invoke_resource = invoke_resource
    sfn._call_lambda = _call_lambda
    sfn._with_retry_and_catch = _with_retry_and_catch
    sfn._execute_task = _execute_task
    sfn._execute_parallel = _execute_parallel
