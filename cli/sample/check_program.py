"""Compiles a model's Python files, and runs none of them. What cannot be compiled is told as a training tells it."""

import sys
from pathlib import Path

from failures import user_error


def mistakes(folder):
    for path in sorted(folder.glob("*.py")):
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except SyntaxError as error:
            yield str(user_error(error, folder))
        except ValueError as error:  # A null byte, to Python 3.11.
            yield f"{path.name}: {error}"


if __name__ == "__main__":
    told = list(mistakes(Path(sys.argv[1]).resolve()))
    print("\n".join(told))
    sys.exit(1 if told else 0)
