"""Gap: StartExecution with the name and input of a running execution is that execution.

The bare emulator refuses every name it has seen, so a client that repeats a request whose answer was lost gets an error.
"""

import threading

from ministack.services import stepfunctions as sfn


def install() -> None:
    if not hasattr(sfn, "_start_execution"):
        raise RuntimeError("MiniStack's stepfunctions has no _start_execution: the pinned version changed.")
    start, one_at_a_time = sfn._start_execution, threading.RLock()

    def start_once(data):
        name, machine = data.get("name"), sfn._resolve_state_machine_arn(data.get("stateMachineArn", "").split("#")[0])
        if not name or machine is None:
            return start(data)
        with one_at_a_time:
            arn = machine.replace(":stateMachine:", ":execution:", 1) + f":{name}"
            earlier = sfn._executions.get(arn)
            if earlier is None:
                return start(data)
            if earlier["status"] == "RUNNING" and earlier["input"] == data.get("input", "{}"):
                return sfn.json_response({"executionArn": arn, "startDate": earlier["startDate"]})
            return sfn.error_response_json("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'", 400)

    sfn._start_execution = start_once
