"""Gap: a Map state reads, batches, runs and writes its items as on AWS, in both query languages.

On the bare emulator a distributed Map in JSONata runs once over the whole input, and batching, result writing,
tolerated failures given as paths or expressions, and an inline Map's iterations in the history are missing.
"""

from __future__ import annotations

import copy
import json
import threading

from ministack.services import s3
from ministack.services import stepfunctions as sfn

from gaps.stepfunctions_stop_and_timeout import STOPPED, add_event
from gaps.stepfunctions_tasks import _output, run_branches

# What AWS runs at the same time when MaxConcurrency is 0.
_INLINE_AT_ONCE = 40
# AWS allows 10,000; this is one machine.
_DISTRIBUTED_AT_ONCE = 64


def _field(state: dict, field: str, data, ctx: dict, default=0):
    """A number of the state: itself, under ``<field>Path``, or a JSONata expression."""
    if f"{field}Path" in state:
        return sfn._resolve_path_or_ctx(state[f"{field}Path"], data, ctx)
    value = state.get(field, default)
    if isinstance(value, str):
        return sfn._jsonata_state_field(state, field, "number", data, ctx)
    return value


def _template(template, state: dict, data, ctx: dict):
    if sfn._state_query_language(state, ctx) == "JSONata":
        return sfn._apply_jsonata_template(template, data, ctx)
    return sfn._resolve_params_obj(template, data, ctx)


def _read(state: dict, data, ctx: dict) -> list:
    """The items of the state.

    @raises _ExecutionError States.ItemReaderFailed; States.Runtime or States.QueryEvaluationError for no list.
    """
    jsonata = sfn._state_query_language(state, ctx) == "JSONata"
    reader = state.get("ItemReader")
    if reader:
        parameters = _template(reader.get("Arguments") or reader.get("Parameters") or {}, state, data, ctx)
        resolved = {**reader, "Parameters": parameters}
        resolved.pop("Arguments", None)
        try:
            return sfn._read_map_items(resolved, data, ctx)
        except sfn._ExecutionError:
            raise
        except Exception as error:
            raise sfn._ExecutionError("States.ItemReaderFailed", str(error)) from error
    if jsonata:
        items = state.get("Items", data)
        if isinstance(items, str):
            return sfn._jsonata_state_field(state, "Items", "array", data, ctx)
        items = _template(items, state, data, ctx)
    else:
        items = sfn._resolve_path_or_ctx(state.get("ItemsPath", "$"), data, ctx)
    if not isinstance(items, list):
        raise sfn._ExecutionError(
            "States.QueryEvaluationError" if jsonata else "States.Runtime",
            f"Reference path \"{state.get('ItemsPath', '$')}\" must point to array.")
    return items


def _inputs(state: dict, items: list, data, ctx: dict) -> list:
    """The input of each iteration, with the context it runs in: one item, or one batch of items."""
    selector = state.get("ItemSelector") or state.get("Parameters")
    selected = []
    for index, item in enumerate(items):
        own = {**ctx, "variables": copy.copy(ctx.get("variables", {})), "Map": {"Item": {"Index": index, "Value": item}}}
        selected.append((_template(selector, state, data, own) if selector else item, own))
    batcher = state.get("ItemBatcher")
    if not batcher:
        return selected
    size = int(_field(batcher, "MaxItemsPerBatch", data, ctx, 0)) or len(items) or 1
    limit = int(_field(batcher, "MaxInputBytesPerBatch", data, ctx, 256 * 1024))
    shared = {"BatchInput": _template(batcher["BatchInput"], state, data, ctx)} if "BatchInput" in batcher else {}
    return [({**shared, "Items": batch}, {**ctx, "variables": copy.copy(ctx.get("variables", {}))})
            for batch in _batches([value for value, _ in selected], size, limit)]


def _batches(values: list, size: int, limit: int) -> list[list]:
    batches, current, used = [], [], 0
    for value in values:
        length = len(json.dumps(value)) + 1
        if current and (len(current) >= size or used + length > limit):
            batches.append(current)
            current, used = [], 0
        current.append(value)
        used += length
    return batches + [current] if current else batches


def _execute_map(state: dict, data, execution: dict, ctx: dict):
    return sfn._with_retry_and_catch(state, data, ctx, lambda: _attempt(state, data, execution, ctx))


def _attempt(state: dict, data, execution: dict, ctx: dict):
    effective = data
    if sfn._state_query_language(state, ctx) != "JSONata":
        effective = sfn._apply_input_path(state, data, ctx)
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    items = _read(state, effective, ctx)
    inputs = _inputs(state, items, effective, ctx)
    at_once = int(_field(state, "MaxConcurrency", effective, ctx)) or None
    name = ctx["State"]["Name"]
    if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
        result = _distributed(state, processor, inputs, at_once, effective, execution, ctx, len(items))
    else:
        add_event(execution, "MapStateStarted", {"mapStateStartedEventDetails": {"length": len(items)}})
        calls = [_iteration(processor, value, own, execution, name, index) for index, (value, own) in enumerate(inputs)]
        result = run_branches(calls, at_once or _INLINE_AT_ONCE, execution, "MapState")
    return _output(state, data, ctx, result), sfn._next_or_end(state)


def _iteration(processor: dict, value, own: dict, execution: dict, name: str, index: int):
    def told(what: str) -> None:
        add_event(execution, f"MapIteration{what}",
                  {f"mapIteration{what}EventDetails": {"name": name, "index": index}})

    def run():
        told("Started")
        try:
            result = sfn._run_sub_machine(processor["States"], processor["StartAt"], value, execution, own)
        except sfn._ExecutionError as error:
            told("Aborted" if error.error == STOPPED else "Failed")
            raise
        told("Succeeded")
        return result

    return run


class _Run:
    """The Map Run of a distributed Map, with the child executions it counts."""

    def __init__(self, state: dict, execution: dict, count: int, items: int, at_once: int | None, limits: tuple):
        head = execution["stateMachineArn"].split(":")
        self.region, self.account, self.machine = head[3], head[4], head[6]
        self.label = state.get("Label") or sfn.new_uuid()
        self.lock = threading.Lock()
        self.limits = limits
        arn = f"arn:aws:states:{self.region}:{self.account}:mapRun:{self.machine}/{self.label}:{sfn.new_uuid()}"
        names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten",
                 "failuresNotRedrivable", "pendingRedrive")
        zero = dict.fromkeys(names, 0)
        self.record = {
            "mapRunArn": arn, "executionArn": execution["executionArn"], "status": "RUNNING", "startDate": sfn.now_iso(),
            "maxConcurrency": at_once or 0, "toleratedFailureCount": limits[0] or 0,
            "toleratedFailurePercentage": limits[1] or 0.0, "redriveCount": 0,
            "itemCounts": {**zero, "total": items, "pending": items},
            "executionCounts": {**zero, "total": count, "pending": count},
            "_stateMachineArn": f"arn:aws:states:{self.region}:{self.account}:stateMachine:{self.machine}/{self.label}",
        }
        sfn._map_runs[arn] = self.record

    def child(self, value) -> dict:
        name = sfn.new_uuid()
        child = {
            "executionArn": f"arn:aws:states:{self.region}:{self.account}:execution:{self.machine}/{self.label}:{name}",
            "stateMachineArn": self.record["_stateMachineArn"], "name": name, "status": "RUNNING",
            "startDate": sfn.now_iso(), "stopDate": None, "input": json.dumps(value), "inputDetails": {"included": True},
            "output": None, "outputDetails": {"included": True}, "mapRunArn": self.record["mapRunArn"], "events": [],
        }
        sfn._executions[child["executionArn"]] = child
        return child

    def count(self, items: int, before: str, after: str) -> None:
        with self.lock:
            for counts, number in ((self.record["itemCounts"], items), (self.record["executionCounts"], 1)):
                counts[before] -= number
                counts[after] += number

    def too_many_failures(self) -> bool:
        counts = self.record["itemCounts"]
        failed = counts["failed"] + counts["aborted"]
        count, percentage = self.limits
        if count is None and percentage is None:
            return failed > 0
        return (count is not None and failed > count) or (
            percentage is not None and failed * 100 > percentage * counts["total"])


def _distributed(state: dict, processor: dict, inputs: list, at_once, data, execution: dict, ctx: dict, items: int):
    given = [f"ToleratedFailure{what}" for what in ("Count", "Percentage")]
    limits = tuple(_field(state, field, data, ctx) if field in state or f"{field}Path" in state else None
                   for field in given)
    run = _Run(state, execution, len(inputs), items, at_once, limits)
    add_event(execution, "MapStateStarted", {"mapStateStartedEventDetails": {"length": items}})
    add_event(execution, "MapRunStarted", {"mapRunStartedEventDetails": {"mapRunArn": run.record["mapRunArn"]}})
    batched = "ItemBatcher" in state
    calls = [_child(run, processor, value, own, len(value["Items"]) if batched else 1) for value, own in inputs]
    children = []
    try:
        children = run_branches(calls, at_once or _DISTRIBUTED_AT_ONCE, execution, "MapRun")
        run.record["status"] = "SUCCEEDED"
    except sfn._ExecutionError as error:
        run.record["status"] = "ABORTED" if error.error == STOPPED else "FAILED"
        raise
    finally:
        run.record["stopDate"] = sfn.now_iso()
    if state.get("ResultWriter"):
        return _write(state, run, children, data, ctx)
    return [json.loads(child["output"]) if child["output"] is not None else None
            for child in children if child["status"] == "SUCCEEDED"]


def _child(run: _Run, processor: dict, value, own: dict, items: int):
    def call() -> dict:
        child = run.child(value)
        run.count(items, "pending", "running")
        try:
            output = sfn._run_sub_machine(processor["States"], processor["StartAt"], value, child, own)
            child.update(output=json.dumps(output), stopDate=sfn.now_iso(), status="SUCCEEDED")
            run.count(items, "running", "succeeded")
        except sfn._ExecutionError as error:
            stopped = error.error == STOPPED
            child.update(stopDate=sfn.now_iso(), status="ABORTED" if stopped else "FAILED")
            run.count(items, "running", "aborted" if stopped else "failed")
            if stopped:
                raise
            child.update(error=error.error, cause=error.cause)
            if run.too_many_failures():
                raise sfn._ExecutionError("States.ExceedToleratedFailureThreshold",
                                          "The specified tolerated failure threshold was exceeded") from error
        return child

    return call


def _put(bucket: str, key: str, document) -> None:
    status, _headers, body = s3._put_object(bucket, key, json.dumps(document).encode(), {"content-type": "application/json"})
    if status >= 300:
        raise sfn._ExecutionError("States.ResultWriterFailed", f"{bucket}/{key}: {body!r}")


def _write(state: dict, run: _Run, children: list[dict], data, ctx: dict) -> dict:
    """Writes the results by outcome, and the manifest that names the files; what the state returns for it."""
    writer = state["ResultWriter"]
    target = _template(writer.get("Arguments") or writer.get("Parameters") or {}, state, data, ctx)
    folder = "/".join(part for part in (target.get("Prefix", "").strip("/"), run.record["mapRunArn"].rsplit(":", 1)[1])
                      if part)
    files = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    shown = ("executionArn", "input", "inputDetails", "name", "output", "outputDetails", "startDate", "stateMachineArn",
             "status", "stopDate", "error", "cause")
    for status, names in files.items():
        results = [{key[0].upper() + key[1:]: child[key] for key in shown if child.get(key) is not None}
                   for child in children if child["status"] == status]
        if results:
            key = f"{folder}/{status}_0.json"
            _put(target["Bucket"], key, results)
            names.append({"Key": key, "Size": len(json.dumps(results))})
    run.record["itemCounts"]["resultsWritten"] = run.record["itemCounts"]["succeeded"]
    manifest = f"{folder}/manifest.json"
    _put(target["Bucket"], manifest,
         {"DestinationBucket": target["Bucket"], "MapRunArn": run.record["mapRunArn"], "ResultFiles": files})
    return {"MapRunArn": run.record["mapRunArn"],
            "ResultWriterDetails": {"Bucket": target["Bucket"], "Key": manifest}}


def install() -> None:
    for name in ("_execute_map", "_read_map_items", "_map_runs", "_jsonata_state_field", "_apply_jsonata_template"):
        if not hasattr(sfn, name):
            raise RuntimeError(f"MiniStack's stepfunctions has no {name}: the pinned version changed.")
    if not hasattr(s3, "_put_object"):
        raise RuntimeError("MiniStack's s3 has no _put_object: the pinned version changed.")
    sfn._execute_map = _execute_map
