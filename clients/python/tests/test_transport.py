from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from conftest import Api, Connect, Fault, Reply

from slipway_client import (
    AccessDeniedError,
    AuthenticationError,
    InvalidRequestError,
    NotLiveError,
    RetiredError,
    ServerError,
    Slipway,
    SlipwayError,
    ThrottledError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownModelError,
)

ROW = [{"x": 1}]


@pytest.mark.parametrize(
    "fault", [Reply(429), Reply(502), Reply(503), Reply(504, {"error": "late"}), "hang up"], ids=repr
)
def test_what_may_pass_is_tried_again(api: Api, slipway: Slipway, fault: Fault) -> None:
    api.faults = [fault, fault]
    assert slipway.model("churn").predict(ROW)[0].prediction == 1
    assert len(api.arrived) == 3
    assert len({arrived.body for arrived in api.arrived}) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, {"error": "the body is empty"}), InvalidRequestError),
        (Reply(401, {"error": "no valid credentials"}), AuthenticationError),
        (Reply(403, {"Message": "User is not authorized"}), AccessDeniedError),
        (Reply(404, {"error": "no such model or action: GET …"}), UnknownModelError),
        (Reply(404, {"error": "model churn has no live version yet; drop data …"}), NotLiveError),
        (Reply(404, {"error": "model churn is retired and answers no more; …"}), RetiredError),
        (Reply(413, {"error": "the request is too large"}), InvalidRequestError),
        (Reply(415, {"error": "Content-Encoding 'br' is not understood"}), InvalidRequestError),
        (Reply(500, {"error": "its log names request 7f"}), ServerError),
        (Reply(301, "Moved"), UnexpectedReplyError),
        (Reply(418, ""), UnexpectedReplyError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(getattr(value, "status", "")),
)
def test_each_refusal_has_its_name_and_is_not_repeated(api: Api, slipway: Slipway, reply: Reply, error: Any) -> None:
    api.answer = lambda _: reply
    with pytest.raises(SlipwayError) as caught:
        slipway.model("churn").predict(ROW)
    assert type(caught.value) is error
    assert caught.value.status == reply.status
    if isinstance(reply.body, dict):
        assert str(caught.value) == next(iter(reply.body.values()))
    assert len(api.arrived) == 1


def test_retry_after_is_waited_for(api: Api, slipway: Slipway) -> None:
    api.faults = [Reply(429, {}, {"Retry-After": "1"})]
    started = time.monotonic()
    slipway.model("churn").predict(ROW)
    assert time.monotonic() - started >= 1


def test_retry_after_may_be_a_date(api: Api, slipway: Slipway) -> None:
    # A date has whole seconds, so that up to one of the two is cut off.
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    api.faults = [Reply(503, {}, {"Retry-After": at})]
    started = time.monotonic()
    slipway.model("churn").predict(ROW)
    assert time.monotonic() - started >= 0.9


def test_a_wait_beyond_the_deadline_is_not_begun(api: Api, connect: Connect) -> None:
    api.answer = lambda _: Reply(429, {"error": "too many requests"}, {"Retry-After": "3600"})
    with pytest.raises(ThrottledError) as caught:
        connect().model("churn").predict(ROW)
    assert caught.value.retry_after_seconds == 3600
    assert len(api.arrived) == 1


def test_trying_again_ends_at_the_deadline(api: Api, connect: Connect) -> None:
    api.answer = lambda _: Reply(503, {"error": "no version can be loaded at the moment"})
    with pytest.raises(UnavailableError) as caught:
        connect(deadline_seconds=3).model("churn").predict(ROW)
    assert caught.value.attempts > 1


def test_a_model_that_fails_is_not_asked_until_the_deadline(api: Api, slipway: Slipway) -> None:
    api.answer = lambda _: Reply(502, {"error": "the model's container gave no prediction; its log says why"})
    with pytest.raises(UnavailableError) as caught:
        slipway.model("churn").predict(ROW)
    assert len(api.arrived) == caught.value.attempts == 3
    assert str(caught.value) == "the model's container gave no prediction; its log says why (tried 3 times)"


def test_a_nonsense_retry_after_changes_nothing(api: Api, slipway: Slipway) -> None:
    api.faults = [Reply(503, {}, {"Retry-After": "soon"})]
    assert len(slipway.model("churn").predict(ROW)) == 1


def test_nobody_there_is_an_error_that_names_the_address() -> None:
    with (
        Slipway("http://127.0.0.1:9/live", deadline_seconds=0.1) as nobody,
        pytest.raises(UnavailableError, match=r"no answer from http://127.0.0.1:9/"),
    ):
        nobody.model("churn").predict(ROW)


def test_an_answer_that_does_not_come_is_given_up(api: Api, connect: Connect) -> None:
    def answer(_: Any) -> Reply:
        time.sleep(0.5)
        return Reply(200, {})

    api.answer = answer
    with pytest.raises(UnavailableError, match="no answer"):
        connect(timeout_seconds=0.05, deadline_seconds=0.2).model("churn").predict(ROW)


@pytest.mark.parametrize("address", ["", "api.example.com/live", "ftp://api", "https://"])
def test_what_cannot_be_an_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Slipway(address)


@pytest.mark.parametrize("name", ["", "Churn", "a/b", "churn:predict", "7up"])
def test_what_cannot_be_a_models_name_is_refused(slipway: Slipway, name: str) -> None:
    with pytest.raises(ValueError, match="a model's name"):
        slipway.model(name)
