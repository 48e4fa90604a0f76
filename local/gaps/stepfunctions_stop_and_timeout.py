"""Gap: an execution that is stopped, or runs out of its time, stops.

On the bare emulator StopExecution changes the status while the states run on (and a later failure overwrites it),
a state machine's ``TimeoutSeconds`` is ignored, branches of Map and Parallel leave no trace in the history and share
one ``$$.State``, each execution begins with a sleep of 150 ms, and a payload of any size passes.

Other gaps run their long tasks with ``on_stop``: what they started on behalf of a task is ended with the task.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator

from ministack.services import stepfunctions as sfn

_MAX_PAYLOAD_BYTES = 256 * 1024
# An error name no definition can contain, so that nobody retries or catches it.
STOPPED = "\0stopped"

_logger = logging.getLogger("states")
_changes = threading.Lock()
_control: contextvars.ContextVar[Control | None] = contextvars.ContextVar("execution_control", default=None)
_endings: contextvars.ContextVar["_Endings | None"] = contextvars.ContextVar("task_endings", default=None)
_previous: contextvars.ContextVar[int] = contextvars.ContextVar("previous_event", default=1)
_controls: dict[str, Control] = {}


class Control:
    """The stop button of one running execution."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.stopped = False
        # Whom the execution works as, and its name.
        self.role = ""
        self.name = ""

    def stop(self) -> None:
        with self.condition:
            self.stopped = True
            self.condition.notify_all()

    def check(self) -> None:
        if self.stopped:
            raise sfn._ExecutionError(STOPPED, "The execution was stopped.")

    def sleep(self, seconds: float) -> None:
        with self.condition:
            self.condition.wait_for(lambda: self.stopped, max(0.0, seconds))
        self.check()


def control() -> Control:
    """The control of the execution this thread works for; one that nobody stops outside of executions."""
    return _control.get() or Control()


class _Endings:
    """What ends the work that one task started; whatever is added when the task is over is ended at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], None]] = []
        self._over = False

    def add(self, end: Callable[[], None]) -> None:
        with self._lock:
            if not self._over:
                self._ends.append(end)
                return
        end()

    def remove(self, end: Callable[[], None]) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._ends.remove(end)

    def run(self) -> None:
        with self._lock:
            self._over, ends, self._ends = True, self._ends, []
        for end in ends:
            try:
                end()
            except Exception:
                _logger.exception("a task could not be ended")


@contextlib.contextmanager
def on_stop(end: Callable[[], None]) -> Iterator[None]:
    """While the block runs, a stop of the execution or a timeout of the task calls ``end()``, from another thread."""
    endings = _endings.get()
    if endings is None:
        yield
        return
    endings.add(end)
    try:
        yield
    finally:
        # The block may have noticed the stop before run_task did: then the end is still to come.
        if not control().stopped:
            endings.remove(end)


def run_task(call: Callable[[], object], timeout: float | None) -> object:
    """``call()`` in a thread of its own, left behind when the execution stops or ``timeout`` seconds are over.

    @raises _ExecutionError States.Timeout, or STOPPED; whatever ``call`` raises.
    """
    here, outcome, endings = control(), {}, _Endings()

    def work() -> None:
        _endings.set(endings)
        try:
            outcome["value"] = call()
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            outcome["error"] = error
        with here.condition:
            here.condition.notify_all()

    threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
    with here.condition:
        here.condition.wait_for(lambda: outcome or here.stopped, timeout)
    if here.stopped or not outcome:
        endings.run()
    if outcome:
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]
    here.check()
    raise sfn._ExecutionError("States.Timeout", f"The task did not end within {timeout:g} seconds.")


def finish(execution: dict, status: str, event: str, details: dict, **fields) -> bool:
    """Gives an execution its last status; False when it has one already."""
    with _changes:
        if execution["status"] != "RUNNING":
            return False
        execution.update(fields, stopDate=sfn.now_iso(), status=status)
    sfn._add_event(execution, event, {f"{event[0].lower()}{event[1:]}EventDetails": details})
    sfn._emit_execution_status_event(execution)
    return True


def add_event(execution: dict, event_type: str, details: dict | None = None) -> dict:
    """Appends to the history; the previous event is the one of the same branch."""
    with _changes:
        number = len(execution["events"]) + 1
        event = {"id": number, "previousEventId": _previous.get(), "type": event_type, "timestamp": sfn.now_iso()}
        event.update(details or {})
        # A branch that notices the end a moment late adds nothing to what has ended.
        if execution["status"] == "RUNNING" or event_type.startswith("Execution"):
            execution["events"].append(event)
    _previous.set(number)
    return event


def run_states(states: dict, start: str, data, execution: dict, ctx: dict):
    """Walks the states of a machine, a branch or an iteration to their end; its output."""
    name = start
    while name:
        control().check()
        if name not in states:
            raise sfn._ExecutionError("States.Runtime", f"There is no state '{name}'.")
        data, name = _run_state(name, states[name], data, execution, ctx)
    return data


def _run_state(name: str, state: dict, data, execution: dict, ctx: dict):
    kind = state.get("Type")
    ctx["State"] = {"Name": name, "EnteredTime": sfn.now_iso(), "RetryCount": 0}
    add_event(execution, f"{kind}StateEntered", {"stateEnteredEventDetails": {"name": name, "input": json.dumps(data)}})
    try:
        output, following = _step(kind, state, data, execution, ctx)
        text = json.dumps(output)
        if len(text.encode()) > _MAX_PAYLOAD_BYTES:
            raise sfn._ExecutionError(
                "States.DataLimitExceeded",
                f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit.")
    except sfn._ExecutionError:
        raise
    except Exception as error:
        cause = f"An error occurred while executing the state '{name}'. {error}"
        raise sfn._ExecutionError("States.Runtime", cause) from error
    add_event(execution, f"{kind}StateExited", {"stateExitedEventDetails": {"name": name, "output": text}})
    return output, following


def _step(kind: str, state: dict, data, execution: dict, ctx: dict):
    if kind == "Succeed":
        if sfn._state_query_language(state, ctx) == "JSONata":
            return sfn._apply_jsonata_output(state, data, ctx, default=data), None
        return sfn._apply_output_path(state, sfn._apply_input_path(state, data, ctx), ctx), None
    if kind == "Fail":
        raise sfn._ExecutionError(*sfn._fail_state_error(state, data, ctx))
    if kind in ("Pass", "Choice", "Wait"):
        return getattr(sfn, f"_execute_{kind.lower()}")(state, data, ctx)
    if kind in ("Task", "Parallel", "Map"):
        return getattr(sfn, f"_execute_{kind.lower()}")(state, data, execution, ctx)
    raise sfn._ExecutionError("States.Runtime", f"Unknown state type: {kind}")


def run_execution(arn: str) -> None:
    """The thread of one execution, from its start to its last status."""
    execution = sfn._executions.get(arn)
    if not execution or execution["status"] != "RUNNING":
        return
    here = Control()
    _controls[arn] = here
    _control.set(here)
    timer = None
    try:
        machine = sfn._state_machines.get(execution["stateMachineArn"])
        if machine is None:
            raise sfn._ExecutionError("States.Runtime", "The state machine was deleted.")
        here.role, here.name = machine.get("roleArn", ""), execution["name"]
        definition = json.loads(machine["definition"])
        timer = _start_timer(execution, definition.get("TimeoutSeconds"))
        data = json.loads(execution["input"] or "{}")
        ctx = {
            "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
            "Execution": {"Id": arn, "Input": data, "Name": execution["name"], "RoleArn": machine.get("roleArn"),
                          "StartTime": execution["startDate"], "RedriveCount": 0},
            "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
            "variables": {},
        }
        output = json.dumps(run_states(definition["States"], definition["StartAt"], data, execution, ctx))
        finish(execution, "SUCCEEDED", "ExecutionSucceeded", {"output": output}, output=output)
    except sfn._ExecutionError as error:
        if error.error != STOPPED:
            fail(execution, error.error, error.cause)
    except Exception as error:
        _logger.exception("execution %s", arn)
        fail(execution, "States.Runtime", str(error))
    finally:
        if timer:
            timer.cancel()
        _controls.pop(arn, None)


def fail(execution: dict, error: str, cause: str) -> None:
    finish(execution, "FAILED", "ExecutionFailed", {"error": error, "cause": cause}, error=error, cause=cause)


def _start_timer(execution: dict, seconds) -> threading.Timer | None:
    if not seconds:
        return None

    def time_out() -> None:
        if finish(execution, "TIMED_OUT", "ExecutionTimedOut", {}):
            _stop_running(execution["executionArn"])

    scope = contextvars.copy_context()
    timer = threading.Timer(max(0.0, float(seconds)), lambda: scope.run(time_out))
    timer.daemon = True
    timer.start()
    return timer


def _stop_running(arn: str) -> None:
    running = _controls.get(arn)
    if running:
        running.stop()


def stop_execution(data: dict):
    """StopExecution."""
    arn = data.get("executionArn")
    execution = sfn._executions.get(arn)
    if not execution:
        return sfn.error_response_json("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'", 400)
    error, cause = data.get("error"), data.get("cause")
    details = {key: value for key, value in (("error", error), ("cause", cause)) if value}
    if finish(execution, "ABORTED", "ExecutionAborted", details, error=error, cause=cause):
        _stop_running(arn)
    # Stopping what has ended already is no error on AWS either.
    return sfn.json_response({"stopDate": execution["stopDate"]})


def _scaled_sleep(seconds: float) -> None:
    control().sleep(seconds * sfn._SFN_WAIT_SCALE)


def install() -> None:
    names = ("_run_execution", "_stop_execution", "_fail_execution", "_add_event", "_run_sub_machine", "_scaled_sleep",
             "_emit_execution_status_event", "_error_matches", "_execute_task", "_execute_map", "_execute_parallel",
             "_fail_state_error", "_start_execution")
    for name in names:
        if not hasattr(sfn, name):
            raise RuntimeError(f"MiniStack's stepfunctions has no {name}: the pinned version changed.")
    matches = sfn._error_matches

    def error_matches(error_equals, error):
        return error != STOPPED and matches(error_equals, error)

    def branch(states, start, data, execution, ctx):
        # A context of its own: branches run at the same time and each has its own $$.State.
        return run_states(states, start, json.loads(json.dumps(data)), execution, {**ctx})

    sfn._run_execution = run_execution
    sfn._stop_execution = stop_execution
    sfn._fail_execution = fail
    sfn._add_event = add_event
    sfn._run_sub_machine = branch
    sfn._scaled_sleep = _scaled_sleep
    sfn._error_matches = error_matches
