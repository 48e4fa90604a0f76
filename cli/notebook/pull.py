"""Takes hyperparameters out of the code of train()."""

import ast
import copy

from find import calls, method, pairs_of, targets
from hyperparameters import OPTIMISERS, Looked, Pulled, last_step, name_of, scalar
from names import base
from rewrite import CLASSIFIERS, Probable, renamed, without_early_stopping


def is_settings(node, others):
    """Whether a dict is handed to a model as its settings."""
    bound = set(targets(node))
    for other in others:
        for call in calls(other):
            if any(each.arg is None and base(each.value) in bound for each in call.keywords):
                return True
            if method(call) == "train" and call.args and base(call.args[0]) in bound:
                return True
    return False


def pull(plan):
    """Gives the pieces their final code, and the plan its hyperparameters."""
    plan.pulled = Pulled()
    values = {name: value for fact in plan.training for name, value in pairs_of(fact.node)}
    constants = {
        name: values[name]
        for fact in plan.module
        for name in targets(fact.node)
        if name in values and scalar(values[name]) is not None
    }
    for piece in plan.train_pieces:
        piece.node = copy.deepcopy(renamed(piece.node, plan.names))
        if plan.uses_unseen:
            without_stopping(plan, piece)
    for piece in plan.predict_pieces:
        piece.node = renamed(piece.node, plan.names)
    plan.prune()
    pull_from_pieces(plan, constants)
    pull_constants(plan, constants)
    answer_with_probabilities(plan)


def answer_with_probabilities(plan):
    """Where the notebook asks a classifier for classes."""
    if not (plan.classifies and plan.prediction and isinstance(plan.estimator, ast.Call)):
        return
    if not CLASSIFIERS.search(name_of(plan.estimator)):
        return
    probable = Probable(plan.model)
    for piece in plan.predict_pieces:
        piece.node = ast.fix_missing_locations(probable.visit(copy.deepcopy(piece.node)))
    fact, expression = plan.prediction
    answer = ast.fix_missing_locations(probable.visit(copy.deepcopy(expression)))
    plan.prediction = fact, answer
    if probable.changed:
        plan.notes.append("The notebook asks for classes, 0 or 1; here the answer is how likely class 1 is.")


def without_stopping(plan, piece):
    piece.node, gone = without_early_stopping(piece.node)
    for line, code in gone:
        place = {"cell": piece.fact.statement.cell, "line": line, "code": code[:200]}
        plan.program.leave_out(place, "stops early by the rows held out; set the number of rounds")


def pull_from_pieces(plan, constants):
    """From the estimator's call, its settings, an optimiser, and the loop that trains."""
    own = {name: value for piece in plan.train_pieces for name, value in pairs_of(piece.node)}
    model = own.get(plan.model)
    plan.estimator = last_step(model, own) if model is not None else None
    if isinstance(plan.estimator, ast.Call) and method(plan.estimator) != "train":
        plan.pulled.from_call(plan.estimator, constants)
    nodes = [piece.node for piece in plan.train_pieces]
    for piece in plan.train_pieces:
        node = piece.node
        if isinstance(node, ast.Assign) and piece.role is None and is_settings(node, nodes):
            plan.pulled.from_settings(node)
        for call in calls(node):
            boosts = method(call) == "train" and base(call.func.value) in plan.slices.finder.boosters
            if boosts or name_of(call) in OPTIMISERS:
                plan.pulled.from_call(call, constants)
        plan.pulled.from_loop(node, plan.slices.finder.training_functions)


def pull_constants(plan, constants):
    """Numbers of the module that nothing but train() uses."""
    elsewhere = set()
    for fact in (*plan.module, *plan.predicting):
        elsewhere |= fact.uses | fact.late
    for piece in (*plan.train_pieces, *plan.predict_pieces):
        if piece.fact.is_definition:
            elsewhere |= piece.fact.uses | piece.fact.late
    eligible = {
        name: value
        for name, value in constants.items()
        if name not in elsewhere
        and isinstance(scalar(value), (int, float))
        and "seed" not in name.lower()
        and name.lower() not in ("random_state", "n_jobs")
    }
    looked = Looked(eligible, plan.pulled)
    used = set()
    for piece in plan.train_pieces:
        piece.node = ast.fix_missing_locations(looked.visit(piece.node))
        used |= {each.id for each in ast.walk(piece.node) if isinstance(each, ast.Name)}
    plan.module = [
        fact
        for fact in plan.module
        if not set(targets(fact.node)) & set(constants) or set(targets(fact.node)) & (elsewhere | used)
    ]
