"""Code cells of a notebook as statements of plain Python, each with its place."""

import ast
import dataclasses
import json
import re


class NotebookError(Exception):
    """The notebook cannot be read; the message says where, and the fix."""


@dataclasses.dataclass
class Cell:
    """A code cell. Its number counts the code cells from the top, from 1 on."""

    number: int
    source: str
    tags: tuple[str, ...]
    execution_count: int | None


@dataclasses.dataclass(eq=False)
class Statement:
    """A top-level statement; its line counts from 1 within its cell."""

    node: ast.stmt
    cell: int
    line: int
    code: str
    tag: str | None
    """Whether the code is of this statement alone."""
    whole: bool = True

    @property
    def place(self):
        return {"cell": self.cell, "line": self.line, "code": self.code[:200]}


# What begins so is a table that the notebook gave no name.
WHOLE = "_whole_"
TAG = re.compile(r"^slipway:(data|features|model|skip)$")


def read_cells(text, name):
    """Code cells of a notebook's JSON.

    Raises:
        NotebookError: the text is no notebook of Python
    """
    try:
        notebook = json.loads(text)
    except ValueError as error:
        raise NotebookError(
            f"{name} is not a notebook: it is not JSON ({error}); save it as .ipynb"
        ) from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise NotebookError(
            f"{name} is not a notebook of version 4: it has no cells; open it in Jupyter and save it"
        )
    metadata = notebook.get("metadata") or {}
    language = (metadata.get("kernelspec") or {}).get("language") or (
        metadata.get("language_info") or {}
    ).get("name", "python")
    if str(language).lower() not in ("python", "python3", "ipython"):
        raise NotebookError(f"{name} is a notebook of {language}; only Python is lifted")
    found = []
    for cell in cells:
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source") or ""
        found.append(
            Cell(
                number=len(found) + 1,
                source="".join(source) if isinstance(source, list) else str(source),
                tags=tuple((cell.get("metadata") or {}).get("tags") or ()),
                execution_count=cell.get("execution_count"),
            )
        )
    return found


def parses(source):
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


CELL_MAGIC_WITH_PYTHON = re.compile(r"^\s*%%(time|timeit|capture|prun)\b")
TIMED = re.compile(r"^(\s*(?:[A-Za-z_]\w*\s*=\s*)?)%(?:time|prun)\s+(.*)$")
MAGIC = re.compile(r"^\s*(?:[A-Za-z_][\w, ]*=\s*)?[%!].*$|^\s*\?.*$|^.*[^?\s]\?{1,2}\s*$")


def without_magics(source):
    """Python alone, with as many lines; and the lines that were magics.

    Returns:
        the source and a list of (line, text)
    """
    if parses(source):
        return source, []
    lines = source.split("\n")
    removed = []
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("%%"):
        at = lines.index(first)
        if not CELL_MAGIC_WITH_PYTHON.match(first):
            return "\n" * (len(lines) - 1), [(at + 1, first)]
        removed.append((at + 1, first))
        lines[at] = ""
    for at, line in enumerate(lines):
        timed = TIMED.match(line)
        if timed:
            lines[at] = timed.group(1) + timed.group(2)
        elif MAGIC.match(line):
            removed.append((at + 1, line.strip()))
            indent = line[: len(line) - len(line.lstrip())]
            lines[at] = f"{indent}pass" if indent else ""
    return "\n".join(lines), removed


def tag_of(cell):
    for tag in cell.tags:
        match = TAG.match(tag)
        if match:
            return match.group(1)
        if tag == "parameters":
            return "parameters"
    return None


def statements_of(cell):
    """Statements of a cell, and the magics that are none.

    Raises:
        NotebookError: a line is no Python
    """
    source, removed = without_magics(cell.source)
    magics = [{"cell": cell.number, "line": line, "code": text[:200]} for line, text in removed]
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        lines = source.split("\n")
        at = error.lineno or 1
        text = lines[at - 1].strip() if at <= len(lines) else ""
        raise NotebookError(
            f"cell {cell.number}, line {at} is no Python ({error.msg}): {text[:100]}; "
            "correct it, run the notebook from top to bottom and save it"
        ) from error
    tag = tag_of(cell)
    return [
        Statement(
            part, cell.number, node.lineno, ast.get_source_segment(source, node) or "", tag, part is node
        )
        for node in tree.body
        for part in parted(node)
    ], magics


def called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def named_arguments(node):
    """train_test_split(df.drop(…), df['y']) with a name for each of its tables."""
    before = []
    arguments = []
    for i, argument in enumerate(node.value.args):
        if isinstance(argument, (ast.Name, ast.Starred)):
            arguments.append(argument)
            continue
        name = f"{WHOLE}{i + 1}"
        before.append(ast.Assign([ast.Name(name, ast.Store())], argument))
        arguments.append(ast.Name(name, ast.Load()))
    if not before:
        return [node]
    call = ast.Call(node.value.func, arguments, node.value.keywords)
    statements = [*before, ast.Assign(node.targets, call)]
    return [ast.fix_missing_locations(ast.copy_location(each, node)) for each in statements]


def parted(node):
    """a, b = c, d as two statements, where none of the values needs one of the names."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return [node]
    if isinstance(node.value, ast.Call) and called(node.value) == "train_test_split":
        return named_arguments(node)
    [target] = node.targets
    if not isinstance(target, ast.Tuple) or not isinstance(node.value, ast.Tuple):
        return [node]
    if len(target.elts) != len(node.value.elts):
        return [node]
    names = {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    if names & {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}:
        return [node]
    return [
        ast.copy_location(ast.Assign([each], value), node)
        for each, value in zip(target.elts, node.value.elts)
    ]
