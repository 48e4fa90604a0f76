"""Writes train.py and features.py of a plan."""

import ast
import textwrap

from find import targets
from names import free
from rewrite import renamed, text_of

INDENT = "    "


def imports_for(facts, needed):
    """Import statements with the names that are needed, and no others."""
    lines = []
    for fact in facts:
        if not fact.is_import:
            continue
        node = fact.node
        kept = [
            alias
            for alias in node.names
            if alias.name == "*" or (alias.asname or alias.name.split(".")[0]) in needed
        ]
        if kept:
            part = type(node)(**{**{name: getattr(node, name) for name in node._fields}, "names": kept})
            lines.append(ast.unparse(ast.copy_location(part, node)))
    return list(dict.fromkeys(lines))


def needed_by(nodes):
    """Names that pieces of code need, at once or later."""
    found = set()
    for node in nodes:
        immediate, late, _ = free(node)
        found |= immediate | late
    return found


def module_text(plan, nodes):
    """Imports, constants and helpers that some code needs, in the notebook's order."""
    needed = needed_by(nodes)
    chosen = []
    grew = True
    while grew:
        grew = False
        for fact in plan.module:
            if fact in chosen or fact.is_import or not plan.new_names(fact.binds) & needed:
                continue
            chosen.append(fact)
            needed |= plan.new_names(fact.uses | fact.late)
            grew = True
    imports = imports_for(plan.module, needed)
    rest = [fact for fact in plan.module if fact in chosen]
    constants = [text_of(fact.statement, renamed_constant(plan, fact)) for fact in rest if not fact.is_definition]
    helpers = [text_of(fact.statement, renamed_constant(plan, fact)) for fact in rest if fact.is_definition]
    future = [line for line in imports if line.startswith("from __future__")]
    parts = ["\n".join([*future, *(line for line in imports if line not in future)])]
    parts += ["\n".join(constants)] if constants else []
    text = "\n\n".join(part for part in parts if part)
    for helper in helpers:
        text += f"\n\n\n{helper}"
    return text.strip(), [*constants, *helpers]


def renamed_constant(plan, fact):
    return renamed(fact.node, {name: other for name, other in plan.names.items() if other != "data"})


def indented(text, levels=1):
    return textwrap.indent(text, INDENT * levels)


def body_of(plan, pieces):
    lines = []
    for piece in pieces:
        # The same name on both sides is what is left of an alias.
        node = piece.node
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in targets(node):
            continue
        lines.append(text_of(piece.fact.statement, node))
    return "\n".join(lines)


def zones(instants, parsed, table):
    """Statements that give the table's times the form in which the notebook read them."""
    lines = []
    for name in instants:
        lines.append(f"data[{name!r}] = data[{name!r}].dt.tz_localize(None)")
    for name in parsed:
        if name in table["columns"] and name not in table["instants"]:
            lines.append(f"data[{name!r}] = pd.to_datetime(data[{name!r}])")
    return lines


def separated(module):
    return f"{module}\n\n\n" if module else "\n"


class Writer:
    def __init__(self, plan, table, inputs, container, source):
        self.plan = plan
        self.table = table
        self.container = container
        self.source = source
        instants = [name for name in inputs if name in table["instants"]] if container else []
        parsed = [name for name in table["parsed"] if name in inputs and name not in instants]
        self.zones = zones(instants, parsed, table)
        self.features = self.feature_pieces()

    def feature_pieces(self):
        """The first statements of both functions, where they make one table and need nothing learned."""
        if not self.container:
            return []
        plan = self.plan
        shared = {piece.fact for piece in plan.predict_pieces}
        first = []
        for piece in plan.train_pieces:
            if piece.role is None:
                continue
            everywhere = [each for each in (*plan.train_pieces, *plan.predict_pieces) if each.fact is piece.fact]
            # More than once in each: something of it is learned.
            if piece.role != "rows" or piece.fact not in shared or len(everywhere) > 2:
                break
            first.append(piece)
        for count in range(len(first), 0, -1):
            chosen = first[:count]
            if self.makes_one_table(chosen):
                return chosen
        return []

    def makes_one_table(self, chosen):
        plan = self.plan
        inside = {piece.fact for piece in chosen}
        rest = [
            piece
            for piece in (*plan.train_pieces, *plan.predict_pieces)
            if piece.fact not in inside or piece.role != "rows"
        ]
        made = set()
        for piece in chosen:
            made |= free(piece.node)[2]
        needed = needed_by([piece.node for piece in rest])
        if plan.prediction:
            needed |= needed_by([renamed(plan.prediction[1], plan.names)])
        outputs = made & needed
        self.output = next(iter(outputs), "data")
        learned = needed_by([piece.node for piece in chosen]) & plan.state
        changes_table = any(piece.fact.changes & {"data", *plan.frames} for piece in chosen)
        keeps_label = self.output == "data" and (changes_table or "data" in made)
        return len(outputs - {"data"}) == 0 and keeps_label and not learned

    def features_py(self):
        if not self.features:
            return None
        body = body_of(self.plan, self.features)
        code = [*self.zones, body]
        nodes = [piece.node for piece in self.features] + [ast.parse(line) for line in self.zones]
        module, _ = module_text(self.plan, nodes)
        return (
            f'"""Features of the raw columns, lifted from {self.source}: before training and before every answer."""\n\n'
            f"{separated(module)}"
            "def features(data):\n"
            f'{INDENT}"""A row for each row of data, in the same order."""\n'
            f"{INDENT}data = data.copy()\n"
            f"{indented(chr(10).join(code))}\n"
            f"{INDENT}return data\n"
        )

    def rest(self, pieces):
        inside = {piece.fact for piece in self.features}
        return [piece for piece in pieces if piece.fact not in inside or piece.role != "rows"]

    def train_py(self):
        plan = self.plan
        train = self.rest(plan.train_pieces)
        predict = self.rest(plan.predict_pieces)
        nodes = [piece.node for piece in train]
        functions = self.train_function(train)
        if self.container:
            functions += f"\n\n\n{self.predict_function(predict)}"
            nodes += [piece.node for piece in predict]
            nodes += [plan.prediction[1]] if plan.prediction else []
        if not self.features:
            nodes += [ast.parse(line) for line in self.zones]
        module, _ = module_text(plan, nodes)
        return (
            f'"""Lifted from {self.source} by `slipway init`; what was left out is listed at the end."""\n\n'
            f"{separated(module)}{functions}\n{self.left_out()}"
        ).replace("\n\n\n\n\n", "\n\n\n")

    def opening(self, changed):
        """A caller's table stays as it is."""
        zones = [] if self.features else self.zones
        return ["data = data.copy()", *zones] if changed or zones else []

    def train_function(self, pieces):
        plan = self.plan
        changed = any(piece.fact.changes & plan.frames and piece.fact not in plan.slices.reads for piece in pieces)
        body = [*self.opening(changed), body_of(plan, pieces), f"return {self.returned()}"]
        return (
            "def train(data, hyperparameters):\n"
            f'{INDENT}"""Fits the model to the training rows.\n\n'
            f"{INDENT}data: a DataFrame with the columns of model.ts and the label. hyperparameters: those of model.ts.\n"
            f'{INDENT}"""\n'
            f"{indented(chr(10).join(part for part in body if part))}"
        )

    def kept(self):
        return sorted(self.plan.state - {self.plan.model})

    def model_text(self):
        """GridSearchCV and the like are searches; what they found is the model."""
        estimator = self.plan.train_constructor
        return f"{self.plan.model}.best_estimator_" if estimator in ("GridSearchCV", "RandomizedSearchCV") else self.plan.model

    def returned(self):
        kept = self.kept()
        if not kept or not self.container:
            return self.model_text()
        fields = ", ".join(f'"{name}": {name}' for name in kept)
        return f'{{"model": {self.model_text()}, {fields}}}'

    def predict_function(self, pieces):
        plan = self.plan
        opening = [f"{plan.model} = fitted"]
        if self.kept():
            opening = [f'{name} = fitted["{name if name != plan.model else "model"}"]' for name in (plan.model, *self.kept())]
        changed = any(piece.fact.changes & plan.frames and piece.fact not in plan.slices.reads for piece in pieces)
        if plan.prediction:
            answer = ast.unparse(renamed(plan.prediction[1], plan.names))
        else:
            answer = None
        last = f"return {answer}" if answer else 'raise NotImplementedError("write what the model answers for these rows")'
        body = [*opening, *self.opening(changed), body_of(plan, pieces), last]
        return (
            "def predict(fitted, data):\n"
            f'{INDENT}"""One number for each row of data, in the same order."""\n'
            f"{indented(chr(10).join(part for part in body if part))}"
        )

    def left_out(self):
        places = self.plan.program.left_out
        if not places:
            return ""
        lines = ["", "", "# Left out of the notebook (cells of code counted from the top):"]
        for place in places:
            code = place["code"].split("\n")[0]
            code = code if len(code) <= 60 else f"{code[:59]}…"
            lines.append(f"#   cell {place['cell']}, line {place['line']}: {code}  ({place['reason']})")
        return "\n".join(lines) + "\n"
