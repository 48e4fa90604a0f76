"""Where the notebook reads its data, which model it fits, and which expression predicts."""

import ast

from names import base, root

READS = frozenset("read_csv read_table read_json read_parquet read_feather read_excel read_sql read_pickle".split())
PREDICTING = frozenset("predict predict_proba decision_function".split())
PREDICTION_NAMES = (
    "prediction predictions predicted pred preds score scores proba probability probabilities y_pred yhat y_hat p"
).split()


def inner(node):
    """A statement's nodes, without the bodies of functions and classes in it."""
    yield node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return
    for child in ast.iter_child_nodes(node):
        yield from inner(child)


def calls(node):
    return [each for each in inner(node) if isinstance(each, ast.Call)]


def method(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def targets(node):
    """Names that an assignment binds; none where it is no assignment."""
    if not isinstance(node, ast.Assign):
        return []
    return [
        each.id
        for target in node.targets
        for each in ast.walk(target)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    ]


def pairs_of(node):
    """(name, value) of a = value."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return [(node.targets[0].id, node.value)]
    return []


def read_call(node):
    """The call that reads a table, if the statement has one."""
    for call in calls(node):
        if method(call) in READS or (isinstance(call.func, ast.Name) and call.func.id in READS):
            return call
    return None


def trains(node):
    """Whether code fits something to labels, or trains a network."""
    return any(
        method(each) == "backward" or (method(each) == "fit" and has_labels(each))
        for each in ast.walk(node)
        if isinstance(each, ast.Call)
    )


def has_labels(call):
    return len(call.args) >= 2 or any(each.arg in ("y", "label") for each in call.keywords)


class Finder:
    def __init__(self, program):
        self.facts = program.facts
        self.modules = {
            base(call.func.value)
            for fact in self.facts
            for call in calls(fact.node)
            if method(call) == "parameters"
        }
        self.training_functions = {
            fact.node.name for fact in self.facts if fact.is_definition and trains(fact.node)
        }
        self.boosters = {
            alias.asname or alias.name
            for fact in self.facts
            if isinstance(fact.node, ast.Import)
            for alias in fact.node.names
            if alias.name in ("xgboost", "lightgbm")
        }

    def models_of(self, fact):
        """Names of what a statement fits, with whether it was given labels."""
        if fact.is_definition:
            return []
        found = []
        for call in calls(fact.node):
            bound = targets(fact.node)
            if method(call) == "fit":
                name = bound[0] if bound else base(call.func.value)
                found.append((name, has_labels(call)))
            elif method(call) == "train" and base(call.func.value) in self.boosters and bound:
                found.append((bound[0], True))
            elif isinstance(call.func, ast.Name) and call.func.id in self.training_functions:
                given = [each.id for each in call.args if isinstance(each, ast.Name)]
                known = [name for name in given if name in self.modules]
                found.extend((name, True) for name in (known or bound)[:1])
            elif method(call) == "backward":
                used = {each.id for each in inner(fact.node) if isinstance(each, ast.Name)}
                found.extend((name, True) for name in sorted(used & (self.modules - {None})))
        return [(name, labelled) for name, labelled in found if name]

    def fitted(self):
        """(fact, name) of every model, in order; those without labels only where there is no other."""
        everything = [(fact, *found) for fact in self.facts for found in self.models_of(fact)]
        labelled = [(fact, name) for fact, name, has in everything if has]
        return labelled or [(fact, name) for fact, name, _ in everything]

    def reads(self):
        """Statements that read a table into a name: fact → (name, call); the tagged ones, where there are some."""
        found = {}
        for fact in self.facts:
            call = read_call(fact.node)
            if call is not None and targets(fact.node) and not fact.is_definition:
                found[fact] = targets(fact.node)[0], call
        tagged = {fact: read for fact, read in found.items() if fact.statement.tag == "data"}
        return tagged or found

    def written_predictions(self):
        """(fact, expression) of the predictions that go into a file."""
        writes = [i for i, fact in enumerate(self.facts) if any(method(c) == "to_csv" for c in calls(fact.node))]
        if not writes:
            return None
        for fact in reversed(self.facts[: writes[-1] + 1]):
            for expression in named_values(fact.node):
                return fact, expression
        return None

    def last_prediction(self, name):
        """(fact, expression) of the last statement that asks a model; for probabilities rather than classes."""
        found = None
        for fact in reversed(self.facts):
            if fact.is_definition:
                continue
            for node in inner(fact.node):
                if isinstance(node, ast.Subscript) and predicts(node.value, name):
                    return fact, node
                if found is None and predicts(node, name):
                    found = fact, node
        return found or self.last_call(name)

    def last_call(self, name):
        """(fact, name of what it gave) of the last statement that calls a network."""
        for fact in reversed(self.facts):
            if fact.is_definition or trains(fact.node) or self.models_of(fact):
                continue
            for node in inner(fact.node):
                if isinstance(node, ast.Assign) and any(called_by(call, name) for call in calls(node.value)):
                    bound = targets(node)
                    if len(bound) == 1:
                        return fact, ast.copy_location(ast.Name(bound[0], ast.Load()), node)
        return None


def called_by(call, name):
    return isinstance(call.func, ast.Name) and call.func.id == name


def predicts(node, name):
    return isinstance(node, ast.Call) and method(node) in PREDICTING and base(node.func.value) == name


def named_values(node):
    """Values that a statement gives a name or a column of predictions."""
    for each in inner(node):
        if isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values):
                if isinstance(key, ast.Constant) and key.value in PREDICTION_NAMES:
                    yield value
        elif isinstance(each, ast.Call) and method(each) in ("assign", None):
            for keyword in each.keywords:
                if keyword.arg in PREDICTION_NAMES:
                    yield keyword.value
        elif isinstance(each, ast.Assign):
            for target in each.targets:
                if (
                    isinstance(target, ast.Subscript)
                    and isinstance(target.slice, ast.Constant)
                    and target.slice.value in PREDICTION_NAMES
                ):
                    yield each.value


__all__ = ["Finder", "calls", "inner", "method", "root", "targets"]
