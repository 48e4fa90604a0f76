"""An execution environment's log stream."""

from __future__ import annotations

import time

from ministack.services import cloudwatch_logs as logs

# Requests whose lines are written, so that the emulator's own writing leaves them out.
written: set[str] = set()


def log_group(config: dict) -> str:
    return (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"


def write(config: dict, worker, request_id: str, answer: dict) -> str:
    """Puts the invocation's lines into the environment's log stream, framed as AWS frames them; returns them as text."""
    now = time.time_ns() // 1_000_000
    milliseconds = answer["milliseconds"]
    report = (f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
              f"Billed Duration: {int(milliseconds) + 1} ms\tMemory Size: {config.get('MemorySize', 128)} MB\t"
              f"Max Memory Used: {answer.get('memory_mb', 0)} MB")
    if answer.get("cold_start"):
        report += f"\tInit Duration: {worker.init_milliseconds:.2f} ms"
    first = answer["lines"][0][0] if answer["lines"] else now
    lines = [(first, f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}"), *answer["lines"],
             (now, f"END RequestId: {request_id}"), (now, report)]
    events = [{"timestamp": at, "message": text, "ingestionTime": now} for at, text in lines if text]
    group, stream = log_group(config), worker.log_stream or "init"
    if group not in logs._log_groups:
        logs._create_log_group({"logGroupName": group})
    if stream not in logs._log_groups[group]["streams"]:
        logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    logs._append_log_events(logs._log_groups[group]["streams"][stream], events)
    logs._fanout_to_subscription_filters(group, stream, [{k: e[k] for k in ("timestamp", "message")} for e in events])
    written.add(request_id)
    return "\n".join(event["message"] for event in events)
