"""Gap: an event has the time its sender gave it, and a target's paths reach into lists.

The bare emulator stamps every event with the present time; a path such as ``$.detail.runs[0].id`` finds nothing, so that
an ``InputPath`` passes the whole event and a transformer an empty string.
"""

from __future__ import annotations

import contextvars
import json
from datetime import datetime, timezone

from ministack.services import eventbridge
from ministack.services import stepfunctions as sfn

_time: contextvars.ContextVar[float | None] = contextvars.ContextVar("event_time", default=None)
_MISSING = object()


def _lookup(path: str, event: dict):
    """The value at a path of the event, or ``_MISSING``. Names with hyphens, such as detail-type, are plain here."""
    if path in ("$", "$."):
        return event
    tokens = sfn._parse_jsonpath_tokens(path)
    if tokens is None:
        return _MISSING
    value = event
    for kind, key in tokens:
        if kind == "field" and isinstance(value, dict) and key in value:
            value = value[key]
        elif kind == "index" and isinstance(value, list) and key < len(value):
            value = value[key]
        else:
            return _MISSING
    return value


def _transform(transformer: dict, rule: dict, view) -> str:
    event = view.event_with_detail()
    found = {name: _lookup(path, event) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values = {name: "" if value is _MISSING else value for name, value in found.items()}
    values.update({
        "aws.events.event.json": event,
        "aws.events.event": view.envelope(),
        "aws.events.event.ingestion-time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws.events.rule-name": (rule or {}).get("Name", ""),
        "aws.events.rule-arn": (rule or {}).get("Arn", ""),
    })
    return eventbridge._render_input_template(transformer.get("InputTemplate", ""), values)


def install() -> None:
    for name in ("_put_events", "_now_ts", "_invoke_target", "_apply_input_transformer", "_render_input_template",
                 "_coerce_timestamp"):
        if not hasattr(eventbridge, name):
            raise RuntimeError(f"MiniStack's eventbridge has no {name}: the pinned version changed.")
    put, now, invoke = eventbridge._put_events, eventbridge._now_ts, eventbridge._invoke_target

    def put_events(data, allow_aws_source=False):
        entries = data.get("Entries", [])
        if len(entries) > 10 or not any(entry.get("Time") for entry in entries):
            return put(data, allow_aws_source)
        answers = []
        for entry in entries:
            given = _time.set(eventbridge._coerce_timestamp(entry["Time"]) if entry.get("Time") else None)
            try:
                answers.append(json.loads(put({**data, "Entries": [entry]}, allow_aws_source)[2]))
            finally:
                _time.reset(given)
        return eventbridge.json_response({
            "FailedEntryCount": sum(answer["FailedEntryCount"] for answer in answers),
            "Entries": [result for answer in answers for result in answer["Entries"]]})

    def invoke_target(target, event, rule, view=None):
        path = target.get("InputPath")
        if path and not target.get("InputTransformer") and not target.get("Input"):
            view = view or eventbridge._pattern_event_view(event)
            value = _lookup(path, view.event_with_detail())
            if value is not _MISSING:
                target = {**target, "Input": json.dumps(value), "InputPath": None}
        return invoke(target, event, rule, view)

    eventbridge._put_events = put_events
    eventbridge._now_ts = lambda: _time.get() or now()
    eventbridge._invoke_target = invoke_target
    eventbridge._apply_input_transformer = _transform
