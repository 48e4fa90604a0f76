"""What a model takes in, from features.json: declared features, or raw columns as they are."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from slipway_trainer.errors import TrainingInputError

TYPES = ("string", "integer", "number", "boolean", "timestamp")


@dataclass(frozen=True, eq=False)
class Specification:
    """`columns` is None for declared features; else name and type of each, in the order of the input."""

    names: list[str]
    columns: list[dict] | None

    @property
    def hidden(self) -> list[str]:
        """Columns whose values no message tells."""
        return [column["name"] for column in self.columns or [] if column.get("sensitive")]

    def type_of(self, name: str) -> str:
        return self._types.get(name, "number")

    @cached_property
    def _types(self) -> dict[str, str]:
        return {column["name"]: column["type"] for column in self.columns or []}


def read_specification(folder: Path) -> Specification:
    """Raises TrainingInputError."""
    from slipway_trainer.tables import feature_names

    path = folder / "features.json"
    document = json.loads(path.read_bytes()) if path.is_file() else {}
    if document.get("input", "features") == "features":
        return Specification(feature_names(folder), None)
    columns = document.get("columns")
    if not isinstance(columns, list) or not columns:
        raise TrainingInputError(f"{path} says input '{document['input']}' and names no columns.")
    for column in columns:
        if column.get("type") not in TYPES:
            raise TrainingInputError(
                f"{path}: column '{column.get('name')}' is of type {column.get('type')!r}; it must be one of {', '.join(TYPES)}."
            )
    return Specification([column["name"] for column in columns], columns)
