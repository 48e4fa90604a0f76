"""A notebook as one list of statements in the order in which it ran, with what each needs and changes."""

import ast

from cells import NotebookError, read_cells, statements_of
from names import base, changes, free, root, touched_parameters

PLOTTING = frozenset(
    "matplotlib seaborn plotly altair bokeh missingno IPython warnings ydata_profiling pandas_profiling "
    "sweetviz shap pdpbox wordcloud folium rich".split()
)
LOOKING = frozenset(
    "head tail describe info plot hist boxplot value_counts sample corr nunique show score "
    "isnull isna savefig to_string items memory_usage set_option set_printoptions filterwarnings "
    "predict predict_proba transform get_params".split()
)


SHOWING = frozenset("print display len type sum min max sorted list dict set round dir help vars".split())


class Facts:
    """What is known of a statement."""

    def __init__(self, statement, functions):
        self.statement = statement
        self.node = statement.node
        self.uses, self.late, self.binds = free(self.node)
        self.changes = changes(self.node, functions)
        self.display = False

    @property
    def is_definition(self):
        return isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))

    @property
    def is_import(self):
        return isinstance(self.node, (ast.Import, ast.ImportFrom))


def is_display(node, plotting):
    """Whether a statement is there to be looked at: it shows something and leaves nothing behind."""
    if isinstance(node, ast.Pass):
        return True
    if not isinstance(node, ast.Expr):
        if isinstance(node, (ast.For, ast.While, ast.If, ast.With)):
            header = [node.iter] if isinstance(node, ast.For) else []
            rooted = [root(each) for each in header]
            inner = [*node.body, *node.orelse] if not isinstance(node, ast.With) else node.body
            return all(name not in plotting for name in rooted) and all(
                is_display(each, plotting) for each in inner
            )
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            return root(node.value) in plotting
        return False
    value = node.value
    if not isinstance(value, ast.Call):
        return True
    if isinstance(value.func, ast.Name):
        return value.func.id in SHOWING or value.func.id in plotting
    if root(value) in plotting or root(value) is None:
        return True
    if not isinstance(value.func, ast.Attribute):
        return False
    chain = value.func.value
    return value.func.attr in LOOKING or (isinstance(chain, ast.Attribute) and chain.attr == "plot")


def own_functions(statements):
    functions = {}
    # Twice, because one may call another that is defined further down.
    for _ in range(2):
        for statement in statements:
            if isinstance(statement.node, ast.FunctionDef):
                functions[statement.node.name] = touched_parameters(statement.node, functions)
    return functions


def imported_names(statements):
    return {
        name
        for statement in statements
        if isinstance(statement.node, (ast.Import, ast.ImportFrom))
        for name in free(statement.node)[2]
    }


def plotting_names(statements):
    names = set()
    for statement in statements:
        node = statement.node
        if isinstance(node, ast.Import):
            names |= {
                alias.asname or alias.name.split(".")[0]
                for alias in node.names
                if alias.name.split(".")[0] in PLOTTING
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PLOTTING:
            names |= {alias.asname or alias.name for alias in node.names}
    for statement in statements:
        node = statement.node
        if isinstance(node, ast.Assign) and root(node.value) in names:
            for target in node.targets:
                names |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    return names


def undefined(facts):
    """(statement, name) of everything that is needed before it is there, in this order of statements."""
    defined = set()
    waiting = {}
    found = []
    for fact in facts:
        needed = set(fact.uses)
        pending = [name for name in fact.uses if name in waiting]
        while pending:
            name = pending.pop()
            for late in waiting.pop(name, ()):
                needed.add(late)
                if late in waiting:
                    pending.append(late)
        if not fact.is_definition:
            needed |= fact.late
        found.extend((fact, name) for name in sorted(needed - defined))
        if fact.is_definition:
            waiting[fact.node.name] = set(fact.late)
        defined |= fact.binds
        if has_star_import(fact.node):
            return found
    return found


def has_star_import(node):
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


class Program:
    """Statements in order, without those that were skipped; `notes` say what was done with the others."""

    def __init__(self, text, name):
        self.left_out = []
        self.notes = []
        cells = read_cells(text, name)
        if not cells:
            raise NotebookError(f"{name} has no cell of code")
        by_cell = {}
        for cell in cells:
            statements, magics = statements_of(cell)
            for magic in magics:
                self.leave_out(magic, "a command of Jupyter, not Python")
            if statements and statements[0].tag == "skip":
                self.leave_out(statements[0].place, "tagged slipway:skip")
                continue
            by_cell[cell.number] = statements
        everything = [each for statements in by_cell.values() for each in statements]
        self.functions = own_functions(everything)
        modules = imported_names(everything)
        plotting = plotting_names(everything)
        facts = {}
        for statement in everything:
            fact = Facts(statement, self.functions)
            fact.display = is_display(statement.node, plotting)
            if not fact.is_import:
                # torch.manual_seed(0) leaves torch what it was.
                fact.changes -= modules - fact.binds
            facts[statement] = fact
        self.cells = cells
        self.facts = self.ordered(cells, by_cell, facts)
        self.tagged = any(each.tag for each in everything)

    def leave_out(self, place, reason):
        self.left_out.append({**place, "reason": reason})

    def ordered(self, cells, by_cell, facts):
        """From top to bottom, or as the cells were run where only that works."""
        in_file = [facts[each] for cell in by_cell for each in by_cell[cell]]
        missing = undefined(in_file)
        if not missing:
            return in_file
        counted = [cell for cell in cells if cell.number in by_cell and cell.execution_count]
        order = [cell.number for cell in sorted(counted, key=lambda cell: cell.execution_count)]
        rest = [number for number in by_cell if number not in order]
        as_run = [facts[each] for number in (*order, *rest) for each in by_cell[number]]
        if order != sorted(order) and not undefined(as_run):
            fact, name = missing[0]
            self.notes.append(
                f"The cells do not run from top to bottom: cell {fact.statement.cell} uses "
                f"{name}, {self.where(name, in_file)}. They are taken in the order in which they were "
                f"run: {', '.join(map(str, order))}."
            )
            return as_run
        self.undefined = missing
        return in_file

    undefined = ()

    @staticmethod
    def where(name, facts):
        cells = sorted({fact.statement.cell for fact in facts if name in fact.binds})
        if not cells:
            return "which no cell defines"
        return f"which cell {' and cell '.join(map(str, cells))} defines"

    def refuse_undefined(self, needed):
        """Raises NotebookError where a statement that is needed uses a name that is not there yet."""
        for fact, name in self.undefined:
            if fact in needed:
                code = fact.statement.code.split("\n")[0][:80]
                raise NotebookError(
                    f"the notebook does not run from top to bottom: cell {fact.statement.cell}, line "
                    f"{fact.statement.line} uses {name}, {self.where(name, self.facts)} ({code}); put the "
                    "cells in order, restart the kernel and run all, and save it"
                )


def constants_in(node):
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}


__all__ = ["Facts", "Program", "base", "constants_in", "root", "undefined"]
