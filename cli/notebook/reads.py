"""What the lifted code reads that the data do not have: another file, columns under another name."""

import ast
import pathlib

from find import calls, inner, method, pairs_of

# They make columns whose names the code does not say.
MAKING = frozenset(
    "get_dummies merge join pivot pivot_table crosstab unstack agg aggregate melt concat add_prefix add_suffix "
    "set_axis reset_index value_counts json_normalize explode read_sql eval insert".split()
)


def file_read(plan):
    """The name of the file that the notebook reads; None where it says it with more than a string."""
    values = {name: value for fact in plan.program.facts for name, value in pairs_of(fact.node)}
    for argument in plan.read_call.args[:1]:
        value = values.get(argument.id) if isinstance(argument, ast.Name) else argument
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            # A notebook that was written on Windows has its own slashes.
            return pathlib.PurePosixPath(value.value.replace("\\", "/")).name or None
    return None


def unknown_columns(plan, table):
    """Columns that the code takes from the table by name, and that neither the data nor the code itself have."""
    facts = [piece.fact for piece in (*plan.train_pieces, *plan.predict_pieces)]
    nodes = [fact.node for fact in facts]
    if any(method(call) in MAKING for node in nodes for call in calls(node)):
        return []
    constants = {name: value for fact in plan.module for name, value in pairs_of(fact.node)}
    tables = tables_of(plan, facts)
    known = set(table["columns"]) | made_by(nodes)
    found = {}
    for fact in sorted(set(facts), key=lambda each: (each.statement.cell, each.statement.line)):
        for each in inner(fact.node):
            if isinstance(each, ast.Subscript) and isinstance(each.value, ast.Name) and each.value.id in tables:
                for name in names_in(each.slice, constants):
                    found.setdefault(name, {"column": name, "cell": fact.statement.cell, "line": each.lineno})
    return [place for name, place in found.items() if name not in known]


def tables_of(plan, facts):
    """Names of the table, and of what was picked or copied from it."""
    tables = {"data", *plan.frames}
    for fact in facts:
        for name, value in pairs_of(fact.node):
            while isinstance(value, ast.Call) and method(value) in ("copy", "drop", "dropna", "assign", "fillna"):
                value = value.func.value
            if isinstance(value, ast.Name) and value.id in tables:
                tables.add(name)
    return tables


def made_by(nodes):
    """Columns that the code itself makes: table['c'] = …, assign(c=…), rename(columns={…: 'c'})."""
    made = set()
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, ast.Subscript) and isinstance(each.ctx, ast.Store):
                made |= {x.value for x in ast.walk(each.slice) if isinstance(x, ast.Constant)}
            elif isinstance(each, ast.Call) and method(each) == "assign":
                made |= {keyword.arg for keyword in each.keywords}
            elif isinstance(each, ast.Call) and method(each) == "rename":
                made |= {x.value for x in ast.walk(each) if isinstance(x, ast.Constant)}
    return made


def names_in(index, constants):
    """Columns that an index names: 'a', ['a', 'b'], NAMES, NAMES + ['a']; none for a condition on rows."""
    if isinstance(index, ast.Constant):
        return [index.value] if isinstance(index.value, str) else []
    if isinstance(index, (ast.List, ast.Tuple)):
        return [name for each in index.elts for name in names_in(each, constants)]
    if isinstance(index, ast.BinOp) and isinstance(index.op, ast.Add):
        return [*names_in(index.left, constants), *names_in(index.right, constants)]
    if isinstance(index, ast.Name) and isinstance(constants.get(index.id), (ast.List, ast.Tuple)):
        return names_in(constants[index.id], {})
    return []
