"""Gap: log events become metrics, by metric filters and by the embedded metric format.

The bare emulator stores metric filters and looks at no event.
"""

from __future__ import annotations

import logging
import time

from ministack.services import cloudwatch as cw
from ministack.services import cloudwatch_logs as logs

from gaps.logs_filter_patterns import _MISSING, json_part, matcher, select

_logger = logging.getLogger("logs")


def _number(value) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _store(namespace: str, name: str, dimensions: dict, at: float, unit: str, values: list[float]) -> None:
    cw._store_datum(namespace, name, dimensions, at, unit, None, values, None, None)


def _embedded(document: dict, at: float) -> None:
    """The metrics that an event in the embedded metric format carries; a malformed one carries none, as on AWS."""
    envelope = document.get("_aws")
    if not isinstance(envelope, dict):
        return
    at = (_number(envelope.get("Timestamp")) or at * 1000) / 1000
    for directive in envelope.get("CloudWatchMetrics") or []:
        for names in directive.get("Dimensions") or [[]]:
            if any(not isinstance(document.get(name), str) for name in names):
                continue
            dimensions = {name: document[name] for name in names}
            for metric in directive.get("Metrics") or []:
                values = document.get(metric["Name"])
                numbers = [_number(value) for value in (values if isinstance(values, list) else [values])]
                if numbers and None not in numbers:
                    _store(directive["Namespace"], metric["Name"], dimensions, at, metric.get("Unit", "None"), numbers)


def _filtered(metric_filter: dict, message: str, document: dict | None, at: float) -> None:
    matched = matcher(metric_filter.get("filterPattern"))(message)
    for change in metric_filter.get("metricTransformations") or []:
        value = change.get("defaultValue")
        dimensions = {}
        if matched:
            value = _transformed(change["metricValue"], document)
            dimensions = {key: _transformed(path, document, text=True)
                          for key, path in (change.get("dimensions") or {}).items()}
        if value is None or None in dimensions.values():
            continue
        _store(change["metricNamespace"], change["metricName"], dimensions, at, change.get("unit", "None"), [float(value)])


def _transformed(value, document: dict | None, text: bool = False):
    if not isinstance(value, str) or not value.startswith("$"):
        return value if text else _number(value)
    found = select(document, value) if document is not None else _MISSING
    if found is _MISSING:
        return None
    return str(found) if text else _number(found)


def take(group: str, events: list[dict]) -> None:
    """Turns the events of a log group into metrics."""
    filters = [one for (name, _), one in logs._metric_filters.items() if name == group]
    for event in events:
        message = event.get("message") or ""
        document = json_part(message) if filters or '"_aws"' in message else None
        at = event.get("timestamp", time.time() * 1000) / 1000
        if document is not None and "_aws" in document:
            _embedded(document, at)
        for one in filters:
            _filtered(one, message, document, at)


def install() -> None:
    if not hasattr(logs, "_fanout_to_subscription_filters") or not hasattr(cw, "_store_datum"):
        raise RuntimeError("MiniStack's logs changed: there is no place where every event passes.")
    forward = logs._fanout_to_subscription_filters

    def metrics_and_forward(group_name, stream_name, events):
        try:
            take(group_name, events)
        except Exception:
            _logger.exception("metrics of %s", group_name)
        forward(group_name, stream_name, events)

    logs._fanout_to_subscription_filters = metrics_and_forward
