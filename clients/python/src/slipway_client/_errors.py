"""What can go wrong, each by a name that a caller can catch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class SlipwayError(Exception):
    """The request could not be answered.

    status: the reply's HTTP status; None where nothing was sent or no reply came.
    attempts: how often it was tried.
    completed: what had been done before: of predict(), the answers to the rows before the failed request, in
        the form that predict() gives; of feedback(), the number of labels that were accepted.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.attempts = 1
        self.completed: Any = None

    def __str__(self) -> str:
        return self.message if self.attempts == 1 else f"{self.message} (tried {self.attempts} times)"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request."""

    row: int | None
    """Position, from 0, in the data that was given, as in frame.iloc[row]; None: it concerns no single row."""
    field: str | None
    message: str

    def __str__(self) -> str:
        place = [] if self.row is None else [f"row {self.row}"]
        place += [] if self.field is None else [self.field]
        return f"{', '.join(place)}: {self.message}" if place else self.message


def _grouped(problems: Sequence[Problem]) -> str:
    """Each mistake once: `left: is the label: leave it out (row 0 and 99 more)`."""
    rows: dict[tuple[str | None, str], list[Problem]] = {}
    for problem in problems:
        rows.setdefault((problem.field, problem.message), []).append(problem)
    return "; ".join(
        str(same[0])
        if len(same) == 1
        else f"{'' if field is None else f'{field}: '}{message} (row {same[0].row} and {len(same) - 1} more)"
        for (field, message), same in rows.items()
    )


class InvalidRequestError(SlipwayError):
    """The rows are not what the model takes. `problems` names rows and fields, with what to send instead.

    Its text tells a mistake that many rows share once.
    """

    def __init__(self, problems: Sequence[Problem], status: int | None = None) -> None:
        super().__init__(_grouped(problems), status)
        self.problems = tuple(problems)


class AuthenticationError(SlipwayError):
    """There are no credentials, or they are not valid, or have expired."""


class AccessDeniedError(SlipwayError):
    """The credentials are valid and do not allow this model and action."""


class UnknownModelError(SlipwayError):
    """No model has this name here."""


class NotLiveError(SlipwayError):
    """The model has no live version yet."""


class RetiredError(SlipwayError):
    """The model was retired: no version answers any more."""


class TemporaryError(SlipwayError):
    """It may succeed if tried again; it was, until the deadline."""

    retry_after_seconds: float | None = None


class ThrottledError(TemporaryError):
    """Too many requests: the environment's limit is used up."""


class UnavailableError(TemporaryError):
    """No answer came, or none in time: the connection failed, or a version is loading."""


class ServerError(SlipwayError):
    """The platform failed; its log has the reason, under the request's id that the message names."""


class UnexpectedReplyError(SlipwayError):
    """What answered is not Slipway's API, or something between changed its reply."""


_NEXT_PROBLEM = re.compile(r"; (?=(?:instances|labels)\[\d+\]|and \d+ more$)")
_PLACE = re.compile(r"(?:instances|labels)\[(\d+)\]")


def problems_of(text: str, first_row: int, fields: Sequence[str]) -> list[Problem]:
    """A reply's text of what is wrong, by row and field.

    first_row: position of the request's first row in the data that was given
    fields: the names that were sent; a name may have a colon in it
    """
    return [_problem(part, first_row, fields) for part in _NEXT_PROBLEM.split(text)]


def _problem(text: str, first_row: int, fields: Sequence[str]) -> Problem:
    place = _PLACE.match(text)
    if place is None:
        return Problem(None, None, text)
    row = first_row + int(place[1])
    rest = text[place.end() :]
    if not rest.startswith("."):
        return Problem(row, None, rest.removeprefix(": "))
    rest = rest[1:]
    sent = [name for name in fields if rest.startswith(f"{name}: ")]
    name = max(sent, key=len) if sent else rest.partition(": ")[0]
    return Problem(row, name.strip('"'), rest[len(name) + 2 :])
