"""A model as its callers see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

from slipway_client._chunks import Chunk, chunks
from slipway_client._errors import InvalidRequestError, Problem, SlipwayError, UnexpectedReplyError, problems_of
from slipway_client._rows import Row, encoded, is_frame, plain, rows_of
from slipway_client._transport import Transport

if TYPE_CHECKING:
    import pandas

MAXIMUM_INSTANCES = 1_000
"""Rows that one request to :predict may have."""
MAXIMUM_LABELS = 10_000
"""Labels that one request to :feedback may have."""


@dataclass(frozen=True)
class Prediction:
    """The answer about one row."""

    prediction: float
    """The probability of class 1, or the value."""
    prediction_id: str
    """Leads to the version and to the log; feedback() takes it."""
    version: int
    """Of the model; rows of one call may have different ones, where another went live meanwhile."""
    details: Mapping[str, Any] | None = None
    """What else the model says about the row, where it says more."""


class Model:
    """One model. Made by Slipway.model()."""

    def __init__(self, transport: Transport, name: str) -> None:
        self.name = name
        self._transport = transport
        self._path = f"v1/models/{name}"

    def __repr__(self) -> str:
        return f"Model({self.name!r})"

    @overload
    def predict(self, data: pandas.DataFrame, *, maximum_rows: int = ...) -> pandas.DataFrame: ...
    @overload
    def predict(self, data: Sequence[Row], *, maximum_rows: int = ...) -> list[Prediction]: ...
    def predict(self, data: Any, *, maximum_rows: int = MAXIMUM_INSTANCES) -> Any:
        """What the live version says about each row.

        data: a DataFrame, or a list of dicts, with the raw columns that the model reads. None, NaN, NaT and
            pandas.NA are sent as missing; an instant without a zone counts as UTC.
        maximum_rows: of one request, 1 to 1,000; less where a model needs long for a row.

        A DataFrame gives a DataFrame with the same index and the columns prediction, prediction_id and version,
        and details where the model gives any; a list gives a list of Prediction.

        More rows than one request takes are sent in several, one after the other. One that failed is sent again:
        it changes nothing but the prediction log, where rows that were answered unheard are twice, with other ids.

        Raises SlipwayError; its `completed` has the answers to the rows before the failed request.
        """
        if not 1 <= maximum_rows <= MAXIMUM_INSTANCES:
            raise ValueError(f"maximum_rows is 1 to {MAXIMUM_INSTANCES} (received {maximum_rows})")
        answers: list[Prediction] = []
        try:
            for chunk in chunks(encoded(rows_of(data)), "instances", maximum_rows):
                answers.extend(self._answers(chunk, data))
        except SlipwayError as error:
            error.completed = _as_given(answers, data)
            raise
        return _as_given(answers, data)

    def feedback(
        self, data: Any, *, label: str = "label", prediction_id: str = "prediction_id", key: str | None = None
    ) -> int:
        """Tells what turned out. Returns how many labels were accepted.

        data: a DataFrame or a list of dicts; columns other than those named here are not sent.
        label: the column with what turned out, a number or a bool.
        prediction_id: the column with the ids that predict() gave.
        key: instead of it, the column with the values of the model's entity key; each then means that entity's
            latest prediction.

        Labels may come again, in any order: the newest of a prediction counts, so that a failed call is simply
        made again. Raises SlipwayError; its `completed` has the number of labels accepted before.
        """
        subject, name = (prediction_id, "prediction_id") if key is None else (key, "entity_key")
        accepted = 0
        try:
            labels = _labels(rows_of(data), label, subject, name)
            for chunk in chunks(encoded(labels), "labels", MAXIMUM_LABELS):
                accepted += self._accepted(chunk, {name: subject, "label": label})
        except SlipwayError as error:
            error.completed = accepted
            raise
        return accepted

    def ready(self) -> bool:
        """Whether a version answers. Raises RetiredError where none ever will, other SlipwayErrors as predict()."""
        return self._status().get("ready") is True

    def live_version(self) -> int | None:
        """The version that answers; None where there is none yet. Raises as ready()."""
        status = self._status()
        return None if status.get("model_version") is None else _version_of(status)

    def _status(self) -> dict[str, Any]:
        return self._transport.ask("GET", self._path)

    def _answers(self, chunk: Chunk, data: Any) -> list[Prediction]:
        try:
            reply = self._transport.ask("POST", f"{self._path}:predict", chunk.body("instances"))
        except InvalidRequestError as error:
            problems = problems_of(error.message, chunk.first_row, _fields_of(data))
            raise InvalidRequestError(problems, error.status) from None
        rows = len(chunk.rows)
        predictions, ids = _list_of(reply, "predictions", rows), _list_of(reply, "prediction_ids", rows)
        version = _version_of(reply)
        return [_prediction(value, id_, version) for value, id_ in zip(predictions, ids, strict=True)]

    def _accepted(self, chunk: Chunk, columns: Mapping[str, str]) -> int:
        try:
            reply = self._transport.ask("POST", f"{self._path}:feedback", chunk.body("labels"))
        except InvalidRequestError as error:
            problems = [
                replace(problem, field=columns.get(problem.field or "", problem.field))
                for problem in problems_of(error.message, chunk.first_row, list(columns))
            ]
            raise InvalidRequestError(problems, error.status) from None
        return int(reply.get("accepted", 0))


def _list_of(reply: Mapping[str, Any], name: str, length: int) -> list[Any]:
    value = reply.get(name)
    if not isinstance(value, list) or len(value) != length:
        raise UnexpectedReplyError(f"the reply's {name} are not one for each of {length} rows", 200)
    return value


def _version_of(reply: Mapping[str, Any]) -> int:
    version = str(reply.get("model_version"))
    if not version.isdecimal():
        raise UnexpectedReplyError(f"the reply's model_version is no number (received {version!r})", 200)
    return int(version)


def _fields_of(data: Any) -> list[str]:
    if is_frame(data):
        return list(data.columns)
    return list({name for row in data for name in row})


def _prediction(value: Any, prediction_id: str, version: int) -> Prediction:
    said = value if isinstance(value, dict) else {"prediction": value}
    number = said.get("prediction")
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise UnexpectedReplyError(f"the prediction {prediction_id} is no number (received {number!r})", 200)
    details = {name: detail for name, detail in said.items() if name != "prediction"}
    return Prediction(float(number), prediction_id, version, details or None)


def _as_given(answers: list[Prediction], data: Any) -> Any:
    """A frame's answers as a frame with its index, a list's as they are."""
    if not is_frame(data):
        return answers
    import pandas

    columns: dict[str, list[Any]] = {
        "prediction": [answer.prediction for answer in answers],
        "prediction_id": [answer.prediction_id for answer in answers],
        "version": [answer.version for answer in answers],
    }
    if any(answer.details is not None for answer in answers):
        columns["details"] = [answer.details for answer in answers]
    return pandas.DataFrame(columns, index=data.index[: len(answers)])


def _labels(rows: Iterator[Row], label: str, subject: str, name: str) -> Iterator[Row]:
    for position, row in enumerate(rows):
        values = {}
        for column, field in ((subject, name), (label, "label")):
            if column not in row:
                raise ValueError(
                    f"row {position} has no column {column!r} (it has {', '.join(map(repr, row))}); name the columns, "
                    "as in feedback(data, label='left', key='customer')"
                )
            values[field] = _known(row[column], position, column)
        yield values


def _known(value: Any, position: int, column: str) -> Any:
    try:
        known = plain(value)
    except ValueError as error:
        raise InvalidRequestError([Problem(position, column, str(error))]) from None
    if known is None:
        raise InvalidRequestError([Problem(position, column, "is missing; leave out rows that are not known yet")])
    return known
