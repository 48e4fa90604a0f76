"""The numbers of a model that one would like to change: out of the code, into model.ts."""

import ast

from find import calls, inner, method

FIXED = frozenset(
    "random_state seed random_seed n_jobs nthread thread_count verbose verbosity silent use_label_encoder "
    "eval_metric device tree_method enable_categorical num_workers warm_start copy_X missing".split()
)
PIPELINES = frozenset("Pipeline make_pipeline CalibratedClassifierCV GridSearchCV RandomizedSearchCV".split())
OPTIMISERS = frozenset("SGD Adam AdamW NAdam RAdam Adagrad RMSprop Adadelta Adamax LBFGS".split())


def scalar(node):
    """A constant that JSON has, or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = scalar(node.operand)
        return -value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, str)):
        return node.value
    return None


def name_of(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def last_step(node, values):
    """The estimator that ends a pipeline, through the names that stand for parts of it."""
    if isinstance(node, ast.Name) and node.id in values:
        return last_step(values[node.id], values)
    if not isinstance(node, ast.Call):
        return None
    if method(node) == "fit":
        return last_step(node.func.value, values)
    if name_of(node) not in PIPELINES:
        return node
    if name_of(node) == "make_pipeline" and node.args:
        return last_step(node.args[-1], values)
    steps = next((each.value for each in node.keywords if each.arg in ("steps", "estimator")), None)
    steps = steps if steps is not None else (node.args[0] if node.args else None)
    if isinstance(steps, ast.List) and steps.elts and isinstance(steps.elts[-1], ast.Tuple):
        return last_step(steps.elts[-1].elts[-1], values)
    return last_step(steps, values)


def lookup(name):
    return ast.Subscript(
        ast.Name("hyperparameters", ast.Load()), ast.Constant(name), ast.Load()
    )


class Pulled:
    """Hyperparameters that were pulled out of copied statements, which look them up from now on."""

    def __init__(self):
        self.values = {}

    def take(self, name, value):
        """The name under which a value is kept; another one where two differ."""
        unique = name
        number = 2
        while unique in self.values and self.values[unique] != value:
            unique = f"{name}_{number}"
            number += 1
        self.values[unique] = value
        return unique

    def from_call(self, call, constants):
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg in FIXED:
                continue
            value = keyword.value
            if isinstance(value, ast.Name) and value.id in constants:
                value = constants[value.id]
            found = scalar(value)
            if found is not None:
                keyword.value = lookup(self.take(keyword.arg, found))

    def from_settings(self, node):
        """Of params = {'max_depth': 4} and params = dict(max_depth=4)."""
        value = node.value
        if isinstance(value, ast.Dict):
            for i, (key, each) in enumerate(zip(value.keys, value.values)):
                found = scalar(each)
                if isinstance(key, ast.Constant) and found is not None and key.value not in FIXED:
                    if key.value not in ("objective",):
                        value.values[i] = lookup(self.take(str(key.value), found))
        elif isinstance(value, ast.Call) and name_of(value) == "dict":
            self.from_call(value, {})

    def from_loop(self, node, training_functions):
        """Of for epoch in range(20), where the loop trains a network."""
        for loop in inner(node):
            if not isinstance(loop, ast.For) or not isinstance(loop.iter, ast.Call):
                continue
            if not any(
                method(each) in ("backward", "step") or name_of(each) in training_functions for each in calls(loop)
            ):
                continue
            call = loop.iter
            if name_of(call) in ("range", "trange") and len(call.args) == 1:
                found = scalar(call.args[0])
                if isinstance(found, int):
                    call.args[0] = lookup(self.take("epochs", found))
                    return


class Looked(ast.NodeTransformer):
    """Constants of the module that only training uses become hyperparameters."""

    def __init__(self, constants, pulled):
        self.constants = constants
        self.pulled = pulled
        self.used = set()

    def visit_Name(self, node):
        if node.id in self.constants and isinstance(node.ctx, ast.Load):
            self.used.add(node.id)
            value = scalar(self.constants[node.id])
            return ast.copy_location(lookup(self.pulled.take(node.id.lower(), value)), node)
        return node
