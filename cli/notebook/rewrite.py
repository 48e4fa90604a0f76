"""Changes of code: names, statistics that are learned once, and what looked at the rows held out."""

import ast
import copy
import re

from find import calls, method
from names import base, root
from slices import is_statistic

def text_of(statement, node):
    """A statement as it was written, where nothing of it was changed."""
    same = statement.whole and statement.code and ast.dump(node) == ast.dump(statement.node)
    return statement.code if same else ast.unparse(node)


class Renamed(ast.NodeTransformer):
    def __init__(self, names):
        self.names = names

    def visit_arg(self, node):
        node.arg = self.names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node):
        node.name = self.names.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_Name(self, node):
        if node.id in self.names:
            return ast.copy_location(ast.Name(self.names[node.id], node.ctx), node)
        return node

    def visit_Tuple(self, node):
        self.generic_visit(node)
        # for frame in (train, test): both are the same rows now.
        kept = []
        names = set()
        for each in node.elts:
            if isinstance(each, ast.Name) and each.id in self.names.values():
                if each.id in names:
                    continue
                names.add(each.id)
            kept.append(each)
        node.elts = kept
        return node

    visit_List = visit_Tuple


def renamed(node, names):
    """The node itself where none of the names is in it."""
    if not any(getattr(each, "id", getattr(each, "name", None)) in names for each in ast.walk(node)):
        return node
    return ast.fix_missing_locations(Renamed(names).visit(copy.deepcopy(node)))


class ReplacedReading(ast.NodeTransformer):
    def __init__(self, call):
        self.call = ast.dump(call)

    def visit_Call(self, node):
        if ast.dump(node) == self.call:
            return ast.copy_location(ast.Name("data", ast.Load()), node)
        return self.generic_visit(node)


def without_reading(node, call):
    """The statement with the table in the place of what read it; None where nothing else is in it."""
    if isinstance(node, ast.Assign) and node.value is call:
        return None
    return ast.fix_missing_locations(ReplacedReading(call).visit(copy.deepcopy(node)))


class WithoutNames(ast.NodeTransformer):
    """Leaves out inner statements and arguments that use any of some names."""

    def __init__(self, names):
        self.names = set(names)
        self.lines = []

    def uses(self, node):
        return any(isinstance(each, ast.Name) and each.id in self.names for each in ast.walk(node))

    def visit_Call(self, node):
        kept = []
        for keyword in node.keywords:
            if self.uses(keyword.value):
                self.lines.append((node.lineno, f"{keyword.arg}={ast.unparse(keyword.value)}"))
            else:
                kept.append(keyword)
        node.keywords = kept
        return self.generic_visit(node)

    def body(self, statements):
        kept = []
        for statement in statements:
            inner = self.visit(copy.deepcopy(statement))
            empty = isinstance(inner, ast.With) and all(isinstance(each, ast.Pass) for each in inner.body)
            if empty or (self.uses(inner) and not isinstance(inner, (ast.For, ast.While))):
                self.lines.append((statement.lineno, ast.unparse(statement).split("\n")[0]))
                self.names |= {
                    each.id
                    for each in ast.walk(statement)
                    if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
                }
            else:
                kept.append(inner)
        return kept or [ast.Pass()]

    def visit_For(self, node):
        node.body = self.body(node.body)
        return node

    visit_While = visit_For

    def visit_With(self, node):
        node.body = self.body(node.body)
        return node

    def visit_If(self, node):
        node.body = self.body(node.body)
        if node.orelse:
            node.orelse = self.body(node.orelse)
        return node


def without_names(node, names):
    """The statement without what needs those names, and the (line, code) that went."""
    if not any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node)):
        return node, []
    cleaner = WithoutNames(names)
    cleaned = cleaner.visit(copy.deepcopy(node))
    return ast.fix_missing_locations(cleaned), cleaner.lines


def without_early_stopping(node):
    """Without the arguments that need rows to look at while training."""
    gone = []
    node = copy.deepcopy(node)
    for call in calls(node):
        kept = []
        for keyword in call.keywords:
            if keyword.arg in ("early_stopping_rounds", "callbacks"):
                gone.append((call.lineno, f"{keyword.arg}={ast.unparse(keyword.value)}"))
            else:
                kept.append(keyword)
        call.keywords = kept
    return ast.fix_missing_locations(node), gone


class Statistics(ast.NodeTransformer):
    """Gives each statistic of a column a name; the statement takes it from there."""

    def __init__(self, frames, label):
        self.frames = frames
        self.label = label
        self.found = []

    def visit(self, node):
        if isinstance(node, ast.expr) and is_statistic(node) and root(node) in self.frames:
            name = f"learned_{len(self.found) + 1}"
            self.found.append((name, node))
            return ast.copy_location(ast.Name(name, ast.Load()), node)
        return self.generic_visit(node)

    def visit_Lambda(self, node):
        return node


class Asking(ast.NodeTransformer):
    """Encoders are fitted in training, and only asked afterwards."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if method(node) == "fit_transform" and base(node.func.value) is not None:
            node.func.attr = "transform"
            del node.args[1:]
        return node


def asking(node):
    if any(method(call) == "fit_transform" for call in calls(node)):
        return ast.fix_missing_locations(Asking().visit(copy.deepcopy(node)))
    return node


def kept_columns(node, columns):
    """df = df.loc[mask, columns] without the mask, of the columns that there are."""
    name = ast.unparse(node.targets[0])
    listed = ast.unparse(columns)
    kept = ast.parse(f"{name} = {name}[[column for column in {listed} if column in {name}]]").body[0]
    return ast.fix_missing_locations(ast.copy_location(kept, node))


CLASSIFIERS = re.compile(r"(Classifier|LogisticRegression|LogisticRegressionCV|NB|SVC|DiscriminantAnalysis)$")


class Probable(ast.NodeTransformer):
    """model.predict(X) of a classifier gives classes; asked for is how likely class 1 is."""

    def __init__(self, model):
        self.model = model
        self.changed = False

    def visit_Call(self, node):
        self.generic_visit(node)
        if method(node) == "predict" and base(node.func.value) == self.model:
            self.changed = True
            node.func.attr = "predict_proba"
            column = ast.Tuple([ast.Slice(), ast.Constant(1)], ast.Load())
            return ast.copy_location(ast.Subscript(node, column, ast.Load()), node)
        return node


def dummies_of(node):
    """The name that a statement gives to the columns of pd.get_dummies."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        if any(method(call) == "get_dummies" for call in calls(node)):
            return node.targets[0].id
    return None


class Forgiving(ast.NodeTransformer):
    """Columns that a caller does not send can be dropped all the same."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if method(node) == "drop" and not any(each.arg == "errors" for each in node.keywords):
            if any(each.arg in ("columns", "axis") for each in node.keywords) or len(node.args) > 1:
                node.keywords.append(ast.keyword("errors", ast.Constant("ignore")))
        return node


def forgiving(node):
    if any(method(call) == "drop" and base(call.func.value) for call in calls(node)):
        return ast.fix_missing_locations(Forgiving().visit(copy.deepcopy(node)))
    return node
