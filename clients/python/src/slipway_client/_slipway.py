"""The door to an environment's models."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Self

import httpx2

from slipway_client._auth import IamAuth, TokenAuth, TokenSource
from slipway_client._model import Model
from slipway_client._transport import Transport
from slipway_client._version import __version__

_MODEL_NAME = re.compile(r"[a-z][a-z0-9-]*")
_OWN_MACHINE = ("127.0.0.1", "localhost", "::1")


class Slipway:
    """The models of one environment. Threads may share it.

    url: of the API, as `slipway predict <model> --example` shows it
    auth: where callers carry tokens, a JWT, or a function that gives one: it is called for the first request,
        and again when the API says 401. Where callers sign, IamAuth(). None for `slipway proxy`, which signs.
    timeout_seconds: of one attempt; the API itself gives up after 29
    deadline_seconds: of one request, with its retries and the waits between them, which a container that has
        to be started first may need; a call with many rows is several requests
    transport: an httpx2 transport to use instead of the network's

    Raises ValueError where the address cannot be one.
    """

    def __init__(
        self,
        url: str,
        auth: TokenSource | IamAuth | None = None,
        *,
        timeout_seconds: float = 30.0,
        deadline_seconds: float = 120.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        address = _address(url)
        if auth is not None and address.scheme != "https" and address.host not in _OWN_MACHINE:
            raise ValueError(f"credentials are not sent to {url} unencrypted; use https")
        client = httpx2.Client(
            base_url=address,
            auth=auth if isinstance(auth, IamAuth) or auth is None else TokenAuth(auth),
            headers={"User-Agent": f"slipway-client/{__version__}", "Accept": "application/json"},
            transport=transport,
        )
        self.url = str(address)
        self._transport = Transport(client, timeout_seconds, deadline_seconds)

    def model(self, name: str) -> Model:
        """The model of this name; whether there is one shows when it is asked."""
        if not _MODEL_NAME.fullmatch(name):
            raise ValueError(f"a model's name has lower-case letters, digits and dashes (received {name!r})")
        return Model(self._transport, name)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Slipway({self.url!r})"


def _address(url: str) -> httpx2.URL:
    address = httpx2.URL(url.rstrip("/"))
    if address.scheme not in ("https", "http") or not address.host:
        raise ValueError(f"the API's address begins with https:// (received {url!r})")
    return address
