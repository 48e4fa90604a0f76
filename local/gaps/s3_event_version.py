"""S3 events on EventBridge say which version they are about.

MiniStack leaves `object.version-id` out, gives deletions a size of 0 and an empty etag, adds a field S3 does
not send, and writes the event's time in milliseconds where EventBridge has whole seconds.
"""

import contextvars
import json

from ministack.services import eventbridge, s3

_EMPTY_BODY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"

# The notification being delivered on this thread: (event name, version id or None).
_current = contextvars.ContextVar("slipway_s3_notification", default=None)


def install() -> None:
    """Patch `s3._fire_s3_event` to remember the version and `eventbridge._dispatch_event` to send it."""
    fire = s3._fire_s3_event
    dispatch = eventbridge._dispatch_event

    def fire_with_version(bucket_name, key, event_name, *args, version_id=None, **kwargs):
        token = _current.set((event_name, version_id))
        try:
            fire(bucket_name, key, event_name, *args, version_id=version_id, **kwargs)
        finally:
            _current.reset(token)

    def dispatch_with_version(event, *args, **kwargs):
        notification = _current.get()
        if notification is None or event.get("Source") != "aws.s3":
            return dispatch(event, *args, **kwargs)
        # Targets run inside the dispatch; an S3 event they cause is a notification of its own.
        token = _current.set(None)
        try:
            return dispatch(_as_s3_sends_it(event, *notification), *args, **kwargs)
        finally:
            _current.reset(token)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


def _as_s3_sends_it(event: dict, event_name: str, version_id: str | None) -> dict:
    detail = json.loads(event["Detail"])
    detail.pop("event-version", None)
    described = detail["object"]
    if version_id:
        described["version-id"] = version_id
    if detail.get("deletion-type"):
        described.pop("size", None)
        described.pop("etag", None)
        if event_name.endswith(":DeleteMarkerCreated"):
            described["etag"] = _EMPTY_BODY_MD5
    return {**event, "Detail": json.dumps(detail), "Time": _whole_seconds(event["Time"])}


def _whole_seconds(timestamp):
    if isinstance(timestamp, str) and "." in timestamp:
        return timestamp.partition(".")[0] + "Z"
    return timestamp
