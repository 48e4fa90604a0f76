"""Gap: alarms are evaluated as time goes by, as CloudWatch evaluates them.

The bare emulator evaluates an alarm only inside PutMetricData, over everything of that metric's name: no dimensions,
no M out of N, no missing data, no metric math. A change of state sends no event, and its notification lacks most of
what AWS's has; CloudFormation knows no composite alarm and refuses metric math.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from datetime import datetime, timezone

from ministack.core import responses
from ministack.services import cloudwatch as cw
from ministack.services.cloudformation import provisioners

from gaps._cloudwatch_alarm_messages import act, stamp
from gaps._cloudwatch_series import ExpressionError, evaluate, metric_series, period_of, query_series

_TICK_SECONDS = 1.0
# A period is looked at this long after its end, so that what was measured in it has arrived.
_SETTLE_SECONDS = 2.0
# How far back CloudWatch looks for real data points when recent ones are missing, beyond the evaluation periods.
_EXTRA_PERIODS = 2
_WORDS = {
    "GreaterThanThreshold": ("greater than", lambda value, threshold: value > threshold),
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", lambda value, threshold: value >= threshold),
    "LessThanThreshold": ("less than", lambda value, threshold: value < threshold),
    "LessThanOrEqualToThreshold": ("less than or equal to", lambda value, threshold: value <= threshold),
}
_logger = logging.getLogger("cloudwatch")
# When each alarm, in which configuration, was evaluated last.
_evaluated: dict[str, tuple] = {}


def state_after(datapoints: list[bool | None], alarm: dict) -> str:
    """The state by AWS's rules for missing data.

    ``datapoints``: the evaluation range, oldest first; True breaches, False does not, None is missing.
    """
    periods = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm") or periods
    treat = alarm.get("TreatMissingData") or "missing"
    newest_first = [(age, breach) for age, breach in enumerate(reversed(datapoints), 1) if breach is not None]
    real = [breach for _, breach in newest_first][:periods]
    breaching = sum(real)
    missing = periods - len(real)
    if missing == 0 or treat == "notBreaching" or breaching >= needed:
        return "ALARM" if breaching >= needed else "OK"
    if treat == "breaching":
        return "ALARM" if breaching + missing >= needed else "OK"
    if not real:
        return alarm["StateValue"] if treat == "ignore" else "INSUFFICIENT_DATA"
    if breaching < len(real):
        return "OK"
    # All that is there breaches, but it is less than needed.
    if treat == "missing" and newest_first[-1][0] >= needed:
        return "ALARM"
    return alarm["StateValue"]


def _step(period: int) -> int:
    """High-resolution alarms are evaluated every 10 s, others every minute."""
    return 10 if period < 60 else 60


def _series(alarm: dict, start: float, end: float, period: int) -> dict:
    if alarm.get("Metrics"):
        queries = alarm["Metrics"]
        watched = next((q for q in queries if q.get("ReturnData", True)), queries[0])
        value = query_series(queries, start, end, period)[watched["Id"]]
        if isinstance(value, list):
            value = value[0] if value else {}
        return value if isinstance(value, dict) else {start + at * period: value
                                                      for at in range(round((end - start) / period))}
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    dimensions = cw._dims_from_list(alarm.get("Dimensions") or [])
    return metric_series(alarm["Namespace"], alarm["MetricName"], dimensions, statistic, period, start, end,
                         alarm.get("Unit"))


def _period(alarm: dict) -> int:
    return period_of(alarm["Metrics"]) if alarm.get("Metrics") else int(alarm.get("Period") or 60)


def evaluate_alarm(alarm: dict, now: float) -> None:
    """Evaluates one metric alarm once per step of the clock; changes its state where the data say so."""
    period = _period(alarm)
    end = (now - _SETTLE_SECONDS) // _step(period) * _step(period)
    if _evaluated.get(alarm["AlarmArn"]) == (end, alarm["AlarmConfigurationUpdatedTimestamp"]):
        return
    _evaluated[alarm["AlarmArn"]] = (end, alarm["AlarmConfigurationUpdatedTimestamp"])
    length = alarm["EvaluationPeriods"] + _EXTRA_PERIODS
    start = end - length * period
    series = _series(alarm, start, end, period)
    times = [start + at * period for at in range(length)]
    _, breaches = _WORDS[alarm["ComparisonOperator"]]
    threshold = float(alarm["Threshold"])
    datapoints = [None if at not in series else breaches(series[at], threshold) for at in times]
    state = state_after(datapoints, alarm)
    if state == alarm["StateValue"]:
        return
    recent = [(at, series[at]) for at in times if at in series][-alarm["EvaluationPeriods"]:]
    _change(alarm, state, _reason(alarm, state, recent), _reason_data(alarm, recent, now, period))


def _reason(alarm: dict, state: str, recent: list) -> str:
    periods = alarm["EvaluationPeriods"]
    some = f"{periods} period{'s' if periods > 1 else ''}"
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {some} of data was missing."
    if not recent:
        kind = "Breaching" if state == "ALARM" else "NonBreaching"
        return f"Threshold Crossed: no datapoints were received for {some} and missing datapoints were treated as [{kind}]."
    words, breaches = _WORDS[alarm["ComparisonOperator"]]
    threshold = float(alarm["Threshold"])
    told = [(at, value) for at, value in reversed(recent) if breaches(value, threshold) == (state == "ALARM")]
    shown = ", ".join(f"{value} ({datetime.fromtimestamp(at, timezone.utc):%d/%m/%y %H:%M:%S})" for at, value in told[:3])
    few = f"{len(told)} datapoint{'s' if len(told) != 1 else ''}"
    was = ("was" if len(told) == 1 else "were") + ("" if state == "ALARM" else " not")
    return f"Threshold Crossed: {few} [{shown}] {was} {words} the threshold ({threshold})."


def _reason_data(alarm: dict, recent: list, now: float, period: int) -> str:
    data = {"version": "1.0", "queryDate": stamp(now), "period": period, "threshold": float(alarm["Threshold"]),
            "recentDatapoints": [value for _, value in recent],
            "evaluatedDatapoints": [{"timestamp": stamp(at), "value": value} for at, value in reversed(recent)]}
    if recent:
        data["startDate"] = stamp(recent[0][0])
    if not alarm.get("Metrics"):
        data["statistic"] = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    return json.dumps(data)


def _change(alarm: dict, state: str, reason: str, reason_data: str) -> None:
    old, now = alarm["StateValue"], time.time()
    alarm.update(StateValue=state, StateReason=reason, StateReasonData=reason_data, StateUpdatedTimestamp=int(now),
                 StateTransitionedTimestamp=int(now))
    cw._record_history(alarm["AlarmName"], old, state, reason, "MetricAlarm", json.loads(reason_data))
    cw._dispatch_alarm_actions(alarm, old, state, reason)
    cw._evaluate_parent_alarms(alarm)


def _evaluate_scope(account: str, region: str) -> None:
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    now = time.time()
    for alarm in list(cw._alarms.values()):
        try:
            evaluate_alarm(alarm, now)
        except Exception:
            _logger.exception("alarm %s", alarm.get("AlarmName"))


def _evaluate_forever() -> None:
    while True:
        time.sleep(_TICK_SECONDS)
        for account, region in {key[:2] for key in list(cw._alarms._data)}:
            contextvars.copy_context().run(_evaluate_scope, account, region)


def _validated(document: dict) -> str | None:
    """What is wrong with an alarm's expression, if anything."""
    for query in document.get("Metrics") or []:
        if query.get("Expression"):
            try:
                evaluate(query["Expression"], lambda _name: {}, {}, _NoTime())
            except ExpressionError as error:
                return str(error)
    return None


class _NoTime:
    period, times = 60, ()


def _put_metric_alarm(bare):
    def put(params, document, is_cbor, is_json=False):
        wrong = _validated(document)
        if wrong:
            return cw._error("ValidationError", wrong, 400, use_json=is_json, use_cbor=is_cbor)
        answer = bare(params, document, is_cbor, is_json)
        if answer[0] < 400 and document.get("Metrics"):
            cw._alarms[document["AlarmName"]]["Metrics"] = document["Metrics"]
        return answer

    return put


def _stack_record(bare):
    """Alarms of a template, with metric math where they have it."""

    def record(name, properties):
        metrics = properties.get("Metrics")
        if not metrics:
            return bare(name, properties)
        wrong = _validated(properties)
        if wrong:
            raise ValueError(wrong)
        alarm = bare(name, {**properties, "Metrics": None, "MetricName": "-", "Namespace": "-"})
        alarm.update(Metrics=_plain(metrics), MetricName=None, Namespace=None, Period=None, Statistic=None)
        return alarm

    return record


def _plain(value):
    """Templates may write numbers and booleans as strings."""
    if isinstance(value, dict):
        return {key: item in (True, "true") if key == "ReturnData" else int(item) if key == "Period" else _plain(item)
                for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _composite_create(logical_id, properties, stack_name):
    name = properties.get("AlarmName") or provisioners._physical_name(stack_name, logical_id, max_len=255)
    answer = cw._put_composite_alarm({}, {**properties, "AlarmName": name}, False, True)
    if answer[0] >= 400:
        raise ValueError(f"AWS::CloudWatch::CompositeAlarm {name}: {answer[2]!r}")
    return name, {"Arn": cw._composite_alarms[name]["AlarmArn"]}


def _composite_update(physical_id, _old, properties, stack_name):
    return _composite_create(physical_id, {**properties, "AlarmName": physical_id}, stack_name)


def _composite_delete(physical_id, _properties):
    cw._composite_alarms.pop(physical_id, None)


def install() -> None:
    for module, names in (
        (cw, ("_evaluate_alarm", "_evaluate_all_alarms", "_dispatch_alarm_actions", "_put_metric_alarm", "_record_history",
              "_put_composite_alarm", "_evaluate_parent_alarms", "_dims_key", "_dims_from_list", "_stat_value")),
        (provisioners, ("_cw_metric_alarm_record", "_RESOURCE_HANDLERS", "_physical_name")),
    ):
        for name in names:
            if not hasattr(module, name):
                raise RuntimeError(f"MiniStack's {module.__name__} has no {name}: the pinned version changed.")
    cw._evaluate_all_alarms = lambda: None
    cw._evaluate_alarm = lambda _alarm: None
    cw._dispatch_alarm_actions = act
    cw._put_metric_alarm = _put_metric_alarm(cw._put_metric_alarm)
    provisioners._cw_metric_alarm_record = _stack_record(provisioners._cw_metric_alarm_record)
    provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::CompositeAlarm"] = {
        "create": _composite_create, "update": _composite_update, "delete": _composite_delete}
    threading.Thread(target=_evaluate_forever, name="alarms", daemon=True).start()
