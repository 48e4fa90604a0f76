from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Api, Arrived, Reply

from slipway_client import InvalidRequestError, RetiredError, Slipway, UnavailableError


def accepts(arrived: Arrived) -> Reply:
    return Reply(200, {"accepted": len(arrived.rows)})


def test_a_frame_of_labels_goes_by_prediction_id(api: Api, slipway: Slipway) -> None:
    api.answer = accepts
    frame = pd.DataFrame({"prediction_id": ["a", "b"], "left": [np.int64(1), 0], "note": ["x", "y"]})
    assert slipway.model("churn").feedback(frame, label="left") == 2
    (arrived,) = api.arrived
    assert arrived.path == "/live/v1/models/churn:feedback"
    assert json.loads(arrived.body) == {
        "labels": [{"prediction_id": "a", "label": 1}, {"prediction_id": "b", "label": 0}]
    }


def test_labels_go_by_the_entity_key_under_its_own_name(api: Api, slipway: Slipway) -> None:
    api.answer = accepts
    assert slipway.model("churn").feedback([{"customer": 7, "label": True}], key="customer") == 1
    assert api.arrived[0].rows == [{"entity_key": 7, "label": True}]


def test_many_labels_are_several_requests(api: Api, slipway: Slipway) -> None:
    api.answer = accepts
    frame = pd.DataFrame({"prediction_id": [f"id-{i}" for i in range(10_001)], "label": 1.0})
    assert slipway.model("churn").feedback(frame) == 10_001
    assert [len(arrived.rows) for arrived in api.arrived] == [10_000, 1]


def test_a_repeated_request_is_the_same_to_the_byte(api: Api, slipway: Slipway) -> None:
    # The API names what it took by its content: the same bytes twice are one set of labels.
    api.answer = accepts
    api.faults = ["hang up", Reply(503, {"error": "…"}, {"Retry-After": "0"})]
    assert slipway.model("churn").feedback([{"prediction_id": "a", "label": 1}]) == 1
    assert len({arrived.body for arrived in api.arrived}) == 1
    assert len(api.arrived) == 3


def test_a_label_that_is_not_known_yet_is_named_and_not_sent(api: Api, slipway: Slipway) -> None:
    frame = pd.DataFrame({"prediction_id": ["a", "b"], "left": [1, None]})
    with pytest.raises(InvalidRequestError, match="row 1, left: is missing; leave out rows"):
        slipway.model("churn").feedback(frame, label="left")
    assert api.arrived == []


@pytest.mark.parametrize("data", [[{"customer": "C7", "label": 1}], [{"prediction_id": "a", "left": 1}]])
def test_a_column_that_is_not_there_is_told_with_those_that_are(slipway: Slipway, data: Any) -> None:
    with pytest.raises(ValueError, match="name the columns"):
        slipway.model("churn").feedback(data)


def test_problems_come_under_the_callers_own_names(api: Api, slipway: Slipway) -> None:
    api.faults = [
        Reply(
            400,
            {
                "error": "labels[0].entity_key: send a string (received 7); "
                "labels[1].label: must be one of 0, 1 (received 5)"
            },
        )
    ]
    with pytest.raises(InvalidRequestError) as caught:
        slipway.model("churn").feedback([{"customer": 7, "left": 5}] * 2, label="left", key="customer")
    assert [(problem.row, problem.field) for problem in caught.value.problems] == [(0, "customer"), (1, "left")]


def test_how_many_labels_were_accepted_before_a_failure_comes_along(api: Api, slipway: Slipway) -> None:
    model = slipway.model("churn")

    def answer(arrived: Arrived) -> Reply:
        return accepts(arrived) if len(arrived.rows) == 10_000 else Reply(503, {"error": "…"}, {"Retry-After": "3600"})

    api.answer = answer
    with pytest.raises(UnavailableError) as caught:
        model.feedback([{"prediction_id": str(i), "label": 1} for i in range(10_500)])
    assert caught.value.completed == 10_000


def test_whether_a_version_answers(api: Api, slipway: Slipway) -> None:
    model = slipway.model("churn")
    api.faults = [Reply(200, {"name": "churn", "ready": True, "model_version": "12"})] * 2
    assert model.ready() is True
    assert model.live_version() == 12
    assert (api.arrived[0].method, api.arrived[0].path) == ("GET", "/live/v1/models/churn")
    api.faults = [Reply(200, {"name": "churn", "ready": False})] * 2
    assert model.ready() is False
    assert model.live_version() is None
    api.faults = [Reply(404, {"error": "model churn is retired and answers no more; …"})]
    with pytest.raises(RetiredError):
        model.ready()
