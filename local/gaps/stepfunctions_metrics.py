"""Gap: executions count in AWS/States. The bare emulator counts none of them."""

from ministack.services import cloudwatch
from ministack.services import stepfunctions as sfn

_NAMES = {"RUNNING": "ExecutionsStarted", "SUCCEEDED": "ExecutionsSucceeded", "FAILED": "ExecutionsFailed",
          "TIMED_OUT": "ExecutionsTimedOut", "ABORTED": "ExecutionsAborted"}


def install() -> None:
    if not hasattr(sfn, "_emit_execution_status_event"):
        raise RuntimeError("MiniStack's stepfunctions has no _emit_execution_status_event: the pinned version changed.")
    emit = sfn._emit_execution_status_event

    def emit_and_count(execution):
        dimensions = {"StateMachineArn": execution["stateMachineArn"]}
        cloudwatch.record_metric("AWS/States", _NAMES[execution["status"]], 1, "Count", dimensions)
        if execution["status"] != "RUNNING":
            took = sfn._iso_to_epoch_ms(execution["stopDate"]) - sfn._iso_to_epoch_ms(execution["startDate"])
            cloudwatch.record_metric("AWS/States", "ExecutionTime", took, "Milliseconds", dimensions)
            # Alarms on failures see a zero for every execution that ended otherwise, as on AWS.
            for status in ("FAILED", "TIMED_OUT", "ABORTED"):
                if status != execution["status"]:
                    cloudwatch.record_metric("AWS/States", _NAMES[status], 0, "Count", dimensions)
        emit(execution)

    sfn._emit_execution_status_event = emit_and_count
