"""Decides which statements of a notebook go into train(), into predict(), and before both."""

import ast
import copy
import re

from cells import WHOLE, NotebookError
from choice import Choice
from find import calls, method
from pull import is_settings, pull
from names import free
from rewrite import (
    Statistics,
    asking,
    kept_columns,
    dummies_of,
    forgiving,
    renamed,
    without_names,
    without_reading,
)
from slices import fitted_encoders, other_rows

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


class Plan(Choice):
    """What goes where.

    Attributes:
        module: facts of the imports, constants and helpers
        train_pieces, predict_pieces: statements of both functions, in order
        state: names that predicting needs of training, the model's among them
        pulled: the hyperparameters
    """

    def __init__(self, program, table):
        super().__init__(program, table)
        self.select()
        self.names = self.renames()
        self.place()
        pull(self)

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
        self.settle_reading()
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
        names = {name: "data" if of in self.frames else of for name, of in names.items()}
        names.update({name: "data" for name in self.frames})
        bound = {name for fact in self.slices.facts for name in fact.binds}
        for name in {*names.values()}:
            if name.startswith(WHOLE):
                # X_train and X_test are parts of something that the notebook gave no name.
                parts = [part for part, of in names.items() if of == name]
                short = re.sub(r"_?(train|test)_?", "", parts[0]) or "whole"
                names[name] = short if short not in bound else f"{short}_rows"
                names.update({part: names[name] for part in parts})
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
                and not is_settings(fact.node, [each.node for each in self.training])
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
        if fact in self.slices.reads:
            node = without_reading(node, self.slices.reads[fact][1])
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
        if self.is_of_label(node):
            self.program.leave_out(fact.statement.place, "makes the label, which the data have as it is")
            return
        self.warn(fact, role)
        in_training = fact in self.training and role != "test"
        in_predicting = fact in self.predicting
        if in_training:
            node = self.cleaned(fact, node)
        if in_training and in_predicting and role == "rows":
            node = self.learned(fact, node)
        if in_training:
            self.train_pieces.append(Piece(fact, node, role))
        if in_predicting:
            asked = asking(node) if fitted_encoders(node) else node
            columns = self.slices.splits.filters.get(fact)
            if columns is not None:
                # A caller's rows stay, with the columns that are kept.
                asked = kept_columns(node, columns)
            self.predict_pieces.append(Piece(fact, asked, role))
        columns = dummies_of(node) if in_training and in_predicting else None
        if columns:
            self.remember_columns(fact, columns)

    def warn(self, fact, role):
        """Of what makes a row depend on those beside it, and cannot be learned once."""
        if role not in ("rows", "both") or fact not in self.predicting:
            return
        place = fact.statement
        for why in other_rows(fact.node, self.program.facts):
            self.notes.append(
                f"Look at cell {place.cell}, line {place.line}: {why}; a caller sends one row. The test that asks each "
                "row alone tells whether it matters."
            )

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
        statistics = Statistics({*self.frames, *fact.uses}, self.label)
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
