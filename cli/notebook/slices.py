"""Which statements lead to a model and which to its predictions, and which rows each of them is about."""

import ast

from find import Finder, calls, method, targets
from names import base, free
from split import Splits

LEARNING = frozenset("mean median mode std var min max sum quantile nunique count value_counts unique".split())


class Slices:
    """The parts of a program that train and that predict.

    Attributes:
        roles: fact → 'rows' (of every row), 'train', 'test', 'both', or None: not about data
        train, predict: facts in order
        model: name of the fitted object
        state: names that predicting needs of what training learned
    """

    def __init__(self, program):
        self.program = program
        self.facts = program.facts
        self.closure = self.closed()
        self.finder = Finder(program)
        for fact in self.facts:
            # An optimiser changes a network that the statement only asks.
            fact.changes |= {name for name, _ in self.finder.models_of(fact)}
        self.splits = Splits(program)
        self.reads = self.finder.reads()
        self.roles = {}
        self.names = {}
        self.removed = []
        self.assign_roles()

    def closed(self):
        """Function or class → everything of the module that it needs when it is called."""
        late = {}
        for fact in self.facts:
            if fact.is_definition:
                late[fact.node.name] = set(fact.late)
        for _ in range(len(late)):
            for name, needed in late.items():
                late[name] = needed.union(*(late.get(other, ()) for other in needed)) - {name}
        return late

    def needs(self, fact):
        """Every name that has to be there when a statement runs."""
        needed = set(fact.uses) | (set() if fact.is_definition else set(fact.late))
        return needed.union(*(self.closure.get(name, ()) for name in needed))

    def assign_roles(self):
        """In the order of the program: what is made of the table is about its rows, and so on."""
        for fact in self.facts:
            if fact.is_import or fact.is_definition:
                self.roles[fact] = None
                continue
            if fact in self.reads:
                role = "rows"
            elif fact in self.splits.sides:
                for name, _, side in self.splits.sides[fact]:
                    self.names[name] = side
                self.roles[fact] = "split"
                continue
            else:
                role = self.role_of(fact)
            if fact in self.splits.filters and role is not None:
                # The rows that are left are still rows of the table.
                self.roles[fact] = "train"
                continue
            self.roles[fact] = role
            if fact.display:
                continue
            if role is None:
                for name in fact.binds:
                    self.names.pop(name, None)
            for name in fact.changes:
                if role == "both":
                    self.names.setdefault(name, "both")
                elif role is not None:
                    self.names[name] = role

    def role_of(self, fact):
        # A name that is bound anew is no longer what it was.
        anew = fact.binds - fact.uses if isinstance(fact.node, ast.Assign) else set()
        changed = {self.names.get(name) for name in fact.changes - anew}
        used = changed | {self.names.get(name) for name in self.needs(fact)}
        if {"train", "test"} <= changed or ("both" in used and "both" in changed):
            return "both"
        if "test" in used:
            # Training that looks at the rows kept for looking is cleaned of it later.
            return "train" if changed & {"train"} or self.trains(fact) else "test"
        if "rows" in used and self.learns(fact):
            return "train"
        if "rows" in changed or ("rows" in used and "train" not in used):
            return "rows"
        if "train" in used or "both" in used:
            return "train"
        return "rows" if "rows" in used else None

    def trains(self, fact):
        return bool(self.finder.models_of(fact))

    def learns(self, fact):
        """Whether a statement makes something of all rows together: a model, a statistic."""
        if self.trains(fact):
            return True
        for call in calls(fact.node):
            if method(call) == "fit" and base(call.func.value) is not None:
                return True
        value = getattr(fact.node, "value", None)
        return isinstance(fact.node, ast.Assign) and is_statistic(value)

    def backward(self, end, needed, skip=()):
        """Facts up to a place that lead to some names.

        Returns:
            the facts in order, and the names that are still needed before the first of them
        """
        needed = set(needed).union(*(self.closure.get(name, ()) for name in needed))
        kept = []
        for fact in reversed(self.facts[: end + 1]):
            hit = fact.changes & needed
            if fact.display or fact in skip or not hit:
                continue
            kept.append(fact)
            if fact in self.splits.sides:
                for name, source, _ in self.splits.sides[fact]:
                    if name in needed:
                        needed.discard(name)
                        needed.add(source)
                continue
            if isinstance(fact.node, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)) or fact.is_definition:
                needed -= fact.binds
            # What it takes to read the table is the platform's.
            needed |= set() if fact in self.reads else self.needs(fact)
        return kept[::-1], needed

    def training(self, model, end):
        """Everything that leads to the model as it is at a place, without what looks at other rows."""
        return self.backward(end, {model})[0]

    def predicting(self, fact, expression, model, of_training=False):
        """Everything that leads to an expression, and what it takes from training.

        Args:
            of_training: the expression is about the rows of training, and is wanted for others
        """
        end = self.facts.index(fact)
        immediate, late, _ = free(expression)
        needed = (immediate | late) - {model}
        needed = needed.union(*(self.closure.get(name, ()) for name in needed)) - {model}
        state = {model} if model in immediate | late else set()
        kept = []
        # What the expression stands in is done with it; what a name stands for is not yet.
        start = end if isinstance(expression, ast.Name) else end - 1
        for index in range(start, -1, -1):
            each = self.facts[index]
            hit = each.changes & needed
            if each.display or not hit:
                continue
            if each in self.splits.filters and self.splits.filters[each] is None:
                continue
            if any(method(call) in ("seed", "manual_seed") for call in calls(each.node)):
                continue
            role = "rows" if each in self.splits.filters else self.roles[each]
            encoders = fitted_encoders(each.node)
            if encoders and role == "rows":
                # Fitted in training, and from then on the same for every row.
                state |= encoders
                kept.append(each)
                needed = (needed - each.binds) | (self.needs(each) - encoders)
                needed -= encoders
                continue
            hit -= state
            if not hit:
                continue
            if role == "train" and not (of_training and not self.learns(each)):
                state |= hit
                needed -= hit
                continue
            kept.append(each)
            if role == "split":
                for name, source, _ in self.splits.sides[each]:
                    if name in needed:
                        needed.discard(name)
                        needed.add(source)
                continue
            if each in self.reads:
                needed -= each.binds
                continue
            if isinstance(each.node, (ast.Assign, ast.Import, ast.ImportFrom)) or each.is_definition:
                needed -= each.binds
            more = self.needs(each)
            if role == "both":
                more = {name for name in more if self.names.get(name) != "train"}
            # A function that asks the model is given it from outside.
            state |= more & {model}
            needed |= more - {model}
        return kept[::-1], state


# What a table's method gives a row by looking at the others.
BESIDE = frozenset(
    "factorize qcut rank shift rolling expanding ewm cumsum cumprod cummax cummin pct_change diff codes merge join "
    "ffill bfill interpolate duplicated get_group".split()
)


def other_rows(node, facts):
    """Reasons why a statement may give a row another value when it is alone."""
    found = []
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    functions = [fact.node for fact in facts if fact.is_definition and fact.node.name in names]
    for part in (node, *functions):
        for each in ast.walk(part):
            if isinstance(each, ast.Attribute) and each.attr in BESIDE:
                found.append(f"{each.attr} looks at the rows beside")
            elif isinstance(each, ast.Call) and method(each) in ("transform", "agg") and grouped(each):
                found.append("groupby looks at the rows beside")
            elif isinstance(each, ast.Call) and method(each) in ("read_csv", "read_parquet", "read_excel"):
                found.append("another file is read, and the model has only the table's rows")
            elif part is not node and isinstance(each, ast.Call) and is_statistic(each):
                found.append(f"{part.name} takes {ast.unparse(each)} of the rows it is given")
            elif isinstance(each, ast.Call) and method(each) == "fit_transform" and not (
                isinstance(node, ast.Assign) and base(each.func.value)
            ):
                found.append("an encoder is fitted anew to the rows it is given")
    return list(dict.fromkeys(found))


def grouped(call):
    return any(isinstance(each, ast.Call) and method(each) == "groupby" for each in ast.walk(call.func))


def fitted_encoders(node):
    """Names of what an assignment fits and asks at once: df['a'] = encoder.fit_transform(df['a'])."""
    if not isinstance(node, ast.Assign):
        return set()
    return {
        base(call.func.value)
        for call in calls(node)
        if method(call) == "fit_transform" and base(call.func.value) is not None
    }


def is_statistic(node):
    """Whether an expression is one value of a whole column, as in df['age'].median()."""
    while isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in LEARNING:
            return base(node.func.value) is not None or isinstance(node.func.value, ast.Call)
        if node.func.attr in ("to_dict", "item", "tolist", "to_list"):
            return is_statistic(node.func.value)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("float", "int", "round", "list", "set", "sorted", "dict")
        and any(is_statistic(each) for each in node.args)
    )


__all__ = ["Slices", "is_statistic", "targets"]
