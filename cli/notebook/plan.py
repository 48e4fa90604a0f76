"""Decides which statements of a notebook go into train(), into predict(), and before both."""

import ast
import copy

from cells import NotebookError
from find import calls, method, pairs_of, targets
from hyperparameters import Looked, Pulled, last_step, scalar
from names import base, free
from rewrite import (
    Statistics,
    dummies_of,
    forgiving,
    renamed,
    without_early_stopping,
    without_names,
    without_reading,
)
from slices import Slices

PLAIN_CALLS = frozenset("dict list set tuple range frozenset sorted compile Path str int float".split())
RESERVED = {
    "data": "table",
    "features": "feature_names",
    "fitted": "fitted_model",
    "hyperparameters": "parameters",
    "predict": "predict_rows",
    "train": "train_model",
}


class Piece:
    """A statement on its way into a function."""

    def __init__(self, fact, node, role):
        self.fact = fact
        self.node = node
        self.role = role


def is_constant(node):
    """Whether an assignment gives a name a value that depends on nothing."""
    if not isinstance(node, ast.Assign):
        return False
    return all(
        (isinstance(call.func, ast.Name) and call.func.id in PLAIN_CALLS)
        or method(call) in ("compile", "split", "Path")
        for call in calls(node.value)
    )


class Plan:
    def __init__(self, program, table):
        self.program = program
        self.label = table["label"]
        self.classifies = table["classifies"]
        self.left_out = program.left_out
        self.notes = program.notes
        self.slices = Slices(program)
        self.reading()
        self.choose()
        self.select()
        self.names = self.renames()
        self.place()
        self.pull()

    def reading(self):
        if self.slices.read is None:
            raise NotebookError(
                "no cell reads a table into a name, as df = pd.read_csv('data.csv') does; "
                "tag the cell that does with slipway:data"
            )
        self.read, self.frame, self.read_call = self.slices.read

    def choose(self):
        """The model: the one whose predictions are written to a file, or the last one that is fitted."""
        finder = self.slices.finder
        fitted = finder.fitted()
        tagged = [each for each in fitted if each[0].statement.tag == "model"]
        fitted = tagged or fitted
        if not fitted:
            raise NotebookError(
                "no model is fitted to a label: there is no .fit(X, y), no train(…) of XGBoost or LightGBM and no "
                "loop with .backward(); tag the cell that trains with slipway:model, or write train.py "
                "yourself (--python)"
            )
        written = finder.written_predictions()
        self.model = fitted[-1][1]
        self.prediction = None
        if written:
            fact, expression = written
            immediate, late, _ = free(expression)
            kept, _ = self.slices.backward(self.slices.facts.index(fact), immediate | late)
            behind = [name for each, name in fitted if each in kept]
            if behind:
                self.model = behind[-1]
                self.prediction = written
        if self.prediction is None:
            self.prediction = finder.last_prediction(self.model)
        self.of_training = self.prediction is None
        if self.of_training:
            self.prediction = self.asked_as_trained(fitted)
        for each, name in fitted:
            if name != self.model:
                self.other_models = {*getattr(self, "other_models", ()), name}

    def asked_as_trained(self, fitted):
        """Where the notebook asks the model nothing: what the rows of training would be answered."""
        fact = [each for each, name in fitted if name == self.model][-1]
        for call in calls(fact.node):
            if method(call) == "fit" and call.args:
                asked = f"{self.model}.predict_proba({ast.unparse(call.args[0])})[:, 1]"
                if not self.classifies:
                    asked = f"{self.model}.predict({ast.unparse(call.args[0])})"
                return fact, ast.parse(asked, mode="eval").body
        return None

    other_models = frozenset()

    def select(self):
        facts = self.slices.facts
        end = facts.index(self.prediction[0]) if self.prediction else len(facts) - 1
        self.training = self.slices.training(self.model, end)
        seeds = [
            fact
            for fact in facts[: end + 1]
            if any(method(call) in ("seed", "manual_seed") for call in calls(fact.node))
            and not fact.is_definition
            and fact not in self.training
        ]
        for fact in [*seeds]:
            seeds += self.slices.backward(facts.index(fact) - 1, self.slices.needs(fact))[0]
        self.training = [fact for fact in facts if fact in self.training or fact in seeds]
        if self.read not in self.training:
            raise NotebookError(
                f"the model {self.model} does not come from the table that cell {self.read.statement.cell} reads "
                f"into {self.frame}; tag the cell that reads the data with slipway:data"
            )
        if self.prediction:
            self.predicting, self.state = self.slices.predicting(
                *self.prediction, self.model, self.of_training
            )
        else:
            self.predicting, self.state = [], {self.model}
        self.force_tagged()
        self.program.refuse_undefined({*self.training, *self.predicting})

    def force_tagged(self):
        """What a person tagged as features is taken, whether or not it seems to matter."""
        tagged = [
            fact for fact in self.slices.facts if fact.statement.tag == "features" and not fact.display
        ]
        chosen = {*self.training, *tagged}
        self.training = [fact for fact in self.slices.facts if fact in chosen]
        if self.prediction:
            chosen = {*self.predicting, *tagged}
            self.predicting = [fact for fact in self.slices.facts if fact in chosen]

    def renames(self):
        """The table, and parts of it, are all called data: a platform gives each function its own rows."""
        sources = {
            name: source for sides in self.slices.splits.sides.values() for name, source, _ in sides
        }

        def whole(name):
            seen = set()
            while name in sources and name not in seen:
                seen.add(name)
                name = sources[name]
            return name

        names = {name: whole(name) for name in sources}
        names = {name: "data" if of == self.frame else of for name, of in names.items()}
        names[self.frame] = "data"
        bound = {name for fact in self.slices.facts for name in fact.binds}
        for name, other in RESERVED.items():
            if name in bound and name not in names:
                names[name] = other
        return names

    def is_dependent(self, fact):
        """Whether a function or class needs something that is made of the data."""
        return any(
            self.slices.names.get(name) for name in self.slices.closure.get(fact.node.name, ())
        )

    def place(self):
        """Parts the statements into those of the module, of train() and of predict()."""
        self.module = []
        self.train_pieces = []
        self.predict_pieces = []
        roles = self.slices.roles
        both = [fact for fact in self.slices.facts if fact in {*self.training, *self.predicting}]
        changed = {
            name for fact in both if not is_constant(fact.node) for name in fact.changes if not fact.is_definition
        }
        for fact in both:
            if fact.is_import or (fact.is_definition and not self.is_dependent(fact)):
                self.module.append(fact)
                continue
            constant = (
                roles[fact] is None
                and is_constant(fact.node)
                and not fact.binds & changed
                and not is_settings(fact.node, [Piece(each, each.node, None) for each in self.training])
            )
            if constant:
                self.module.append(fact)
                continue
            self.place_in_functions(fact)

    def place_in_functions(self, fact):
        role = self.slices.roles[fact]
        if role == "split":
            return
        node = fact.node
        if fact is self.read:
            node = without_reading(node, self.read_call)
            if node is None:
                return
        reordering = [
            call for call in calls(node) if method(call) in ("sort_values", "set_index", "sort_index")
        ]
        if reordering and role in ("rows", "train") and not self.slices.trains(fact):
            name = method(reordering[0])
            self.program.leave_out(
                fact.statement.place,
                f"{name}: a caller's rows stay in their order, and training takes those of the file",
            )
            return
        node = forgiving(node)
        in_training = fact in self.training
        in_predicting = fact in self.predicting and not self.is_of_label(node)
        if in_training:
            node = self.cleaned(fact, node)
        if in_training and in_predicting and role == "rows":
            node = self.learned(fact, node)
        if in_training:
            self.train_pieces.append(Piece(fact, node, role))
        if in_predicting:
            self.predict_pieces.append(Piece(fact, node, role))
        columns = dummies_of(node) if in_training and in_predicting else None
        if columns:
            self.remember_columns(fact, columns)

    def is_of_label(self, node):
        """df['label'] = …: a caller has no label."""
        return isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Subscript)
            and isinstance(target.slice, ast.Constant)
            and target.slice.value == self.label
            for target in node.targets
        )

    def cleaned(self, fact, node):
        """Without what looks at the rows held out: the platform keeps them from training."""
        unseen = {
            name
            for name in fact.uses | fact.changes
            if self.slices.names.get(name) == "test" and name not in fact.binds
        }
        cleaned, gone = without_names(node, unseen)
        if gone:
            self.uses_unseen = True
        for line, code in gone:
            self.program.leave_out(
                {"cell": fact.statement.cell, "line": line, "code": code[:200]},
                "looks at the rows held out while it trains; the platform evaluates after training",
            )
        return cleaned

    uses_unseen = False

    def learned(self, fact, node):
        """Statistics of all rows are learned in training and looked up when one row is asked for."""
        statistics = Statistics({self.frame, *fact.uses}, self.label)
        replaced = statistics.visit(copy.deepcopy(node))
        if not statistics.found:
            return node
        count = sum(1 for name in self.state if name.startswith("learned_"))
        for number, (name, expression) in enumerate(statistics.found, count + 1):
            final = f"learned_{number}"
            replaced = renamed(replaced, {name: final}) if name != final else replaced
            assigned = ast.Assign([ast.Name(final, ast.Store())], expression)
            ast.copy_location(assigned, node)
            self.train_pieces.append(Piece(fact, ast.fix_missing_locations(assigned), "train"))
            self.state.add(final)
            self.notes.append(
                f"Cell {fact.statement.cell}, line {fact.statement.line}: {ast.unparse(expression)} is learned from the "
                "training rows and kept with the model; the notebook took it from all rows."
            )
        return ast.fix_missing_locations(replaced)

    def remember_columns(self, fact, frame):
        """pd.get_dummies gives the columns of the rows it sees: those of training are kept."""
        name = f"columns_of_{frame}"
        kept = ast.parse(f"{name} = list({frame}.columns)").body[0]
        taken = ast.parse(f"{frame} = {frame}.reindex(columns={name}, fill_value=0)").body[0]
        self.train_pieces.append(Piece(fact, kept, "train"))
        self.predict_pieces.append(Piece(fact, taken, "rows"))
        self.state.add(name)
        self.notes.append(
            f"Cell {fact.statement.cell}, line {fact.statement.line}: the columns that get_dummies made of the training "
            "rows are kept with the model."
        )

    def new_names(self, names):
        return {self.names.get(name, name) for name in names}

    def prune(self):
        """Statements of train() that only led to what was taken out of it."""
        needed = {self.model, *self.state}
        kept = []
        for piece in reversed(self.train_pieces):
            immediate, late, bound = free(piece.node)
            seeds = any(method(call) in ("seed", "manual_seed") for call in calls(piece.node))
            changed = self.new_names(piece.fact.changes) | bound
            if seeds or piece.fact.statement.tag == "features" or changed & needed:
                kept.append(piece)
                needed |= immediate | late
                needed = needed.union(*(self.slices.closure.get(name, ()) for name in needed))
        self.train_pieces = kept[::-1]

    def pull(self):
        """Hyperparameters out of the code of train()."""
        self.pulled = Pulled()
        values = {}
        for fact in self.training:
            for name, value in pairs_of(fact.node):
                values[name] = value
        constants = {
            name: values[name]
            for fact in self.module
            for name in targets(fact.node)
            if name in values and scalar(values[name]) is not None
        }
        for piece in self.train_pieces:
            piece.node = renamed(piece.node, self.names)
            if self.uses_unseen:
                piece.node, gone = without_early_stopping(piece.node)
                for line, code in gone:
                    place = {"cell": piece.fact.statement.cell, "line": line, "code": code[:200]}
                    self.program.leave_out(place, "stops early by the rows held out; set the number of rounds")
        for piece in self.predict_pieces:
            piece.node = renamed(piece.node, self.names)
        self.prune()
        self.pull_from_pieces(constants)
        self.pull_constants(constants)

    def pull_from_pieces(self, constants):
        own = {}
        for piece in self.train_pieces:
            # A copy, so that the notebook's own code stays as it is.
            piece.node = copy.deepcopy(piece.node)
            for name, value in pairs_of(piece.node):
                own[name] = value
        model = own.get(self.model)
        estimator = last_step(model, own) if model is not None else None
        if isinstance(estimator, ast.Call) and method(estimator) != "train":
            self.pulled.from_call(estimator, constants)
        self.estimator = estimator
        for piece in self.train_pieces:
            node = piece.node
            if isinstance(node, ast.Assign) and piece.role is None and is_settings(node, self.train_pieces):
                self.pulled.from_settings(node)
            for call in calls(node):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if name in ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adagrad", "RMSprop"):
                    self.pulled.from_call(call, constants)
                elif method(call) == "train" and base(call.func.value) in self.slices.finder.boosters:
                    self.pulled.from_call(call, constants)
            self.pulled.from_loop(node)

    def pull_constants(self, constants):
        elsewhere = set()
        for fact in (*self.module, *self.predicting):
            elsewhere |= fact.uses | fact.late
        for piece in (*self.train_pieces, *self.predict_pieces):
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
        looked = Looked(eligible, self.pulled)
        for piece in self.train_pieces:
            if any(isinstance(each, ast.Name) and each.id in eligible for each in ast.walk(piece.node)):
                piece.node = ast.fix_missing_locations(looked.visit(copy.deepcopy(piece.node)))
        used = {each.id for piece in self.train_pieces for each in ast.walk(piece.node) if isinstance(each, ast.Name)}
        self.module = [
            fact
            for fact in self.module
            if not (set(targets(fact.node)) & set(constants))
            or set(targets(fact.node)) & (elsewhere | used)
        ]


def is_settings(node, pieces):
    """Whether a dict is handed to a model as its settings."""
    bound = set(targets(node))
    for piece in pieces:
        for call in calls(piece.node):
            if any(each.arg is None and base(each.value) in bound for each in call.keywords):
                return True
            if method(call) == "train" and call.args and base(call.args[0]) in bound:
                return True
    return False
