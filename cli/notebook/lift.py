"""Lifts a model out of a notebook: reads it as text, runs nothing of it.

Called with the notebook's path; a table of what is known of the data comes as JSON on standard input:
{"columns": {name: type}, "instants": [names], "label", "key", "time"}. Writes JSON.
"""

import ast
import json
import pathlib
import sys

from cells import NotebookError
from emit import Writer
from find import calls, method
from hyperparameters import name_of
from inputs import input_columns, libraries, library_of, why_container
from plan import Plan
from program import Program
from reads import file_read, unknown_columns
from split import column_of, holdout_of


def parsed_columns(plan):
    """Columns that the notebook reads as dates."""
    found = set()
    for keyword in plan.read_call.keywords:
        if keyword.arg == "parse_dates":
            found |= {each.value for each in ast.walk(keyword.value) if isinstance(each, ast.Constant)}
    for fact in plan.program.facts:
        for call in calls(fact.node):
            if method(call) == "to_datetime" and call.args:
                found.add(column_of(call.args[0]))
    return {name for name in found if isinstance(name, str)}


READING_THE_SAME = frozenset("parse_dates index_col sep delimiter encoding compression low_memory engine nrows usecols".split())


def leave_out_the_rest(plan, program):
    """Lists every statement that is in none of the files, with the reason."""
    taken = {*plan.training, *plan.predicting}
    listed = {(each["cell"], each["line"]) for each in program.left_out}
    for fact in program.facts:
        place = fact.statement.place
        if fact in taken or fact.is_import or (place["cell"], place["line"]) in listed:
            continue
        program.leave_out(place, reason_of(fact, plan))
    for keyword in plan.read_call.keywords:
        if keyword.arg not in READING_THE_SAME:
            program.leave_out(
                {**plan.read.statement.place, "code": f"{keyword.arg}={ast.unparse(keyword.value)}"},
                "how the file is read: the platform reads it by the types of model.ts",
            )
    program.left_out.sort(key=lambda each: (each["cell"], each["line"]))


def reason_of(fact, plan):
    slices = plan.slices
    if fact.display:
        return "shows something"
    if fact in slices.splits.sides:
        return "parts the rows: the platform holds out rows itself"
    if fact.is_definition:
        return "neither the model nor its predictions need it"
    if fact.changes & plan.other_models:
        return f"another model; {plan.model} is lifted"
    if any(method(call) in ("to_csv", "to_parquet", "dump", "save", "to_pickle") for call in calls(fact.node)):
        return "writes a file"
    if slices.roles.get(fact) == "test":
        return "looks at the rows held out: the platform evaluates"
    return "neither the model nor its predictions need it"


def lift(text, name, table):
    program = Program(text, name)
    plan = Plan(program, table)
    table["parsed"] = sorted(parsed_columns(plan))
    # What pandas did not parse is text to the notebook, whatever it looks like.
    as_text = [each for each in table["instants"] if each not in table["parsed"] and each != table.get("time")]
    table["instants"] = [each for each in table["instants"] if each not in as_text]
    table["columns"].update({each: "string" for each in as_text})
    inputs, named = input_columns(plan, table)
    modules = libraries(plan)
    library = library_of(plan, modules)
    why = why_container(plan, table, inputs, modules, library)
    plan.train_constructor = constructor_of(plan)
    leave_out_the_rest(plan, program)
    if plan.prediction is None and why is not None:
        program.notes.append(
            f"The notebook never asks {plan.model} for a prediction: write predict() in train.py."
        )
    writer = Writer(plan, table, inputs, why is not None, name)
    train, features = writer.train_py(), writer.features_py()
    used = {
        module
        for source in filter(None, (train, features))
        for node in ast.walk(ast.parse(source))
        for module in imported(node)
    } - set(sys.stdlib_module_names)
    random = plan.slices.splits.random
    return {
        "model": plan.model,
        "library": library,
        "container": why is not None,
        "why": why,
        "inputs": inputs,
        "inputsAreNamed": named,
        "hyperparameters": plan.pulled.values,
        "trainPy": train,
        "featuresPy": features,
        "readsFile": file_read(plan),
        "unknownColumns": unknown_columns(plan, table),
        "packages": sorted(used | ({library} if library in modules.values() else set())),
        "asText": as_text,
        "holdout": holdout_of(plan.slices.splits),
        "randomSplit": random.statement.place if random else None,
        "notes": program.notes,
        "leftOut": program.left_out,
    }


def constructor_of(plan):
    for piece in plan.train_pieces:
        node = piece.node
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if any(isinstance(each, ast.Name) and each.id == plan.model for each in node.targets):
                return name_of(node.value)
    return None


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [node.module.split(".")[0]] if isinstance(node, ast.ImportFrom) and node.module else []


def main():
    path = pathlib.Path(sys.argv[1])
    try:
        text = path.read_text(encoding="utf-8-sig")
        result = lift(text, path.name, json.load(sys.stdin))
    except NotebookError as error:
        result = {"error": str(error)}
    except UnicodeDecodeError:
        result = {"error": f"{path.name} is not a notebook: it is not UTF-8 text"}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
