"""Checks CreateTrainingJob requests, a JSON list on standard input, against SageMaker's own API description.

Prints a JSON list of problems per request. botocore's validator leaves patterns, enumerations and upper bounds
to the service, so they are checked here.
"""

import json
import re
import sys

import botocore.session
from botocore.validate import ParamValidator

LENGTHS = {"string": "letters", "list": "items", "map": "entries"}


def pythons(pattern):
    """Java's classes of letters, digits and spaces in Python's words."""
    return re.sub(r"\\p\{([LNZ])\}", lambda found: r"\s" if found[1] == "Z" else r"\w", pattern)


def problems(shape, value, path):
    """What the API description does not allow about a value that is of its type."""
    about = shape.metadata
    kind = shape.type_name
    size = len(value) if kind in LENGTHS else value if kind in ("integer", "long") else None
    if size is not None and not about.get("min", size) <= size <= about.get("max", size):
        yield f"{path}: {size} {LENGTHS.get(kind, '')} is not in {about.get('min')} to {about.get('max')}"
    if kind == "string":
        if "enum" in about and value not in about["enum"]:
            yield f"{path}: {value!r} is not in the enumeration {shape.name}"
        if "pattern" in about and not re.fullmatch(pythons(about["pattern"]), value):
            yield f"{path}: {value!r} does not match {about['pattern']}"
    elif kind == "list":
        for index, item in enumerate(value):
            yield from problems(shape.member, item, f"{path}[{index}]")
    elif kind == "map":
        for key, item in value.items():
            yield from problems(shape.key, key, f"{path}.{key} (name)")
            yield from problems(shape.value, item, f"{path}.{key}")
    elif kind == "structure":
        for name, item in value.items():
            yield from problems(shape.members[name], item, f"{path}.{name}")


def check(shape, request):
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        return report.generate_report().splitlines()
    return list(problems(shape, request, "request"))


model = botocore.session.get_session().get_service_model("sagemaker")
shape = model.operation_model("CreateTrainingJob").input_shape
print(json.dumps([check(shape, request) for request in json.load(sys.stdin)]))
