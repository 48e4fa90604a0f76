"""What lets a request in: a token, or a signature."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator
from typing import Any

import httpx2

from slipway_client._errors import AuthenticationError

TokenSource = str | Callable[[], str]

_REGION_OF_HOST = re.compile(r"\.execute-api\.([a-z0-9-]+)\.")
_UNAUTHORIZED = 401


class TokenAuth(httpx2.Auth):
    """Sends a JWT. A source that can be called is asked for the first request, and again after a 401."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: str | None = None
        self._lock = threading.Lock()

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        token = self._other_than(None)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == _UNAUTHORIZED and callable(self._source):
            request.headers["Authorization"] = f"Bearer {self._other_than(token)}"
            yield request

    def _other_than(self, refused: str | None) -> str:
        # Threads that were refused at the same time ask once.
        with self._lock:
            if self._token is None or self._token == refused:
                self._token = _checked(self._source() if callable(self._source) else self._source)
            return self._token


def _checked(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError(f"a token is text; auth gave {type(token).__name__}")
    text = token.strip()
    if not text or any(character.isspace() for character in text):
        raise ValueError("a token is one word; auth gave " + ("an empty text" if not text else "several"))
    return text


class IamAuth(httpx2.Auth):
    """Signs each request with AWS credentials (Signature Version 4, service execute-api).

    Needs the extra `iam`: pip install 'slipway-client[iam]'.

    profile: of ~/.aws/config; by default what AWS_PROFILE says, or the environment's own credentials
    region: of the API; by default the one in its host name, then the session's
    session: a botocore or boto3 session to use instead; credentials that expire are renewed by it
    """

    requires_request_body = True

    def __init__(self, *, profile: str | None = None, region: str | None = None, session: Any = None) -> None:
        try:
            import botocore.session
        except ImportError as error:
            message = "IamAuth needs botocore: pip install 'slipway-client[iam]'"
            raise ImportError(message) from error
        if session is not None and profile is not None:
            raise ValueError("give either a session or a profile: a session has its own")
        self._session = session if session is not None else botocore.session.Session(profile=profile)
        self._region = region

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials = self._session.get_credentials()
        if credentials is None:
            raise AuthenticationError(
                "no AWS credentials were found; set AWS_PROFILE, or give IamAuth a profile or a session"
            )
        signed = AWSRequest(
            method=request.method,
            url=str(request.url),
            data=request.content,
            # What a proxy on the way may change is not signed.
            headers={"Content-Type": request.headers.get("Content-Type", "")},
        )
        region = self._region_of(request.url.host)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", region).add_auth(signed)
        for name in ("X-Amz-Date", "X-Amz-Security-Token", "Authorization"):
            if name in signed.headers:
                request.headers[name] = signed.headers[name]
        yield request

    def _region_of(self, host: str) -> str:
        named = _REGION_OF_HOST.search(host)
        if self._region is not None:
            return self._region
        if named is not None:
            return named[1]
        session = self._session
        known = session.region_name if hasattr(session, "region_name") else session.get_config_variable("region")
        if not known:
            raise ValueError(f"the region of {host} is not known; name it, as in IamAuth(region='eu-west-1')")
        return str(known)
