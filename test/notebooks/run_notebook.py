"""Runs a notebook's cells in the order in which they were run, in the current folder.

A kernel would do the same with packages that no model needs: magics are taken out as the lifter takes them
out, and what is drawn goes nowhere.
"""

import json
import pathlib
import sys
import types

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "cli" / "notebook"))

from cells import read_cells, without_magics


class Nothing:
    """A picture that nobody sees: whatever is done with it gives another one."""

    def __getattr__(self, _name):
        return self

    def __call__(self, *_arguments, **_keywords):
        return self

    def __iter__(self):
        return iter((self, self))


NOTHING = Nothing()


def nothing(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return NOTHING


def without_pictures():
    for name in ("matplotlib", "matplotlib.pyplot", "no_pictures"):
        module = types.ModuleType(name)
        module.__getattr__ = nothing
        module.plot = NOTHING
        sys.modules[name] = module
    sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]
    import pandas

    pandas.set_option("plotting.backend", "no_pictures")


def main():
    path = pathlib.Path(sys.argv[1])
    cells = [cell for cell in read_cells(path.read_text(encoding="utf-8"), path.name) if cell.execution_count]
    without_pictures()
    names = {"__name__": "__main__", "display": print}
    for cell in sorted(cells, key=lambda cell: cell.execution_count):
        source, _ = without_magics(cell.source)
        exec(compile(source, f"cell {cell.number}", "exec"), names)


if __name__ == "__main__":
    main()
