"""How the notebook parts the rows to learn from and those to look at."""

import ast
import re

from find import calls, method, targets
from names import base

TRAIN = re.compile(r"(^|_)(tr|train|training|trainset|fit|dev|past|history)(_|$|\d)|^train|train$", re.I)
TEST = re.compile(
    r"(^|_)(te|test|testing|valid|validation|val|holdout|hold|eval|oot|later|recent|new)(_|$|\d)|^test|test$|valid$",
    re.I,
)
TRAILING = frozenset("copy reset_index sort_index".split())
SELECTING = frozenset("query sample head tail drop truncate between nlargest".split())


def without_trailing(value):
    while isinstance(value, ast.Call) and method(value) in TRAILING:
        value = value.func.value
    return value


def is_mask(node):
    """Whether an index picks rows, not columns."""
    if isinstance(node, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Slice)):
        return True
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor))
    return isinstance(node, ast.Call) and method(node) in (
        "isin between notna notnull isna isnull duplicated str startswith contains gt ge lt le eq ne".split()
    )


def pairs(node):
    """(name, value) of a simple assignment, several of a = b, c."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return []
    target = node.targets[0]
    if isinstance(target, ast.Name):
        return [(target.id, node.value)]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        if len(target.elts) == len(node.value.elts):
            return [
                (each.id, value)
                for each, value in zip(target.elts, node.value.elts)
                if isinstance(each, ast.Name)
            ]
    return []


class Splits:
    """Statements that part rows, with what each of their names is of.

    Attributes:
        sides: fact → list of (name, name of what it is a part of, 'train' or 'test')
        filters: facts that leave rows out for good → the columns that they keep; None where it is all of them
    """

    def __init__(self, program):
        self.facts = program.facts
        self.values = {}
        self.sides = {}
        self.filters = {}
        self.random = None
        self.masks = []
        for fact in self.facts:
            self.look(fact)
            for name, value in pairs(fact.node):
                self.values[name] = value

    def look(self, fact):
        sides = self.parted_at_random(fact) or self.parted(fact)
        if sides:
            self.sides[fact] = sides
        elif self.leaves_rows_out(fact.node):
            self.filters[fact] = columns_beside(fact.node)

    def parted_at_random(self, fact):
        if not isinstance(fact.node, ast.Assign) or not isinstance(fact.node.value, ast.Call):
            return []
        call = fact.node.value
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name != "train_test_split":
            return []
        bound = targets(fact.node)
        of = [base(argument) for argument in call.args]
        if len(bound) != 2 * len(of) or None in of:
            return []
        self.random = fact
        return [
            side
            for i, source in enumerate(of)
            for side in ((bound[2 * i], source, "train"), (bound[2 * i + 1], source, "test"))
        ]

    def parted(self, fact):
        sides = []
        assigned = pairs(fact.node)
        for name, value in assigned:
            chosen = self.chosen_rows(without_trailing(value))
            side = "test" if TEST.search(name) else "train" if TRAIN.search(name) else None
            if chosen is None or side is None or chosen[0] == name:
                return []
            sides.append((name, chosen[0], side))
            self.masks.append((fact, side, chosen[1]))
        return sides

    def chosen_rows(self, value):
        """(name of the whole, condition) where an expression picks rows of something."""
        if isinstance(value, ast.Call) and method(value) in SELECTING:
            if method(value) == "drop" and (
                any(each.arg == "columns" for each in value.keywords) or is_columns(value)
            ):
                return None
            of = base(value.func.value)
            return (of, value) if of else None
        if not isinstance(value, ast.Subscript):
            return None
        index = value.slice
        if isinstance(value.value, ast.Attribute) and value.value.attr in ("loc", "iloc"):
            of = base(value.value.value)
            index = index.elts[0] if isinstance(index, ast.Tuple) else index
            condition = self.resolved(index)
            everything = isinstance(index, ast.Slice) and not (index.lower or index.upper)
            return (of, condition) if of and not everything else None
        condition = self.resolved(index)
        of = base(value.value)
        return (of, condition) if of and is_mask(condition) else None

    def resolved(self, node):
        """What a name stands for, and what ~name does."""
        if isinstance(node, ast.Name) and node.id in self.values:
            return self.values[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            return ast.UnaryOp(node.op, self.resolved(node.operand))
        return node

    def leaves_rows_out(self, node):
        for name, value in pairs(node):
            whole = self.chosen_rows(without_trailing(value))
            if whole and whole[0] == name:
                return True
        for call in calls(node):
            if method(call) in ("dropna", "drop_duplicates"):
                by_columns = any(
                    each.arg == "axis" and isinstance(each.value, ast.Constant) and each.value.value in (1, "columns")
                    for each in call.keywords
                )
                if not by_columns and base(call.func.value):
                    return True
        return False


def columns_beside(node):
    """The list in df = df.loc[mask, [columns]]."""
    for _, value in pairs(node):
        value = without_trailing(value)
        if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Tuple):
            listed = value.slice.elts[1]
            return listed if isinstance(listed, ast.List) else None
    return None


def is_columns(call):
    return any(
        each.arg == "axis" and isinstance(each.value, ast.Constant) and each.value.value in (1, "columns")
        for each in call.keywords
    ) or (len(call.args) > 1 and isinstance(call.args[1], ast.Constant) and call.args[1].value == 1)


def column_of(node):
    """The column that df['c'] or df.c names."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value
    return node.attr if isinstance(node, ast.Attribute) else None


def days_of(node):
    """Days of pd.Timedelta(days=7), pd.Timedelta('7 days'), pd.Timedelta(7, 'D'), pd.DateOffset(weeks=1)."""
    if not isinstance(node, ast.Call) or method(node) not in ("Timedelta", "DateOffset", "timedelta"):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Timedelta", "timedelta")):
            return None
    units = {"days": 1, "weeks": 7, "D": 1, "W": 7, "d": 1, "day": 1, "week": 7}
    for keyword in node.keywords:
        if keyword.arg in units and isinstance(keyword.value, ast.Constant):
            return keyword.value.value * units[keyword.arg]
    values = [each.value for each in node.args if isinstance(each, ast.Constant)]
    if len(values) == 2 and values[1] in units:
        return values[0] * units[values[1]]
    if len(values) == 1 and isinstance(values[0], str):
        match = re.fullmatch(r"\s*([\d.]+)\s*(\w+)\s*", values[0])
        if match and match.group(2) in units:
            return float(match.group(1)) * units[match.group(2)]
    return None


def instant_of(node):
    """The text of a constant instant."""
    if isinstance(node, ast.Call) and method(node) in ("Timestamp", "to_datetime") and node.args:
        node = node.args[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.match(r"^\d{4}-\d{2}-\d{2}", node.value):
            return node.value
    return None


AFTER = (ast.Gt, ast.GtE)
OTHER = {ast.Gt: "<=", ast.GtE: "<", ast.Lt: ">=", ast.LtE: ">"}


def holdout_of(splits):
    """The rows that the notebook looks at, as model.ts can say it; None where it cannot.

    Returns:
        {by: 'days', column, days} · {by: 'after', column, instant, inclusive} · {by: 'column', column, value}
    """
    for fact, side, condition in splits.masks:
        inverted = isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Invert)
        if inverted:
            condition = condition.operand
        if not isinstance(condition, ast.Compare) or len(condition.ops) != 1:
            continue
        column = column_of(condition.left)
        if not isinstance(column, str):
            continue
        tests = (side == "test") != inverted
        found = compared(splits, column, condition.ops[0], condition.comparators[0], tests)
        if found:
            return {**found, "cell": fact.statement.cell, "line": fact.statement.line}
    return None


def compared(splits, column, operation, value, tests):
    value = splits.resolved(value)
    if isinstance(value, ast.Constant) and isinstance(operation, (ast.Eq, ast.NotEq)):
        if isinstance(operation, ast.Eq) == tests:
            return {"by": "column", "column": column, "value": value.value}
        return None
    after = isinstance(operation, AFTER)
    if not isinstance(operation, (*AFTER, ast.Lt, ast.LtE)) or after != tests:
        return None
    strict = isinstance(operation, (ast.Gt, ast.LtE))
    instant = instant_of(value)
    if instant:
        return {"by": "after", "column": column, "instant": instant, "inclusive": not strict}
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub):
        days = days_of(splits.resolved(value.right))
        newest = splits.resolved(value.left)
        is_newest = isinstance(newest, ast.Call) and method(newest) == "max"
        if days and is_newest and column_of(newest.func.value) == column:
            return {"by": "days", "column": column, "days": days, "inclusive": not strict}
    return None
