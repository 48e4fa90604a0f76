"""One request, tried until it is answered or its deadline has passed."""

from __future__ import annotations

import email.utils
import json
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_any,
    stop_before_delay,
    wait_random_exponential,
)

from slipway_client._errors import (
    AccessDeniedError,
    AuthenticationError,
    InvalidRequestError,
    NotLiveError,
    Problem,
    RetiredError,
    ServerError,
    SlipwayError,
    TemporaryError,
    ThrottledError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownModelError,
)

# What may have another outcome the next time; a wrong address or scheme has not.
_PASSING = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError)
_SHORTEST_TIMEOUT_SECONDS = 0.001
_LONGEST_SHOWN = 200
_MOST_FAILURES = 3


class Transport:
    """Sends requests with one pool of connections. Threads may share it.

    timeout_seconds: of one attempt: for the connection, and for each wait for the reply
    deadline_seconds: of a request, with all its attempts and the waits between them
    """

    def __init__(self, client: httpx2.Client, timeout_seconds: float, deadline_seconds: float) -> None:
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._deadline_seconds = deadline_seconds

    def ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """The reply's JSON object.

        Raises SlipwayError. What may pass by itself (429, 502, 503, 504, a failed connection) is tried again
        after a random wait that grows, or after what Retry-After says, while the deadline allows it; a 502 twice.
        """
        until = time.monotonic() + self._deadline_seconds
        retrying = Retrying(
            retry=retry_if_exception_type(TemporaryError),
            wait=_wait,
            stop=stop_any(stop_before_delay(self._deadline_seconds), _failed_again),
            retry_error_callback=_give_up,
        )
        reply: dict[str, Any] = retrying(lambda: self._attempt(method, path, body, until))
        return reply

    def _attempt(self, method: str, path: str, body: bytes | None, until: float) -> dict[str, Any]:
        left = max(until - time.monotonic(), _SHORTEST_TIMEOUT_SECONDS)
        timeout = min(self._timeout_seconds, left)
        headers = {"Content-Type": "application/json"}
        try:
            response = self._client.request(method, path, content=body, headers=headers, timeout=timeout)
        except _PASSING as error:
            raise _no_answer(error, self._client.base_url) from error
        except httpx2.HTTPError as error:
            raise SlipwayError(f"the request cannot be sent: {error}") from error
        if response.status_code != httpx2.codes.OK:
            raise error_of(response)
        return _json_object(response)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


_growing_wait = wait_random_exponential(multiplier=0.25, max=10)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after_seconds if isinstance(error, TemporaryError) else None
    return max(told or 0.0, _growing_wait(state))


def _failed_again(state: RetryCallState) -> bool:
    """Whether what answers was there and failed, and again: a model that cannot answer a row never will."""
    error = state.outcome.exception() if state.outcome else None
    failed = isinstance(error, SlipwayError) and error.status == httpx2.codes.BAD_GATEWAY
    return failed and state.attempt_number >= _MOST_FAILURES


def _give_up(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, SlipwayError):
        error.attempts = state.attempt_number
        raise error


def _no_answer(error: Exception, url: httpx2.URL) -> SlipwayError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return SlipwayError(f"the certificate of {url.host} is not trusted here: {cause.verify_message}")
        cause = cause.__cause__ or cause.__context__
    return UnavailableError(f"no answer from {url}: {str(error) or type(error).__name__}")


def _text_of(response: httpx2.Response) -> str:
    """What the reply says: the error of Slipway's own replies, or the message of API Gateway's."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        for name in ("error", "message", "Message"):
            if isinstance(body.get(name), str):
                return str(body[name])
    shown = " ".join(response.text.split())[:_LONGEST_SHOWN]
    return shown or f"status {response.status_code} without a word"


def _retry_after_seconds(response: httpx2.Response) -> float | None:
    """Retry-After as seconds from now: it is a number of them, or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    zoned = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max((zoned - datetime.now(UTC)).total_seconds(), 0.0)


_ErrorMaker = Callable[[str, int], SlipwayError]


def _not_found(text: str, status: int) -> SlipwayError:
    if "no live version" in text:
        return NotLiveError(text, status)
    return RetiredError(text, status) if "is retired" in text else UnknownModelError(text, status)


def _invalid(text: str, status: int) -> SlipwayError:
    return InvalidRequestError([Problem(None, None, text)], status)


_ERRORS: dict[int, _ErrorMaker] = {
    400: _invalid,
    401: AuthenticationError,
    403: AccessDeniedError,
    404: _not_found,
    413: _invalid,
    415: _invalid,
    429: ThrottledError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def error_of(response: httpx2.Response) -> SlipwayError:
    """The error that a reply stands for."""
    status = response.status_code
    other: _ErrorMaker = ServerError if status >= httpx2.codes.INTERNAL_SERVER_ERROR else UnexpectedReplyError
    error = _ERRORS.get(status, other)(_text_of(response), status)
    if isinstance(error, TemporaryError):
        error.retry_after_seconds = _retry_after_seconds(response)
    return error


def _json_object(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    shown = " ".join(response.text.split())[:_LONGEST_SHOWN]
    raise UnexpectedReplyError(f"{response.url} is not Slipway's API: it answered {shown!r}", response.status_code)
