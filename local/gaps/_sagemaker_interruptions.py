"""Rules by which spot instances are taken away from training jobs."""

from __future__ import annotations

import itertools
import re
import threading

_lock = threading.Lock()
_rules: dict[int, dict] = {}
_numbers = itertools.count(1)


class BadRule(ValueError):
    """The rule cannot be kept; the message says why."""


def add(rule: dict) -> dict:
    """Keeps a rule ``{trainingJobNamePrefix, afterCheckpoints | afterSeconds, checkpointKeyPattern?, times?}``."""
    prefix, pattern = rule.get("trainingJobNamePrefix", ""), rule.get("checkpointKeyPattern")
    checkpoints, seconds, times = rule.get("afterCheckpoints"), rule.get("afterSeconds"), rule.get("times", 1)
    if not isinstance(prefix, str):
        raise BadRule(f"trainingJobNamePrefix is {prefix!r}; give a string")
    if (checkpoints is None) == (seconds is None):
        raise BadRule("give either afterCheckpoints (a count) or afterSeconds")
    for name, value, lowest in (("afterCheckpoints", checkpoints, 1), ("afterSeconds", seconds, 0), ("times", times, 1)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < lowest):
            raise BadRule(f"{name} is {value!r}; give a number from {lowest} on")
    try:
        re.compile(pattern or "")
    except (re.error, TypeError) as error:
        raise BadRule(f"checkpointKeyPattern is {pattern!r}; give a regular expression ({error})") from error
    with _lock:
        number = next(_numbers)
        _rules[number] = {"id": number, "trainingJobNamePrefix": prefix, "afterCheckpoints": checkpoints,
                          "afterSeconds": seconds, "checkpointKeyPattern": pattern, "remaining": times}
        return dict(_rules[number])


def rules() -> list[dict]:
    with _lock:
        return [dict(rule) for rule in _rules.values()]


def clear() -> None:
    with _lock:
        _rules.clear()


def take(job_name: str, seconds: float, sync) -> bool:
    """Whether the instance of this job goes now; a rule that says so has been used once."""
    with _lock:
        for rule in _rules.values():
            if rule["remaining"] < 1 or not job_name.startswith(rule["trainingJobNamePrefix"]):
                continue
            if rule["afterSeconds"] is not None:
                due = seconds >= rule["afterSeconds"]
            else:
                due = sync is not None and sync.count(rule["checkpointKeyPattern"]) >= rule["afterCheckpoints"]
            if due:
                rule["remaining"] -= 1
                return True
    return False
