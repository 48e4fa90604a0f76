"""Gap: a policy can say of which source and type the events are that somebody puts. The bare emulator knows neither key.

Where the entries of one call differ, AWS looks at each; here such a call has no such key, and a condition on it refuses it.
"""

import json

from ministack.core import iam_actions

_KEYS = {"events:source": "Source", "events:detail-type": "DetailType"}


def _entries(body: bytes) -> list:
    try:
        entries = json.loads(body or b"{}").get("Entries")
    except (AttributeError, ValueError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def install() -> None:
    """Wrap `iam_actions.request_tag_context`, which gives a request's own keys."""
    if not callable(getattr(iam_actions, "request_tag_context", None)):
        raise RuntimeError("MiniStack's iam_actions has no request_tag_context: the pinned version changed.")
    given = iam_actions.request_tag_context

    def with_event_keys(service, iam_action, body, *rest):
        context = given(service, iam_action, body, *rest)
        if iam_action != "events:PutEvents":
            return context
        for key, field in _KEYS.items():
            values = {entry.get(field) for entry in _entries(body)}
            if len(values) == 1 and isinstance(value := values.pop(), str):
                context = {**context, key: value}
        return context

    iam_actions.request_tag_context = with_event_keys
