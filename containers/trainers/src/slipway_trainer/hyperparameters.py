"""Hyperparameters are checked against a declaration before anything slow starts."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from slipway_trainer.errors import HyperparameterError


@dataclass(frozen=True)
class Number:
    """A number between two bounds, both included unless `above` excludes the lower one."""

    minimum: float
    maximum: float = math.inf
    integer: bool = False
    above: bool = False
    default: float | None = None
    required: bool = False

    def described(self) -> str:
        kind = "an integer" if self.integer else "a number"
        lower = f"{'above' if self.above else 'of at least'} {self.minimum:g}"
        upper = "" if math.isinf(self.maximum) else f" and at most {self.maximum:g}"
        return f"{kind} {lower}{upper}"

    def parsed(self, value: object) -> int | float | None:
        """The value in its type; None when it is not allowed."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if not math.isfinite(value) or value > self.maximum or value < self.minimum:
            return None
        if self.above and value == self.minimum:
            return None
        if self.integer:
            return int(value) if value == int(value) else None
        return float(value)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    values: tuple[str, ...]
    default: str | None = None
    required: bool = False

    def described(self) -> str:
        return "one of " + ", ".join(self.values)

    def parsed(self, value: object) -> str | None:
        return value if isinstance(value, str) and value in self.values else None


Declaration = Mapping[str, Number | Choice]

SEED = Number(0, 2**31 - 1, integer=True, default=0)

# What every trainer understands.
COMMON: Declaration = {
    "task": Choice(
        ("binary_classification", "regression", "multiclass_classification"), required=True
    ),
    "seed": SEED,
    "checkpoint_interval_seconds": Number(0, above=True, default=60.0),
    "checkpoint_interval_rounds": Number(1, integer=True),
    "parity_rows": Number(1, 100_000, integer=True, default=1000),
}


def check(values: Mapping[str, object], declared: Declaration) -> dict[str, object]:
    """The values in their types, defaults filled in; absent ones without a default are left out.

    Raises HyperparameterError that names the hyperparameter, its value and what is allowed.
    """
    for name in values:
        if name not in declared:
            raise HyperparameterError(_unknown(name, values[name], declared))
    checked: dict[str, object] = {}
    for name, rule in declared.items():
        if name not in values:
            if rule.required:
                raise HyperparameterError(
                    f"hyperparameter '{name}' is missing; set it to {rule.described()}."
                )
            if rule.default is not None:
                checked[name] = rule.default
            continue
        value = rule.parsed(values[name])
        if value is None:
            raise HyperparameterError(
                f"hyperparameter '{name}' is {values[name]!r}; set it to {rule.described()}."
            )
        checked[name] = value
    return checked


def _unknown(name: str, value: object, declared: Declaration) -> str:
    near = difflib.get_close_matches(name, declared, n=1)
    fix = f"did you mean '{near[0]}'?" if near else "remove it."
    return (
        f"hyperparameter '{name}' (value {value!r}) is unknown; {fix} "
        f"Known: {', '.join(sorted(declared))}."
    )
