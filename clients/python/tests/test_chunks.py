from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from slipway_client._chunks import chunks
from slipway_client._rows import encoded, plain, rows_of

ROWS = st.lists(st.text(max_size=30).map(lambda text: json.dumps(text).encode()), max_size=40)


@given(rows=ROWS, maximum_rows=st.integers(1, 10), maximum_bytes=st.integers(220, 600))
def test_chunks_hold_every_row_once_in_order_within_the_limits_and_no_fewer_would_do(
    rows: list[bytes], maximum_rows: int, maximum_bytes: int
) -> None:
    made = list(chunks(rows, "instances", maximum_rows, maximum_bytes))
    assert [row for chunk in made for row in chunk.rows] == rows
    at = 0
    for chunk in made:
        assert chunk.first_row == at
        at += len(chunk.rows)
        assert 1 <= len(chunk.rows) <= maximum_rows
        assert len(chunk.body("instances")) <= maximum_bytes
        assert json.loads(chunk.body("instances")) == {"instances": [json.loads(row) for row in chunk.rows]}
    for chunk, following in itertools.pairwise(made):
        one_more = len(chunk.body("instances")) + 1 + len(following.rows[0])
        assert len(chunk.rows) == maximum_rows or one_more > maximum_bytes


@given(st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2250, 1, 1), timezones=st.timezones()))
def test_an_instant_is_sent_as_the_same_instant_in_utc(at: datetime) -> None:
    text = plain(at)
    assert isinstance(text, str)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == at.astimezone(UTC)
    assert datetime.fromisoformat(text).utcoffset() == timedelta(0)
    assert plain(pd.Timestamp(at.astimezone(UTC))) == text


CELLS = st.tuples(st.floats(allow_infinity=False), st.text(st.characters(exclude_categories=["Cs"])), st.booleans())


@given(st.lists(CELLS, min_size=1))
def test_a_frame_sends_what_its_rows_as_dicts_send(cells: list[tuple[object, ...]]) -> None:
    rows = [dict(zip("abc", values, strict=True)) for values in cells]
    assert list(encoded(rows_of(pd.DataFrame(rows)))) == list(encoded(rows))
