"""Gap: a reference path that leads nowhere is an error, not a null.

On the bare emulator a misspelt path in Parameters, ResultSelector, InputPath, a Choice or an intrinsic function passes
null on; ``IsPresent`` is false for a present null; ``States.Format`` writes ``True`` for true; half of the Choice
operators that end in ``Path`` are unknown and match nothing.
"""

from __future__ import annotations

import json

from ministack.services import stepfunctions as sfn

_MISSING = object()


def lookup(path: str, data):
    """The value at a path of the state's data, or ``_MISSING``."""
    if path == "$":
        return data
    tokens = sfn._parse_jsonpath_tokens(path)
    if tokens is None:
        raise sfn._ExecutionError("States.Runtime", f"The JSONPath '{path}' is not supported.")
    values, many = [data], False
    for kind, key in tokens:
        many = many or kind == "wildcard"
        values = [found for value in values for found in _step(kind, key, value)]
    if many:
        return values
    return values[0] if values else _MISSING


def _step(kind: str, key, value) -> list:
    if kind == "field":
        return [value[key]] if isinstance(value, dict) and key in value else []
    if kind == "index":
        return [value[key]] if isinstance(value, list) and -len(value) <= key < len(value) else []
    return list(value) if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []


def resolve(path: str, data, ctx, field: str):
    """The value at a path of the data (``$.``) or of the context object (``$$.``).

    @raises _ExecutionError States.Runtime when there is none.
    """
    from_context = path.startswith("$$")
    found = lookup(path[1:], ctx or {}) if from_context else lookup(path, data)
    if found is _MISSING:
        source = "context object" if from_context else f"input '{json.dumps(data)}'"
        raise sfn._ExecutionError(
            "States.Runtime",
            f"The JSONPath '{path}' specified for the field '{field}' could not be found in the {source}")
    return found


def _resolve_params(template, data, ctx=None):
    if isinstance(template, list):
        return [_resolve_params(value, data, ctx) for value in template]
    if not isinstance(template, dict):
        return template
    result = {}
    for key, value in template.items():
        if not key.endswith(".$"):
            result[key] = _resolve_params(value, data, ctx)
        elif isinstance(value, str) and value.startswith("States."):
            result[key[:-2]] = sfn._evaluate_intrinsic(value, data, ctx)
        elif isinstance(value, str) and value.startswith("$"):
            result[key[:-2]] = resolve(value, data, ctx, key)
        else:
            raise sfn._ExecutionError("States.Runtime", f"The value for the field '{key}' must be a valid JSONPath")
    return result


def _format(template: str, values: list) -> str:
    """States.Format: ``{}`` takes the next value; a backslash takes the next character as it is."""
    out, rest, at = [], list(values), 0
    while at < len(template):
        if template[at] == "\\" and at + 1 < len(template):
            out.append(template[at + 1])
            at += 2
        elif template.startswith("{}", at):
            if not rest:
                raise sfn._ExecutionError("States.IntrinsicFailure", "States.Format has more '{}' than arguments.")
            value = rest.pop(0)
            out.append(value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))
            at += 2
        else:
            out.append(template[at])
            at += 1
    return "".join(out)


def install() -> None:
    names = ("_resolve_params_obj", "_exec_intrinsic", "_eval_intrinsic_arg", "_evaluate_rule", "_apply_input_path",
             "_apply_output_path", "_parse_jsonpath_tokens", "_is_num")
    for name in names:
        if not hasattr(sfn, name):
            raise RuntimeError(f"MiniStack's stepfunctions has no {name}: the pinned version changed.")
    evaluate_arg, execute_intrinsic, evaluate_rule = sfn._eval_intrinsic_arg, sfn._exec_intrinsic, sfn._evaluate_rule

    def intrinsic_arg(arg, data, ctx):
        if arg[0] == "path":
            return resolve(arg[1], data, ctx, "intrinsic function")
        return evaluate_arg(arg, data, ctx)

    def intrinsic(node, data, ctx):
        try:
            if node[1] == "States.Format":
                values = [intrinsic_arg(arg, data, ctx) for arg in node[2]]
                return _format(values[0], values[1:])
            return execute_intrinsic(node, data, ctx)
        except sfn._ExecutionError:
            raise
        except Exception as error:
            raise sfn._ExecutionError("States.IntrinsicFailure", f"{node[1]}: {error}") from error

    def rule_holds(rule, data, ctx=None):
        variable = rule.get("Variable")
        if not variable:
            return evaluate_rule(rule, data, ctx)
        if "IsPresent" in rule:
            found = lookup(variable[1:], ctx or {}) if variable.startswith("$$") else lookup(variable, data)
            return (found is not _MISSING) == rule["IsPresent"]
        value = resolve(variable, data, ctx, "Variable")
        if "IsNumeric" in rule:
            return sfn._is_num(value) == rule["IsNumeric"]
        if "BooleanEquals" in rule:
            return value is rule["BooleanEquals"]
        plain = {}
        for operator, operand in rule.items():
            if operator.endswith("Path"):
                plain[operator.removesuffix("Path")] = resolve(operand, data, ctx, operator)
            else:
                plain[operator] = operand
        return evaluate_rule(plain, data, ctx)

    def path_field(field):
        def apply(state, data, ctx=None):
            path = state.get(field, "$")
            return {} if path is None else resolve(path, data, ctx, field)
        return apply

    sfn._resolve_params_obj = _resolve_params
    sfn._eval_intrinsic_arg = intrinsic_arg
    sfn._exec_intrinsic = intrinsic
    sfn._evaluate_rule = rule_holds
    sfn._apply_input_path = path_field("InputPath")
    sfn._apply_output_path = path_field("OutputPath")
