"""Rows into requests that the API takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slipway_client._errors import InvalidRequestError, Problem

MAXIMUM_BYTES = 4 * 1024 * 1024
"""Of a request's body."""


@dataclass(frozen=True)
class Chunk:
    """Rows of one request."""

    first_row: int
    rows: tuple[bytes, ...]

    def body(self, field: str) -> bytes:
        """The request's body: `{"<field>":[…]}`."""
        return _opening(field) + b",".join(self.rows) + _CLOSING


_CLOSING = b"]}"


def _opening(field: str) -> bytes:
    return f'{{"{field}":['.encode()


def chunks(rows: Iterable[bytes], field: str, maximum_rows: int, maximum_bytes: int = MAXIMUM_BYTES) -> Iterator[Chunk]:
    """As few requests as the limits allow, in order.

    Raises InvalidRequestError where one row alone is too large; what came before has been given.
    """
    around = len(_opening(field)) + len(_CLOSING)
    gathered: list[bytes] = []
    size = around
    position = -1
    for position, row in enumerate(rows):
        # With the comma before it, but for the first.
        grown = size + len(row) + (1 if gathered else 0)
        if gathered and (len(gathered) == maximum_rows or grown > maximum_bytes):
            yield Chunk(position - len(gathered), tuple(gathered))
            gathered = []
            grown = around + len(row)
        if grown > maximum_bytes:
            message = f"has {len(row)} bytes as JSON, and a request at most {maximum_bytes}; send less in it"
            raise InvalidRequestError([Problem(position, None, message)])
        gathered.append(row)
        size = grown
    if gathered:
        yield Chunk(position + 1 - len(gathered), tuple(gathered))
