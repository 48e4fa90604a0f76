from __future__ import annotations

import hashlib
import hmac
import threading
from typing import Any
from urllib.parse import quote

import botocore.session
import pytest
from conftest import Api, Arrived, Connect, Reply, predictions

from slipway_client import AuthenticationError, IamAuth, Slipway

ROW = [{"x": 1}]
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def only(token: str) -> Any:
    def answer(arrived: Arrived) -> Reply:
        good = arrived.headers.get("authorization") == f"Bearer {token}"
        return predictions(arrived) if good else Reply(401, {"error": "no valid credentials"})

    return answer


def test_a_token_is_sent(api: Api, connect: Connect) -> None:
    api.answer = only("t1")
    assert len(connect(auth=" t1\n").model("churn").predict(ROW)) == 1


def test_a_token_that_is_refused_is_not_sent_again(api: Api, connect: Connect) -> None:
    api.answer = only("t1")
    with pytest.raises(AuthenticationError, match="no valid credentials"):
        connect(auth="expired").model("churn").predict(ROW)
    assert len(api.arrived) == 1


def test_a_source_of_tokens_is_asked_once_and_again_when_one_is_refused(api: Api, connect: Connect) -> None:
    asked = []

    def source() -> str:
        asked.append(1)
        return f"t{len(asked)}"

    api.answer = only("t1")
    model = connect(auth=source).model("churn")
    model.predict(ROW)
    model.predict(ROW)
    assert len(asked) == 1
    api.answer = only("t2")
    assert len(model.predict(ROW)) == 1
    assert len(asked) == 2
    api.answer = only("another")
    with pytest.raises(AuthenticationError):
        model.predict(ROW)
    assert len(asked) == 3


def test_threads_that_are_refused_together_ask_for_one_token(api: Api, connect: Connect) -> None:
    asked: list[int] = []
    together = threading.Barrier(8)

    def source() -> str:
        asked.append(1)
        return f"t{len(asked)}"

    api.answer = only("t1")
    model = connect(auth=source).model("churn")
    model.predict(ROW)
    new = only("t2")

    def answer(arrived: Arrived) -> Reply:
        # All eight hold the old token before the first of them hears that it is refused.
        if arrived.headers["authorization"] == "Bearer t1":
            together.wait(timeout=30)
        return new(arrived)

    api.answer = answer
    threads = [threading.Thread(target=model.predict, args=(ROW,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 2


@pytest.mark.parametrize(("token", "error"), [("", ValueError), ("a b", ValueError), (lambda: None, TypeError)])
def test_what_cannot_be_a_token_is_refused_before_anything_is_sent(
    api: Api, connect: Connect, token: Any, error: Any
) -> None:
    with pytest.raises(error, match="a token is"):
        connect(auth=token).model("churn").predict(ROW)
    assert api.arrived == []


def test_credentials_do_not_go_over_the_network_unencrypted() -> None:
    with pytest.raises(ValueError, match="use https"):
        Slipway("http://api.example.com/live", auth="t1")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_of(arrived: Arrived, region: str, signed: str, service: str = "execute-api") -> str:
    """AWS's Signature Version 4 computed anew from what arrived, by its specification."""
    headers = [f"{name}:{arrived.headers[name].strip()}" for name in signed.split(";")]
    path = "/".join(quote(part, safe="~") for part in arrived.path.split("/"))
    body = hashlib.sha256(arrived.body).hexdigest()
    canonical = "\n".join([arrived.method, path, "", *headers, "", signed, body])
    at = arrived.headers["x-amz-date"]
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in (at[:8], region, service, "aws4_request"):
        key = _hmac(key, part)
    return _hmac(key, to_sign).hex()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")


def checks_signature(region: str) -> Any:
    def answer(arrived: Arrived) -> Reply:
        parts = dict(part.split("=", 1) for part in arrived.headers["authorization"].split(" ", 1)[1].split(", "))
        right = parts["Signature"] == signature_of(arrived, region, parts["SignedHeaders"])
        good = right and "host" in parts["SignedHeaders"] and f"/{region}/" in parts["Credential"]
        if not good:
            return Reply(403, {"error": "the request's signature is not valid"})
        if arrived.method == "GET":
            return Reply(200, {"ready": True, "model_version": "3"})
        return predictions(arrived)

    return answer


@pytest.mark.usefixtures("credentials")
def test_a_signature_is_what_aws_computes(api: Api, connect: Connect) -> None:
    api.answer = checks_signature("eu-west-1")
    model = connect(auth=IamAuth(region="eu-west-1")).model("churn")
    assert len(model.predict([{"x": 1, "name": "Ærø"}])) == 1
    assert model.live_version() == 3
    assert "x-amz-security-token" not in api.arrived[0].headers


@pytest.mark.usefixtures("credentials")
def test_each_attempt_is_signed_and_a_session_token_goes_along(
    api: Api, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-session")
    api.answer = checks_signature("eu-west-1")
    api.faults = [Reply(503)]
    session = botocore.session.Session()
    assert len(connect(auth=IamAuth(session=session, region="eu-west-1")).model("churn").predict(ROW)) == 1
    for arrived in api.arrived:
        assert arrived.headers["x-amz-security-token"] == "of-the-session"
        assert "x-amz-security-token" in arrived.headers["authorization"]


@pytest.mark.usefixtures("credentials")
def test_the_region_is_the_one_of_the_address_else_the_sessions(
    api: Api, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = IamAuth()
    assert auth._region_of("abc123.execute-api.ap-south-1.amazonaws.com") == "ap-south-1"
    with pytest.raises(ValueError, match="name it, as in"):
        connect(auth=auth).model("churn").predict(ROW)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    api.answer = checks_signature("us-west-2")
    assert len(connect(auth=IamAuth()).model("churn").predict(ROW)) == 1


def test_without_credentials_it_is_said_where_to_put_them(api: Api, connect: Connect) -> None:
    class NoCredentials:
        region_name = "eu-west-1"

        def get_credentials(self) -> None:
            return None

    with pytest.raises(AuthenticationError, match="AWS_PROFILE"):
        connect(auth=IamAuth(session=NoCredentials())).model("churn").predict(ROW)
    assert api.arrived == []
