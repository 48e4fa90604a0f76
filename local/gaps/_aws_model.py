"""Requests checked against the API model that botocore carries, with AWS's own messages."""

from __future__ import annotations

import functools
import re


@functools.cache
def service_model(service: str):
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


class SerializationError(Exception):
    """A JSON value has another type than the API's member."""


_JSON_TYPES = {
    "string": (str, "a String"), "integer": (int, "an Integer"), "long": (int, "a Long"),
    "boolean": (bool, "a Boolean"), "float": ((int, float), "a Float"), "double": ((int, float), "a Double"),
    "structure": (dict, "an Object"), "map": (dict, "a Map"), "list": (list, "a List"),
}
_TOKENS = {str: "STRING_VALUE", bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE", dict: "Start of "
           "structure or map", list: "Start of list"}


def check_request(service: str, operation: str, request: dict) -> str | None:
    """AWS's ValidationException message for the request, or None when it keeps to the model.

    @raises SerializationError when a value has the wrong JSON type.
    """
    shape = service_model(service).operation_model(operation).input_shape
    found = list(_structure(shape, request, ""))
    if not found:
        return None
    errors = "1 validation error" if len(found) == 1 else f"{len(found)} validation errors"
    return f"{errors} detected: {'; '.join(found)}"


def _structure(shape, value: dict, path: str):
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _value(member, value[name], _join(path, name))


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _value(shape, value, path: str):
    _check_type(shape, value, path)
    for constraint in _constraints(shape, value):
        yield f"Value '{_printed(value)}' at '{path}' failed to satisfy constraint: {constraint}"
    if shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        for index, item in enumerate(value, 1):
            yield from _value(shape.member, item, f"{path}.{index}.member")
    elif shape.type_name == "map":
        yield from _map(shape, value, path)


def _map(shape, value: dict, path: str):
    for which, member, items in (("key", shape.key, value.keys()), ("value", shape.value, value.values())):
        for item in items:
            _check_type(member, item, path)
            broken = list(_constraints(member, item))
            if broken:
                yield (f"Value '{_printed(value)}' at '{path}' failed to satisfy constraint: "
                       f"Map {which} must satisfy constraint: [{', '.join(broken)}]")


def _check_type(shape, value, path: str) -> None:
    wanted, name = _JSON_TYPES.get(shape.type_name, (object, ""))
    wrong = not isinstance(value, wanted) or (isinstance(value, bool) and wanted not in (bool, object))
    if wrong:
        raise SerializationError(f"{_TOKENS.get(type(value), 'null')} can not be converted to {name} (at '{path}')")


def _constraints(shape, value):
    limits = shape.metadata
    if shape.type_name in ("integer", "long", "float", "double"):
        if "min" in limits and value < limits["min"]:
            yield f"Member must have value greater than or equal to {limits['min']}"
        if "max" in limits and value > limits["max"]:
            yield f"Member must have value less than or equal to {limits['max']}"
    elif shape.type_name in ("string", "list", "map"):
        if "min" in limits and len(value) < limits["min"]:
            yield f"Member must have length greater than or equal to {limits['min']}"
        if "max" in limits and len(value) > limits["max"]:
            yield f"Member must have length less than or equal to {limits['max']}"
    if shape.type_name == "string":
        if limits.get("enum") and value not in limits["enum"]:
            yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
        if "pattern" in limits and not _matches(limits["pattern"], value):
            yield f"Member must satisfy regular expression pattern: {limits['pattern']}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None  # Java's \\p{...} classes: not checked here


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


def _printed(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_printed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_printed(item) for item in value) + "]"
    return str(value)
