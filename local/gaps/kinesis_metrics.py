"""Gap: how much comes into a stream, and how far its readers are behind, are metrics. The bare emulator has none.

They are taken every 10 s; AWS takes them every minute. Readers are those of Lambda.
"""

import contextvars
import threading
import time

from gaps import lambda_kinesis_batches as reading
from ministack.core import responses
from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import cloudwatch, kinesis, lambda_svc

_EVERY_SECONDS = 10


def _arrivals(stream: dict) -> list[float]:
    shards = list(stream["shards"].values())
    return [float(record["ApproximateArrivalTimestamp"]) for shard in shards for record in list(shard["records"])]


def _ages(now: float) -> dict[str, float]:
    """By stream, the age in ms of the oldest record that a function has yet to read."""
    ages: dict[str, float] = {}
    for account_id, region, mapping in lambda_svc._iter_all_esms():
        try:
            source = parse_arn(mapping.get("EventSourceArn", ""))
        except ArnParseError:
            continue
        name = lambda_svc._kinesis_stream_name_from_arn_spec(source) if source.service == "kinesis" else None
        stream = kinesis._streams.get_scoped(account_id, region, name) if name else None
        for shard_id, shard in (stream or {"shards": {}})["shards"].items():
            place = reading._shards.get((mapping["UUID"], shard_id))
            waiting = shard["records"][place.position:] if place else []
            age = (now - float(waiting[0]["ApproximateArrivalTimestamp"])) * 1000 if waiting else 0.0
            ages[name] = max(ages.get(name, 0.0), age)
    return ages


def _record(account: str, region: str, name: str, incoming: int, age_ms: float | None) -> None:
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    dimensions = {"StreamName": name}
    cloudwatch.record_metric("AWS/Kinesis", "IncomingRecords", incoming, "Count", dimensions)
    if age_ms is not None:
        metric = "GetRecords.IteratorAgeMilliseconds"
        cloudwatch.record_metric("AWS/Kinesis", metric, age_ms, "Milliseconds", dimensions)


def _watch() -> None:
    last = time.time()
    while True:
        time.sleep(_EVERY_SECONDS - time.time() % _EVERY_SECONDS)
        now = time.time()
        ages = _ages(now)
        for (account, region, name), stream in list(kinesis._streams._data.items()):
            incoming = sum(1 for arrival in _arrivals(stream) if last < arrival <= now)
            contextvars.copy_context().run(_record, account, region, name, incoming, ages.get(name))
        last = now


def install() -> None:
    if not hasattr(kinesis._streams, "_data") or not hasattr(reading, "_shards"):
        raise RuntimeError("MiniStack's kinesis keeps its streams elsewhere: the pinned version changed.")
    threading.Thread(target=_watch, name="stream-metrics", daemon=True).start()
