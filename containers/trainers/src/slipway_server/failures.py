"""The user's own code failed: said with their file and line first, as they would look for it."""

import json
import traceback
from pathlib import Path

# A value shorter than this is found in any message by chance.
SHORTEST_VALUE = 3


class UserCodeError(Exception):
    """`str()` is `train.py:41 in train: KeyError: 'plan'`, then one line per frame of the user's files."""


def user_error(
    error: BaseException, folder: Path, hidden: dict[str, list] | None = None
) -> UserCodeError:
    """Names the innermost line of a file in the folder. `hidden`: values by column that are not told."""
    frames = user_frames(error, folder)
    told = _without_values(f"{type(error).__name__}: {error}", hidden or {})
    if isinstance(error, ModuleNotFoundError):
        told += "; add the package to the model's requirements.txt, pinned with =="
    if not frames:
        return UserCodeError(told)
    lines = [f"{_place(frames[-1], folder)}: {told}"]
    lines += [
        f"  {_place(frame, folder)}" + (f"\n    {frame.line}" if frame.line else "")
        for frame in frames
    ]
    return UserCodeError("\n".join(lines))


def user_frames(error: BaseException, folder: Path) -> list[traceback.FrameSummary]:
    """Frames in the user's files, outermost first; of a syntax error the line that cannot be read."""
    root, ours = folder, Path(__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if is_in(frame.filename, root) and not is_in(frame.filename, ours)
    ]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        line = (error.text or "").strip()
        frames.append(traceback.FrameSummary(error.filename, error.lineno, "<file>", line=line))
    return frames


def is_in(filename: str, folder: Path) -> bool:
    """Whether a frame's file is in the folder. Compiled libraries name their sources by relative paths."""
    path = Path(filename)
    return path.is_absolute() and path.resolve().is_relative_to(folder.resolve())


def _place(frame: traceback.FrameSummary, folder: Path) -> str:
    path = Path(frame.filename).resolve()
    root = folder.resolve()
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    where = "" if frame.name in ("<module>", "<file>") else f" in {frame.name}"
    return f"{name}:{frame.lineno}{where}"


def _without_values(message: str, hidden: dict[str, list]) -> str:
    """A library's message may quote a caller's data ("could not convert string to float: 'Ann'")."""
    found = {
        (text, column)
        for column, values in hidden.items()
        for text in {value if isinstance(value, str) else json.dumps(value) for value in values}
        if len(text) >= SHORTEST_VALUE and text in message
    }
    for text, column in sorted(found, key=lambda pair: -len(pair[0])):
        message = message.replace(text, f"<value of {column}>")
    return message
