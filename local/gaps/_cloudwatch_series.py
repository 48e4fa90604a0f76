"""Time series of the emulator's metrics, and metric math over them.

A series is a dict from the start of a period (epoch seconds) to a value; periods without data are absent.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import statistics
from collections import defaultdict

from ministack.services import cloudwatch as cw

Series = dict


class ExpressionError(Exception):
    """A metric math expression that CloudWatch does not accept, or that is not covered here; says which part."""


def metric_series(namespace: str, name: str, dimensions: dict, statistic: str, period: int,
                  start: float, end: float, unit: str | None = None) -> Series:
    """The metric with exactly these dimensions: periods aligned to ``start``, from ``start`` to before ``end``."""
    points = cw._metrics.get((namespace, name, cw._dims_key(dimensions))) or ()
    buckets = defaultdict(list)
    for point in list(points):
        if start <= point["Timestamp"] < end and (not unit or point.get("Unit") == unit):
            buckets[start + (point["Timestamp"] - start) // period * period].append(point)
    series = {}
    for at in sorted(buckets):
        value = cw._stat_value(cw._calc_stats(buckets[at]), statistic, buckets[at])
        if value is not None:
            series[at] = value
    return series


def query_series(queries: list[dict], start: float, end: float, step: int | None = None) -> dict[str, Series | float]:
    """The value of every query of a GetMetricData request or of an alarm's ``Metrics``, by its Id."""
    by_id = {query["Id"]: query for query in queries}
    results: dict[str, Series | float] = {}

    def value(name: str):
        if name not in results:
            query = by_id.get(name)
            if query is None:
                raise ExpressionError(f"Error in expression: {name} is no Id of this request.")
            results[name] = _query(query, start, end, value, by_id, step)
        return results[name]

    for name in by_id:
        value(name)
    return results


def period_of(queries: list[dict]) -> int:
    """The longest period of the queries, in seconds."""
    return max([int(q["MetricStat"]["Period"]) for q in queries if q.get("MetricStat")]
               + [int(q["Period"]) for q in queries if q.get("Period")], default=60)


def _query(query: dict, start: float, end: float, value, by_id: dict, step: int | None):
    if query.get("Expression"):
        return evaluate(query["Expression"], value, by_id, Grid(start, end, step or period_of(list(by_id.values()))))
    stat = query["MetricStat"]
    metric = stat["Metric"]
    dimensions = cw._dims_from_list(metric.get("Dimensions") or [])
    return metric_series(metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"], int(stat["Period"]),
                         start, end, stat.get("Unit"))


class Grid:
    """The periods an expression is evaluated on."""

    def __init__(self, start: float, end: float, period: int):
        self.period = period
        self.times = [start + at * period for at in range(max(0, math.ceil((end - start) / period)))]


_SPELLING = ((re.compile(r"&&|\bAND\b"), " and "), (re.compile(r"\|\||\bOR\b"), " or "), (re.compile(r"\^"), "**"),
             (re.compile(r"\bNOT\b"), " not "), (re.compile(r"\bIF\("), "IF_("))
_BINARY = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: operator.pow,
           ast.Div: lambda a, b: a / b if b else None}
_COMPARE = {ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq,
            ast.NotEq: operator.ne}


def evaluate(expression: str, value, by_id: dict, grid: Grid):
    """A series or a number. ``value(id)`` gives the value of another query.

    @raises ExpressionError
    """
    text = expression
    for pattern, spelling in _SPELLING:
        text = pattern.sub(spelling, text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"Error in expression '{expression}': {error.msg}") from error
    return _Evaluation(value, by_id, grid).of(tree)


class _Evaluation:
    def __init__(self, value, by_id: dict, grid: Grid):
        self.value, self.by_id, self.grid = value, by_id, grid

    def of(self, node):
        if isinstance(node, ast.Constant):
            return float(node.value) if isinstance(node.value, (int, float)) else node.value
        if isinstance(node, ast.Name):
            return node.id if node.id in ("REPEAT", "LINEAR") else self.value(node.id)
        if isinstance(node, ast.List):
            return [self.of(item) for item in node.elts]
        if isinstance(node, ast.UnaryOp):
            change = operator.neg if isinstance(node.op, ast.USub) else lambda a: float(not a)
            return _each(change, self.of(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _pairwise(_BINARY[type(node.op)], self.of(node.left), self.of(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            compare = _COMPARE[type(node.ops[0])]
            return _pairwise(lambda a, b: float(compare(a, b)), self.of(node.left), self.of(node.comparators[0]))
        if isinstance(node, ast.BoolOp):
            both = isinstance(node.op, ast.And)
            result = self.of(node.values[0])
            for other in node.values[1:]:
                result = _pairwise(lambda a, b: float((a and b) if both else (a or b)) and 1.0, result, self.of(other))
            return result
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.call(node.func.id, node.args)
        raise ExpressionError(f"Error in expression: '{ast.unparse(node)}' is not supported.")

    def call(self, name: str, nodes: list):
        function = getattr(self, f"_{name.lower().strip('_')}", None)
        if function is None:
            raise ExpressionError(f"Error in expression: the function {name} is not supported.")
        return function(*[self.of(node) for node in nodes])

    def _metrics(self, part: str = ""):
        return [self.value(name) for name, query in self.by_id.items()
                if query.get("MetricStat") and part in query["MetricStat"]["Metric"]["MetricName"]]

    def _if(self, condition, then, otherwise=None):
        out = {}
        for at in _times(condition, then, otherwise) or self.grid.times:
            holds = _at(condition, at)
            chosen = None if holds is None else _at(then if holds else otherwise, at)
            if chosen is not None:
                out[at] = chosen
        return out

    def _fill(self, series, filling):
        if isinstance(series, list):
            return [self._fill(one, filling) for one in series]
        out, last = {}, None
        for at in self.grid.times:
            last = series.get(at, last)
            chosen = series.get(at, _at(filling, at) if filling not in ("REPEAT", "LINEAR") else last)
            if chosen is not None:
                out[at] = chosen
        return out

    def _sum(self, series):
        return _aggregate(series, math.fsum)

    def _avg(self, series):
        return _aggregate(series, statistics.fmean)

    def _min(self, *series):
        return _aggregate(_listed(series), min)

    def _max(self, *series):
        return _aggregate(_listed(series), max)

    def _stddev(self, series):
        return _aggregate(series, statistics.pstdev)

    def _datapoint_count(self, series):
        return _aggregate(series, lambda values: float(len(values)))

    def _metric_count(self, series):
        return float(len(series)) if isinstance(series, list) else 1.0

    def _abs(self, series):
        return _each(abs, series)

    def _ceil(self, series):
        return _each(lambda a: float(math.ceil(a)), series)

    def _floor(self, series):
        return _each(lambda a: float(math.floor(a)), series)

    def _log(self, series):
        return _each(lambda a: math.log(a) if a > 0 else None, series)

    def _log10(self, series):
        return _each(lambda a: math.log10(a) if a > 0 else None, series)

    def _period(self, _series):
        return float(self.grid.period)

    def _time_series(self, number):
        return {at: number for at in self.grid.times}

    def _diff(self, series):
        times = sorted(series)
        return {at: series[at] - series[before] for before, at in zip(times, times[1:])}

    def _rate(self, series):
        times = sorted(series)
        return {at: (series[at] - series[before]) / (at - before) for before, at in zip(times, times[1:])}

    def _running_sum(self, series):
        total, out = 0.0, {}
        for at in sorted(series):
            total += series[at]
            out[at] = total
        return out


def _listed(arguments: tuple):
    return arguments[0] if len(arguments) == 1 else list(arguments)


def _times(*values) -> list:
    """Periods that every series among the values has."""
    every = [set(value) for value in values if isinstance(value, dict)]
    return sorted(set.union(*every)) if every else []


def _at(value, at: float):
    return value.get(at) if isinstance(value, dict) else value


def _each(change, value):
    if isinstance(value, list):
        return [_each(change, one) for one in value]
    if not isinstance(value, dict):
        return change(value)
    changed = {at: change(number) for at, number in value.items()}
    return {at: number for at, number in changed.items() if number is not None}


def _pairwise(combine, left, right):
    if isinstance(left, list):
        return [_pairwise(combine, one, right) for one in left]
    if isinstance(right, list):
        return [_pairwise(combine, left, one) for one in right]
    if not isinstance(left, dict) and not isinstance(right, dict):
        return combine(left, right)
    out = {}
    for at in _times(left, right):
        one, other = _at(left, at), _at(right, at)
        combined = None if one is None or other is None else combine(one, other)
        if combined is not None:
            out[at] = combined
    return out


def _aggregate(value, combine):
    """One series per period over several; one number over a single series."""
    if isinstance(value, list):
        out = {}
        for at in _times(*value):
            present = [number for number in (_at(one, at) for one in value) if number is not None]
            if present:
                out[at] = combine(present)
        return out
    return combine(list(value.values())) if value else 0.0
