"""What CloudWatch sends when an alarm changes its state: the event, the notification, the call of a function."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import datetime, timezone

from ministack.core import responses
from ministack.services import cloudwatch as cw

# The present state of each alarm, by ARN, in the event's shape: the previous one of its next event.
_states: dict[str, dict] = {}


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _metric(query: dict) -> dict:
    if query.get("Expression"):
        shape = {"expression": query["Expression"]}
    else:
        stat = query["MetricStat"]
        shape = {"metricStat": {
            "metric": {"namespace": stat["Metric"]["Namespace"], "name": stat["Metric"]["MetricName"],
                       "dimensions": cw._dims_from_list(stat["Metric"].get("Dimensions") or [])},
            "period": int(stat["Period"]), "stat": stat["Stat"]}}
    label = {"label": query["Label"]} if query.get("Label") else {}
    return {"id": query["Id"], **shape, **label, "returnData": query.get("ReturnData", True)}


def configuration(alarm: dict) -> dict:
    """``detail.configuration`` of the event."""
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return {"alarmRule": alarm["AlarmRule"], **described}
    if alarm.get("Metrics"):
        return {"metrics": [_metric(query) for query in alarm["Metrics"]], **described}
    dimensions = cw._dims_from_list(alarm.get("Dimensions") or [])
    stat = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    metric = {"namespace": alarm["Namespace"], "name": alarm["MetricName"], "dimensions": dimensions}
    identifier = hashlib.md5(alarm["AlarmArn"].encode()).hexdigest()
    return {"metrics": [{"id": identifier, "returnData": True,
                         "metricStat": {"metric": metric, "period": int(alarm["Period"]), "stat": stat}}], **described}


def _send_event(alarm: dict, old: str, state: str, reason: str) -> None:
    from ministack.services import eventbridge

    arn = alarm["AlarmArn"]
    present = {"value": state, "reason": reason, "timestamp": stamp(time.time())}
    if alarm.get("StateReasonData"):
        present["reasonData"] = alarm["StateReasonData"]
    previous = _states.get(arn) or {"value": old, "reason": "Unchecked: Initial alarm creation",
                                     "timestamp": stamp(alarm["AlarmConfigurationUpdatedTimestamp"])}
    _states[arn] = present
    detail = {"alarmName": alarm["AlarmName"], "state": present, "previousState": previous,
              "configuration": configuration(alarm)}
    eventbridge._put_events({"Entries": [{
        "Source": "aws.cloudwatch", "DetailType": "CloudWatch Alarm State Change", "Detail": json.dumps(detail),
        "Resources": [arn]}]}, allow_aws_source=True)


def _trigger(alarm: dict) -> dict:
    shared = {"Period": alarm.get("Period"), "EvaluationPeriods": alarm["EvaluationPeriods"],
              "DatapointsToAlarm": alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"],
              "ComparisonOperator": alarm["ComparisonOperator"], "Threshold": alarm["Threshold"],
              "TreatMissingData": alarm.get("TreatMissingData") or "missing", "EvaluateLowSampleCountPercentile": ""}
    if alarm.get("Metrics"):
        return {"Metrics": alarm["Metrics"], **shared}
    extended = alarm.get("ExtendedStatistic")
    return {"MetricName": alarm["MetricName"], "Namespace": alarm["Namespace"],
            "StatisticType": "ExtendedStatistic" if extended else "Statistic",
            ("ExtendedStatistic" if extended else "Statistic"): extended or str(alarm["Statistic"]).upper(),
            "Unit": alarm.get("Unit"),
            "Dimensions": [{"value": d["Value"], "name": d["Name"]} for d in alarm.get("Dimensions") or []], **shared}


def _notification(alarm: dict, old: str, state: str, reason: str) -> dict:
    message = {
        "AlarmName": alarm["AlarmName"], "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": responses.get_account_id(),
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": state, "NewStateReason": reason, "StateChangeTime": stamp(time.time()),
        "Region": "US East (N. Virginia)" if responses.get_region() == "us-east-1" else responses.get_region(),
        "AlarmArn": alarm["AlarmArn"], "OldStateValue": old,
        **{key: alarm.get(key) or [] for key in ("OKActions", "AlarmActions", "InsufficientDataActions")},
    }
    if "AlarmRule" in alarm:
        return {**message, "AlarmRule": alarm["AlarmRule"]}
    return {**message, "Trigger": _trigger(alarm)}


def act(alarm: dict, old: str, state: str, reason: str) -> None:
    """Replaces ``cloudwatch._dispatch_alarm_actions``: the event always, the actions where they are enabled."""
    from ministack.services import lambda_svc, sns

    _send_event(alarm, old, state, reason)
    field = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}[state]
    if not alarm.get("ActionsEnabled", True):
        return
    subject = f'{state}: "{alarm["AlarmName"]}" in US East (N. Virginia)'[:100]
    for action in alarm.get(field) or []:
        if ":sns:" in action:
            sns._fanout(action, responses.new_uuid(), json.dumps(_notification(alarm, old, state, reason)), subject)
        elif ":lambda:" in action:
            function, config, _ = lambda_svc._get_func_record_for_ref(action)
            if function:
                event = {"source": "aws.cloudwatch", "alarmArn": alarm["AlarmArn"],
                         "accountId": responses.get_account_id(), "time": stamp(time.time()),
                         "region": responses.get_region(),
                         "alarmData": {"alarmName": alarm["AlarmName"], "state": _states[alarm["AlarmArn"]],
                                       "configuration": configuration(alarm)}}
                lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), event)
