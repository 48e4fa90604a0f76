"""Gap: GetMetricData evaluates expressions, and a metric is the one with exactly the dimensions asked for.

The bare emulator answers "Expressions not implemented", adds up all metrics of a name when none of its dimensions are
named, gives old before new and ignores ScanBy.
"""

from __future__ import annotations

import json

from ministack.services import cloudwatch as cw

from gaps._cloudwatch_series import ExpressionError, period_of, query_series


def _aligned(start: float, period: int) -> float:
    return start // period * period


def _result(query: dict, value, newest_first: bool, times: list) -> list[dict]:
    series = value if isinstance(value, list) else [value]
    results = []
    for at, one in enumerate(series):
        one = one if isinstance(one, dict) else {time: one for time in times}
        order = sorted(one, reverse=newest_first)
        stat = query.get("MetricStat")
        label = query.get("Label") or (stat["Metric"]["MetricName"] if stat else query["Id"])
        results.append({"Id": query["Id"], "Label": label if len(series) == 1 else f"{label} {at + 1}",
                        "Timestamps": [cw._ts_iso(time) for time in order], "Values": [one[time] for time in order],
                        "StatusCode": "Complete"})
    return results


def get_metric_data(request: dict) -> dict:
    """GetMetricData's answer.

    @raises ExpressionError
    """
    queries = request.get("MetricDataQueries") or []
    start, end = cw._parse_ts(request.get("StartTime")), cw._parse_ts(request.get("EndTime"))
    newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    period = period_of(queries)
    start = _aligned(start, period)
    values = query_series(queries, start, end, period)
    times = [start + at * period for at in range(int(max(0, -(-(end - start) // period))))]
    results = []
    for query in queries:
        if query.get("ReturnData", True):
            results.extend(_result(query, values[query["Id"]], newest_first, times))
    return {"MetricDataResults": results, "Messages": []}


def install() -> None:
    for name in ("_get_metric_data", "_metrics", "_dims_key", "_stat_value", "_parse_ts", "_json_ok", "_cbor_ok"):
        if not hasattr(cw, name):
            raise RuntimeError(f"MiniStack's cloudwatch has no {name}: the pinned version changed.")
    bare = cw._get_metric_data

    def answer(params, document, is_cbor, is_json=False):
        if not (is_cbor or is_json):
            return bare(params, document, is_cbor, is_json)
        try:
            result = get_metric_data(document)
        except ExpressionError as error:
            return cw._error("ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor)
        if is_cbor:
            result["MetricDataResults"] = [cw._cbor_metric_data_result(r) for r in result["MetricDataResults"]]
            return cw._cbor_ok(result)
        return cw._json_ok(json.loads(json.dumps(result)))

    cw._get_metric_data = answer
