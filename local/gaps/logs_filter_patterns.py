"""Gap: a log filter pattern selects what it says, in FilterLogEvents, subscriptions and metric filters.

On the bare emulator every JSON pattern matches every event, terms ignore case, ``?a ?b`` means both, and a
subscription's pattern is a bag of words.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable

from ministack.services import cloudwatch_logs as logs

Matcher = Callable[[str], bool]
_MISSING = object()
_JSON_TOKEN = re.compile(
    r"""\s*(?:(?P<path>\$(?:\.[\w*@-]+|\[\d+\]|\['[^']+'\])+)|(?P<op>&&|\|\||!=|<=|>=|=|<|>|\(|\))"""
    r"""|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()=<>!&|]+))""")
_TERM = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))')


class PatternError(ValueError):
    """The pattern is not valid, or of a kind that is not covered; says which."""


def matcher(pattern: str | None) -> Matcher:
    """What a filter pattern selects.

    @raises PatternError
    """
    pattern = (pattern or "").strip()
    if pattern in ("", '""'):
        return lambda _message: True
    if pattern.startswith("{") and pattern.endswith("}"):
        return _json_matcher(pattern[1:-1])
    if pattern.startswith(("[", "%")):
        raise PatternError(f"The filter pattern {pattern!r} is neither terms nor JSON: this cloud knows no other.")
    return _term_matcher(pattern)


def _term_matcher(pattern: str) -> Matcher:
    terms = {"": [], "-": [], "?": []}
    for sign, quoted, bare in _TERM.findall(pattern):
        terms[sign].append(re.sub(r"\\(.)", r"\1", quoted) if quoted else bare)

    def matches(message: str) -> bool:
        return (all(term in message for term in terms[""]) and not any(term in message for term in terms["-"])
                and (not terms["?"] or any(term in message for term in terms["?"])))

    return matches


def _json_matcher(text: str) -> Matcher:
    tokens = _Tokens(text)
    condition = _either(tokens)
    if tokens.kind is not None:
        raise PatternError(f"The filter pattern '{{{text}}}' goes on where it should end: {tokens.value!r}.")

    def matches(message: str) -> bool:
        document = json_part(message)
        return document is not None and condition(document)

    return matches


def json_part(message: str) -> dict | None:
    """The JSON object a log event is, or ends with after a runtime's prefix."""
    start = message.find("{")
    if start < 0:
        return None
    try:
        document = json.loads(message[start:])
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


class _Tokens:
    def __init__(self, text: str):
        self.text, self.at = text.strip(), 0
        self.next()

    def next(self) -> str | None:
        """Moves on; the value that was current."""
        before = getattr(self, "value", None)
        match = _JSON_TOKEN.match(self.text, self.at)
        if match is None:
            if self.text[self.at:].strip():
                raise PatternError(f"The filter pattern '{{{self.text}}}' cannot be read at {self.text[self.at:]!r}.")
            self.kind = self.value = None
            return before
        self.at, self.kind = match.end(), match.lastgroup
        self.value = match.group(match.lastgroup)
        return before


def _either(tokens: _Tokens):
    conditions = [_both(tokens)]
    while tokens.value == "||":
        tokens.next()
        conditions.append(_both(tokens))
    return lambda document: any(condition(document) for condition in conditions)


def _both(tokens: _Tokens):
    conditions = [_one(tokens)]
    while tokens.value == "&&":
        tokens.next()
        conditions.append(_one(tokens))
    return lambda document: all(condition(document) for condition in conditions)


def _one(tokens: _Tokens):
    if tokens.value == "(":
        tokens.next()
        condition = _either(tokens)
        if tokens.next() != ")":
            raise PatternError(f"The filter pattern '{{{tokens.text}}}' lacks a closing bracket.")
        return condition
    if tokens.kind != "path":
        raise PatternError(f"The filter pattern '{{{tokens.text}}}' needs a selector ($.field) at {tokens.value!r}.")
    path = tokens.next()
    if tokens.kind == "word":
        return _state(path, tokens)
    operator = tokens.next()
    if operator not in ("=", "!=", "<", "<=", ">", ">="):
        raise PatternError(f"The filter pattern '{{{tokens.text}}}' has no comparison after {path}.")
    quoted, operand = tokens.kind == "text", tokens.next()
    return _comparison(path, operator, operand or "", quoted)


def _state(path: str, tokens: _Tokens):
    words = (tokens.next() or "").upper(), (tokens.next() or "").upper()
    tests = {("IS", "NULL"): lambda value: value is None, ("IS", "TRUE"): lambda value: value is True,
             ("IS", "FALSE"): lambda value: value is False, ("NOT", "EXISTS"): lambda value: value is _MISSING}
    if words not in tests:
        raise PatternError(f"The filter pattern '{{{tokens.text}}}': {' '.join(words)} is unknown.")
    return lambda document: tests[words](select(document, path))


def select(document, path: str):
    """The value at a selector such as ``$.a.b[0]``; ``_MISSING`` where there is none."""
    value = document
    for name, index, quoted in re.findall(r"\.([\w@-]+)|\[(\d+)\]|\['([^']+)'\]", path):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else _MISSING
        else:
            value = value.get(name or quoted, _MISSING) if isinstance(value, dict) else _MISSING
        if value is _MISSING:
            return _MISSING
    return value


def _comparison(path: str, operator: str, operand: str, quoted: bool):
    try:
        number = None if quoted else float(operand)
    except ValueError:
        number = None

    def holds(document) -> bool:
        value = select(document, path)
        if value is _MISSING or isinstance(value, (dict, list)):
            return False
        if number is None:
            equal = fnmatch.fnmatchcase(str(value), operand.replace("[", "[[]"))
            return equal if operator == "=" else not equal if operator == "!=" else False
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return {"=": value == number, "!=": value != number, "<": value < number, "<=": value <= number,
                ">": value > number, ">=": value >= number}[operator]

    return holds


def install() -> None:
    for name in ("_compile_filter_pattern", "_subscription_pattern_matches", "_put_metric_filter", "_put_subscription_filter"):
        if not hasattr(logs, name):
            raise RuntimeError(f"MiniStack's cloudwatch_logs has no {name}: the pinned version changed.")

    def checked(put):
        def checked_put(data):
            try:
                matcher(data.get("filterPattern"))
            except PatternError as error:
                return logs.error_response_json("InvalidParameterException", str(error), 400)
            return put(data)

        return checked_put

    logs._compile_filter_pattern = matcher
    logs._subscription_pattern_matches = lambda pattern, message: matcher(pattern)(message or "")
    logs._put_metric_filter = checked(logs._put_metric_filter)
    logs._put_subscription_filter = checked(logs._put_subscription_filter)
