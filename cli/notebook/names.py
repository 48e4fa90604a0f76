"""Which names a statement needs, binds and may change."""

import ast
import builtins

BUILTINS = frozenset(dir(builtins)) | {"display", "get_ipython", "__name__", "__file__"}

# Methods that change what they are called on, of frames, containers, estimators and modules.
CHANGING = frozenset(
    "add append backward clear compile cpu cuda double drop_duplicates eval extend fit float half "
    "fit_transform insert load_state_dict partial_fit pop popitem remove set_index set_params "
    "setdefault sort step to train update zero_grad".split()
)
CHANGING_IF_ASKED = frozenset(
    "clip drop drop_duplicates dropna eval fillna mask query rename replace reset_index set_index "
    "sort_values where interpolate ffill bfill".split()
)


class Free(ast.NodeVisitor):
    """Free names of a piece of code, in the order in which it is evaluated."""

    def __init__(self, bound=()):
        self.bound = set(bound)
        self.uses = set()
        self.late = set()

    def load(self, name):
        if name not in self.bound:
            self.uses.add(name)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
        else:
            self.bound.add(node.id)

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_NamedExpr(self, node):
        self.visit(node.value)
        self.visit(node.target)

    def visit_AugAssign(self, node):
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
        self.visit(node.target)

    def visit_For(self, node):
        self.visit(node.iter)
        self.visit(node.target)
        for child in (*node.body, *node.orelse):
            self.visit(child)

    visit_AsyncFor = visit_For

    def visit_With(self, node):
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.visit(item.optional_vars)
        for child in node.body:
            self.visit(child)

    visit_AsyncWith = visit_With

    def visit_ExceptHandler(self, node):
        if node.type is not None:
            self.visit(node.type)
        if node.name:
            self.bound.add(node.name)
        for child in node.body:
            self.visit(child)

    def visit_Import(self, node):
        for alias in node.names:
            self.bound.add(alias.asname or alias.name.split(".")[0])

    visit_ImportFrom = visit_Import

    def visit_comprehension_like(self, node):
        inner = Free(self.bound)
        for generator in node.generators:
            inner.visit(generator.iter)
            inner.visit(generator.target)
            for condition in generator.ifs:
                inner.visit(condition)
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                inner.visit(getattr(node, field))
        self.uses |= inner.uses
        self.late |= inner.late

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_comprehension_like

    def inner_function(self, node, body):
        arguments = node.args
        for default in (*arguments.defaults, *filter(None, arguments.kw_defaults)):
            self.visit(default)
        names = [
            each.arg
            for each in (
                *arguments.posonlyargs,
                *arguments.args,
                *arguments.kwonlyargs,
                *filter(None, (arguments.vararg, arguments.kwarg)),
            )
        ]
        inner = Free(names)
        inner.bound |= assigned_in(body)
        for child in body:
            inner.visit(child)
        # What the body needs is needed when it is called, not when it is defined.
        self.late |= inner.uses | inner.late

    def visit_Lambda(self, node):
        self.inner_function(node, [node.body])

    def visit_FunctionDef(self, node):
        for decorator in node.decorator_list:
            self.visit(decorator)
        self.inner_function(node, node.body)
        self.bound.add(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        for child in (*node.decorator_list, *node.bases, *(each.value for each in node.keywords)):
            self.visit(child)
        inner = Free()
        for child in node.body:
            inner.visit(child)
        self.uses |= inner.uses - self.bound
        self.late |= inner.late
        self.bound.add(node.name)


def assigned_in(body):
    """Names that a function's own body binds, without those of functions in it."""
    names = set()
    declared = set()
    pending = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        elif isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            declared |= set(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        pending.extend(ast.iter_child_nodes(node))
    return names - declared


def free(node):
    """Names that a node needs at once, names that it needs when it is called, and names that it binds."""
    visitor = Free()
    visitor.visit(node)
    late = visitor.late - visitor.bound if not isinstance(node, ast.stmt) else visitor.late
    return visitor.uses - BUILTINS, late - BUILTINS - visitor.uses, visitor.bound


def root(node):
    """The name that an expression such as a.b['c'].d begins with; None where it begins otherwise."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def base(node):
    """As root, where no call lies between: what is changed when something is stored there."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def asks_inplace(call):
    return any(
        keyword.arg == "inplace"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for keyword in call.keywords
    )


def changed_by_call(call, functions):
    """Names that a call may change."""
    changed = set()
    if isinstance(call.func, ast.Attribute):
        name = base(call.func.value)
        method = call.func.attr
        if name and (method in CHANGING and method not in CHANGING_IF_ASKED):
            changed.add(name)
        if name and method in CHANGING_IF_ASKED and asks_inplace(call):
            changed.add(name)
        if name and method.endswith("_") and not method.startswith("_"):
            changed.add(name)
    elif isinstance(call.func, ast.Name) and call.func.id in functions:
        parameters, touched = functions[call.func.id]
        for parameter, argument in zip(parameters, call.args):
            if parameter in touched and base(argument):
                changed.add(base(argument))
        for keyword in call.keywords:
            if keyword.arg in touched and base(keyword.value):
                changed.add(base(keyword.value))
    return changed


def changed_by_command(call):
    """A call whose result nobody takes is there for what it changes: its object, and what it is given."""
    if isinstance(call.func, ast.Name) and call.func.id in ("print", "display"):
        return set()
    if isinstance(call.func, ast.Attribute):
        return {call.func.value.id} if isinstance(call.func.value, ast.Name) else set()
    return {each.id for each in call.args if isinstance(each, ast.Name)}


def changes(node, functions):
    """Names that may be other things afterwards: bound ones and those that are changed in place.

    Args:
        functions: name → (its parameters, those that it changes), of the notebook's own functions
    """
    changed = set(free(node)[2]) if isinstance(node, ast.stmt) else set()
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return changed
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            changed |= changed_by_call(child, functions)
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
            changed |= changed_by_command(child.value)
        elif isinstance(child, (ast.Subscript, ast.Attribute)) and isinstance(
            child.ctx, (ast.Store, ast.Del)
        ):
            name = base(child)
            if name:
                changed.add(name)
    return changed


def touched_parameters(function, functions):
    """Parameters of a function that it changes."""
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    touched = set()
    for child in function.body:
        for node in ast.walk(child):
            if isinstance(node, ast.Call):
                touched |= changed_by_call(node, functions)
            elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(
                node.ctx, (ast.Store, ast.Del)
            ):
                touched.add(base(node))
    # What has been bound anew is no longer the caller's.
    rebound = {
        target.id
        for child in function.body
        if isinstance(child, ast.Assign)
        for target in child.targets
        if isinstance(target, ast.Name)
    }
    return names, (touched & set(names)) - rebound
