"""Which columns of the table the lifted code reads, and where the model can be served."""

import ast

from find import calls, method, pairs_of
from names import base

OPAQUE = frozenset("select_dtypes columns dtypes iloc to_numpy values items filter".split())
TREES = frozenset("xgboost lightgbm catboost".split())
PIPELINE_CLASSES = frozenset("Pipeline ColumnTransformer make_pipeline make_column_transformer".split())


def dropped_in(nodes, constants):
    """Columns that df.drop(columns=[…]) and the like leave out; None where nothing is dropped."""
    dropped = set()
    drops = False
    for node in nodes:
        for call in calls(node):
            if method(call) != "drop" or base(call.func.value) is None:
                continue
            drops = True
            named = (each.value for each in call.keywords if each.arg in ("columns", "labels"))
            for child in (*call.args[:1], *named):
                for each in ast.walk(child):
                    value = constants.get(each.id) if isinstance(each, ast.Name) else each
                    if value is not None:
                        dropped |= {x.value for x in ast.walk(value) if isinstance(x, ast.Constant)}
    return dropped if drops else None


def mentioned_in(nodes, columns):
    """Columns that are named, in a string or as an attribute, other than to be dropped."""
    found = set()
    skipped = set()
    for node in nodes:
        for call in calls(node):
            if method(call) == "drop":
                skipped |= {id(each) for argument in (*call.args, *call.keywords) for each in ast.walk(argument)}
        for each in ast.walk(node):
            if id(each) in skipped:
                continue
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value in columns:
                found.add(each.value)
            elif isinstance(each, ast.Attribute) and each.attr in columns:
                found.add(each.attr)
    return found


def input_columns(plan, table):
    """The columns a caller sends, in the table's order; and whether the code names each of them."""
    columns = list(table["columns"])
    label, key, time = table["label"], table.get("key"), table.get("time")
    nodes = [piece.node for piece in (*plan.train_pieces, *plan.predict_pieces)]
    nodes += [fact.node for fact in plan.module if not fact.is_import]
    if plan.prediction:
        nodes.append(plan.prediction[1])
    constants = {name: value for fact in plan.module for name, value in pairs_of(fact.node)}
    dropped = dropped_in(nodes, constants)
    mentioned = mentioned_in(nodes, set(columns)) - {label, key}
    opaque = dropped is not None or any(
        isinstance(each, ast.Attribute)
        and each.attr in OPAQUE
        and isinstance(each.value, ast.Name)
        and each.value.id in ("data", *plan.frames)
        for node in nodes
        for each in ast.walk(node)
    )
    if any(keeps_columns(node) for node in nodes):
        opaque = False
    if opaque or not mentioned:
        left = (dropped or set()) | {label}
        if key not in mentioned:
            left |= {key} - {None}
        return [name for name in columns if name not in left or name in mentioned], False
    if time in mentioned and not reads_time(nodes, time):
        mentioned.discard(time)
    return [name for name in columns if name in mentioned], True


def keeps_columns(node):
    """Whether a table is cut down to columns that are listed: df = df[['a', 'b']], df = df.loc[…, ['a', 'b']]."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Subscript):
        return False
    index = node.value.slice
    listed = index.elts[-1] if isinstance(index, ast.Tuple) and index.elts else index
    names = [each.id for each in node.targets if isinstance(each, ast.Name)]
    return isinstance(listed, ast.List) and base(node.value) in names


def reads_time(nodes, time):
    """Whether the time is used other than in a list of columns to keep."""
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, ast.Attribute) and each.attr == time:
                return True
            if isinstance(each, ast.Subscript) and isinstance(each.slice, ast.Constant) and each.slice.value == time:
                return True
    return False


def libraries(plan):
    """Name in the notebook → the package that it comes from."""
    found = {}
    for fact in plan.program.facts:
        if isinstance(fact.node, ast.Import):
            for alias in fact.node.names:
                found[alias.asname or alias.name.split(".")[0]] = alias.name.split(".")[0]
        elif isinstance(fact.node, ast.ImportFrom):
            for alias in fact.node.names:
                found[alias.asname or alias.name] = (fact.node.module or "").split(".")[0]
    return found


def library_of(plan, modules):
    """The package of the model."""
    if plan.model in plan.slices.finder.modules:
        return "torch"
    node = plan.estimator
    if isinstance(node, ast.Call):
        node = node.func
        while isinstance(node, ast.Attribute):
            node = node.value
        if isinstance(node, ast.Name):
            return modules.get(node.id, "own code")
    return "own code"


def why_container(plan, table, inputs, modules, library):
    """The reason why the model's own Python has to answer; None where its graph can."""
    pieces = [piece for piece in (*plan.train_pieces, *plan.predict_pieces) if piece.role in ("rows", "both")]
    computed = next((piece for piece in pieces if not is_selection(piece.node)), None)
    if computed:
        place = computed.fact.statement
        return f"pandas code makes features of the columns (cell {place.cell}, line {place.line})"
    if library == "torch":
        return "a network takes numbers, and Python makes them of the columns"
    if library not in ("sklearn", *TREES):
        return f"a model of {library} has no known way into a graph"
    if any(fact.is_definition for fact in plan.module):
        return "the model uses functions or classes of the notebook"
    if plan.state - {plan.model}:
        return f"predicting needs {', '.join(sorted(plan.state - {plan.model}))} of training"
    instants = [name for name in inputs if name in table["instants"]]
    if instants:
        return f"{instants[0]} is a date or a time, which Python takes apart"
    names = {
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for piece in plan.train_pieces
        for call in calls(piece.node)
    }
    if not names & PIPELINE_CLASSES and any(table["columns"][name] == "string" for name in inputs):
        return "columns of text go into the model without a pipeline that encodes them"
    return None


def is_selection(node):
    """Whether a statement only picks columns: X = df[columns], y = df['label'], X = df.drop(columns=…)."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
        return False
    value = node.value
    while isinstance(value, ast.Call) and method(value) in ("copy", "drop", "reset_index", "pop"):
        value = value.func.value
    if isinstance(value, ast.Subscript):
        return isinstance(value.value, ast.Name) and isinstance(
            value.slice, (ast.Constant, ast.List, ast.Name, ast.BinOp)
        )
    return isinstance(value, ast.Name) or (
        isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and value.attr not in ("values", "T")
    )
