from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Api, Reply

from slipway_client import InvalidRequestError, Prediction, Slipway, ThrottledError, UnexpectedReplyError


def sent(api: Api) -> list[Any]:
    return [row for arrived in api.arrived for row in arrived.rows]


def test_a_frame_gives_a_frame_with_its_index(api: Api, slipway: Slipway) -> None:
    frame = pd.DataFrame({"x": [0.25, 0.5], "plan": ["free", None]}, index=["C7", "C9"])
    answers = slipway.model("churn").predict(frame)
    assert list(answers.index) == ["C7", "C9"]
    assert list(answers.columns) == ["prediction", "prediction_id", "version"]
    assert list(answers["prediction"]) == [0.25, 0.5]
    assert set(answers["version"]) == {3}
    assert sent(api) == [{"x": 0.25, "plan": "free"}, {"x": 0.5, "plan": None}]
    (arrived,) = api.arrived
    assert (arrived.method, arrived.path) == ("POST", "/live/v1/models/churn:predict")
    assert arrived.headers["content-type"] == "application/json"


def test_a_list_gives_a_list(slipway: Slipway) -> None:
    assert slipway.model("churn").predict([{"x": 1}]) == [Prediction(1, "churn-v3-1-0", 3)]


def test_nothing_is_asked_about_no_rows(api: Api, slipway: Slipway) -> None:
    assert slipway.model("churn").predict([]) == []
    assert len(slipway.model("churn").predict(pd.DataFrame({"x": []}))) == 0
    assert api.arrived == []


def test_what_the_model_says_besides_is_details(api: Api, slipway: Slipway) -> None:
    def answer(_: Any) -> Reply:
        rows = [{"prediction": 0.3, "label": "cat", "boxes": [[1, 2]]}, 0.5]
        return Reply(200, {"predictions": rows, "prediction_ids": ["a", "b"], "model_version": "1"})

    api.answer = answer
    first, second = slipway.model("churn").predict([{"x": 1}, {"x": 2}])
    assert (first.prediction, first.details) == (0.3, {"label": "cat", "boxes": [[1, 2]]})
    assert (second.prediction, second.details) == (0.5, None)
    frame = slipway.model("churn").predict(pd.DataFrame({"x": [1, 2]}))
    assert frame["details"].iloc[0] == {"label": "cat", "boxes": [[1, 2]]}


INSTANT = datetime(2001, 3, 5, 6, 30, tzinfo=UTC)
SENT_AS = [
    (None, None),
    (float("nan"), None),
    (pd.NA, None),
    (pd.NaT, None),
    (np.float32("nan"), None),
    (np.datetime64("NaT"), None),
    (np.float32(0.5), 0.5),
    (np.int64(-3), -3),
    (np.uint8(3), 3),
    (np.bool_(True), True),
    (np.str_("x"), "x"),
    (False, False),
    (Decimal("1.5"), 1.5),
    (date(2001, 3, 5), "2001-03-05"),
    (INSTANT, "2001-03-05T06:30:00Z"),
    (INSTANT.replace(tzinfo=None), "2001-03-05T06:30:00Z"),
    (INSTANT.astimezone(timezone(timedelta(hours=-5))), "2001-03-05T06:30:00Z"),
    (pd.Timestamp("2001-03-05T01:30:00.000001999", tz="America/New_York"), "2001-03-05T06:30:00.000001Z"),
    (np.datetime64("2001-03-05T06:30:00.123456789", "ns"), "2001-03-05T06:30:00.123456Z"),
    ("Ærø; 'quoted' \"twice\"\n", "Ærø; 'quoted' \"twice\"\n"),
]


@pytest.mark.parametrize(("value", "expected"), SENT_AS, ids=lambda value: repr(value)[:40])
def test_values_are_sent_as_json_has_them(api: Api, slipway: Slipway, value: Any, expected: Any) -> None:
    slipway.model("churn").predict([{"column": value}])
    (row,) = sent(api)
    assert row == {"column": expected}
    assert type(row["column"]) is type(expected)


def test_every_kind_of_column_of_a_frame_is_sent(api: Api, slipway: Slipway) -> None:
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None], dtype="Int64"),
            "float": np.array([1.5, np.nan], dtype="float32"),
            "bool": pd.array([True, None], dtype="boolean"),
            "text": pd.array(["a", None], dtype="string"),
            "category": pd.Categorical(["a", None]),
            "at": pd.to_datetime(["2001-03-05T06:00:00+01:00", None], utc=True),
            "naive": pd.to_datetime(["2001-03-05", None]),
            "Origin (city) $": ["JFK", "LAX"],
        }
    )
    slipway.model("churn").predict(frame)
    first, second = sent(api)
    assert first == {
        "int": 1,
        "float": 1.5,
        "bool": True,
        "text": "a",
        "category": "a",
        "at": "2001-03-05T05:00:00Z",
        "naive": "2001-03-05T00:00:00Z",
        "Origin (city) $": "JFK",
    }
    assert second == {**dict.fromkeys(first), "Origin (city) $": "LAX"}


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        (float("inf"), "send a finite number"),
        (np.float64("-inf"), "send a finite number"),
        (b"GIF", "base64.b64encode"),
        ([1, 2], "is a list"),
        (np.array([1, 2]), "is a ndarray"),
        (pd.Timedelta("1s"), "is a Timedelta"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), "send another"),
        ("\ud83d", "not Unicode"),
    ],
)
def test_a_value_that_json_has_not_is_named_and_not_sent(api: Api, slipway: Slipway, value: Any, fix: str) -> None:
    with pytest.raises(InvalidRequestError, match=fix) as caught:
        slipway.model("churn").predict([{"x": 1}, {"x": value}])
    (problem,) = caught.value.problems
    assert problem.row == 1
    assert problem.field in ("x", None)
    assert caught.value.status is None
    assert api.arrived == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": 1}, "a list of dicts"),
        ("x", "a list of dicts"),
        (None, "a list of dicts"),
        ([[1]], "row 0 is a list"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "two columns 'x'"),
        (pd.DataFrame([[1, 2]]), "must be text"),
    ],
)
def test_what_is_no_rows_is_refused_with_the_fix(slipway: Slipway, data: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        slipway.model("churn").predict(data)


def test_many_rows_are_several_requests_in_order(api: Api, slipway: Slipway) -> None:
    frame = pd.DataFrame({"x": range(2_500)})
    answers = slipway.model("churn").predict(frame)
    assert [len(arrived.rows) for arrived in api.arrived] == [1_000, 1_000, 500]
    assert list(answers["prediction"]) == list(range(2_500))
    slipway.model("churn").predict(frame, maximum_rows=2_499 // 4)
    with pytest.raises(ValueError, match="1 to 1000"):
        slipway.model("churn").predict(frame, maximum_rows=1_001)


def test_large_rows_are_sent_within_4_mb(api: Api, slipway: Slipway) -> None:
    rows = [{"x": i, "image": "ä" * 700_000} for i in range(7)]
    answers = slipway.model("churn").predict(rows)
    assert [answer.prediction for answer in answers] == list(range(7))
    assert [len(arrived.rows) for arrived in api.arrived] == [2, 2, 2, 1]
    assert all(len(arrived.body) <= 4 * 1024 * 1024 for arrived in api.arrived)
    with pytest.raises(InvalidRequestError, match=r"row 1: has 4300\d+ bytes"):
        slipway.model("churn").predict([{"x": 1}, {"x": 2, "image": "a" * 4_300_000}])


def test_problems_are_told_by_the_rows_of_the_data(api: Api, slipway: Slipway) -> None:
    frame = pd.DataFrame({"x": range(1_500), "a: b": 1})

    def answer(arrived: Any) -> Reply:
        if len(arrived.rows) == 1_000:
            return Reply(200, {"predictions": [0] * 1_000, "prediction_ids": ["i"] * 1_000, "model_version": "1"})
        return Reply(
            400,
            {
                "error": 'instances[3].x: must be one of "a; b" (received 1003); '
                "instances[4].a: b: must not be null; send a number; "
                'instances[5]."left": is not a known field; use x, y; instances[6].age: is missing; send a number; '
                "instances[7]: send an object (received 3); and 80 more"
            },
        )

    api.answer = answer
    with pytest.raises(InvalidRequestError) as caught:
        slipway.model("churn").predict(frame)
    error = caught.value
    assert error.status == 400
    assert [(problem.row, problem.field, problem.message) for problem in error.problems] == [
        (1_003, "x", 'must be one of "a; b" (received 1003)'),
        (1_004, "a: b", "must not be null; send a number"),
        (1_005, "left", "is not a known field; use x, y"),
        (1_006, "age", "is missing; send a number"),
        (1_007, None, "send an object (received 3)"),
        (None, None, "and 80 more"),
    ]
    assert "row 1003, x: must be one of" in str(error)
    # What was answered before is not lost.
    assert list(error.completed.index) == list(range(1_000))


def test_a_mistake_in_all_rows_is_told_once(api: Api, slipway: Slipway) -> None:
    def answer(arrived: Any) -> Reply:
        told = [f'instances[{i}]."left": is the label: leave it out' for i in range(20)]
        told.insert(3, "instances[2].x: send a number")
        return Reply(400, {"error": "; ".join(told)})

    api.answer = answer
    with pytest.raises(InvalidRequestError) as caught:
        slipway.model("churn").predict(pd.DataFrame({"x": range(20), "left": 0}))
    assert str(caught.value) == "left: is the label: leave it out (row 0 and 19 more); row 2, x: send a number"
    assert len(caught.value.problems) == 21


def test_what_was_answered_before_a_failure_comes_along(api: Api, slipway: Slipway) -> None:
    model = slipway.model("churn")

    def answer(arrived: Any) -> Reply:
        rows = arrived.rows
        if rows[0]["x"] >= 4:
            return Reply(429, {"error": "too many requests"}, {"Retry-After": "3600"})
        return Reply(200, {"predictions": [0] * len(rows), "prediction_ids": ["i"] * len(rows), "model_version": "1"})

    api.answer = answer
    with pytest.raises(ThrottledError) as caught:
        model.predict([{"x": i} for i in range(10)], maximum_rows=2)
    assert len(caught.value.completed) == 4


ONE = {"predictions": [1], "prediction_ids": ["a"], "model_version": "1"}


@pytest.mark.parametrize(
    "body",
    [
        "<html>Welcome to the hotel's network</html>",
        [],
        {**ONE, "predictions": [1, 2]},
        {**ONE, "prediction_ids": "a"},
        {**ONE, "predictions": [None]},
        {**ONE, "predictions": [{"score": 1}]},
        {**ONE, "model_version": "new"},
        {"predictions": [1], "prediction_ids": ["a"]},
    ],
    ids=str,
)
def test_a_reply_that_is_not_the_apis_is_said_so(api: Api, slipway: Slipway, body: Any) -> None:
    api.faults = [Reply(200, body)]
    with pytest.raises(UnexpectedReplyError):
        slipway.model("churn").predict([{"x": 1}])
