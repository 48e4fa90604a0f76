"""A function that reads a Kinesis stream fails as on AWS.

MiniStack retries a failed batch for ever. Here `batchItemFailures` moves the checkpoint to the first failed
record, a batch is bisected if the mapping says so, retries and the age of records are limited, a batch that is
given up goes to the failure destination, in a bucket with its records, and the batching window is kept.
"""

import asyncio
import base64
import datetime
import json
import logging
import time

from gaps._roles import role_allows
from gaps.lambda_async_invocation import deliver
from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import new_uuid, request_scope
from ministack.services import kinesis, lambda_svc, s3

_PAUSE_AFTER_FAILURE_SECONDS = 1.0
_logger = logging.getLogger("lambda")

_shards: dict[tuple[str, str], "_Shard"] = {}


class _Shard:
    """How far one mapping has come in one shard."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.attempts = 0
        self.paused_until = 0.0
        self.first_seen: float | None = None
        # While a batch is being bisected: where the part at hand ends.
        self.end: int | None = None


def install() -> None:
    """Replace `lambda_svc._poll_kinesis`."""
    if not callable(lambda_svc._poll_kinesis):
        raise RuntimeError("lambda_svc._poll_kinesis is gone")
    lambda_svc._poll_kinesis = _poll


def _poll() -> bool:
    processed = False
    for account_id, region, mapping in lambda_svc._iter_all_esms():
        with request_scope(account_id, region):
            stream = _stream(mapping)
            if stream is None:
                continue
            function, _config = lambda_svc._get_func_record_for_qualifier(
                mapping["FunctionName"], mapping.get("Qualifier")
            )
            if function is None:
                continue
            for shard_id, shard in stream["shards"].items():
                processed = _advance(mapping, function, shard_id, shard["records"]) or processed
    return processed


def _stream(mapping: dict) -> dict | None:
    if not mapping.get("Enabled", True):
        return None
    try:
        source = parse_arn(mapping.get("EventSourceArn", ""))
    except ArnParseError:
        return None
    name = lambda_svc._kinesis_stream_name_from_arn_spec(source) if source.service == "kinesis" else None
    stream = kinesis._streams.get_scoped(source.account_id, source.region, name) if name else None
    return stream if stream and stream["StreamStatus"] == "ACTIVE" else None


def _advance(mapping: dict, function: dict, shard_id: str, records: list) -> bool:
    """Invokes the function with the next batch of a shard; True if the shard moved on."""
    key = (mapping["UUID"], shard_id)
    if key not in _shards:
        from_start = mapping.get("StartingPosition", "LATEST") == "TRIM_HORIZON"
        _shards[key] = _Shard(0 if from_start else len(records))
    shard = _shards[key]
    batch = _next_batch(mapping, shard, records)
    if not batch:
        return False
    source = mapping["EventSourceArn"]
    asked = lambda_svc._apply_filter_criteria([_record(r, shard_id, source) for r in batch], mapping)
    if not asked:
        _move_to(shard, shard.position + len(batch))
        return True
    result = lambda_svc._execute_function(function, {"Records": asked})
    failed_at = _first_failure(mapping, batch, result)
    if failed_at is None:
        mapping["LastProcessingResult"] = f"OK - {len(batch)} records"
        _move_to(shard, shard.position + len(batch))
        return True
    mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
    return _after_failure(mapping, function, shard_id, shard, batch, failed_at, result)


def _next_batch(mapping: dict, shard: _Shard, records: list) -> list:
    now = time.time()
    if now < shard.paused_until:
        return []
    size = int(mapping.get("BatchSize") or 100)
    end = min(shard.position + size, shard.end or len(records), len(records))
    batch = records[shard.position:end]
    if not batch:
        return []
    window = int(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    shard.first_seen = shard.first_seen or now
    retried = shard.attempts > 0 or shard.end is not None
    if not retried and len(batch) < size and now - shard.first_seen < window:
        return []
    return batch


def _move_to(shard: _Shard, position: int) -> None:
    shard.position = position
    shard.attempts = 0
    shard.first_seen = None
    if shard.end is not None and position >= shard.end:
        shard.end = None


def _first_failure(mapping: dict, batch: list, result: dict) -> int | None:
    """Index of the first record that failed; None when all went well."""
    if result.get("error") or result.get("throttle"):
        return 0
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return None
    body = result.get("body")
    if isinstance(body, (str, bytes)):
        try:
            body = json.loads(body or "null")
        except ValueError:
            return 0
    failures = body.get("batchItemFailures") if isinstance(body, dict) else None
    if not failures:
        return None
    sequence = [record["SequenceNumber"] for record in batch]
    named = [failure.get("itemIdentifier") for failure in failures]
    # A record that was not in the batch makes the answer invalid, and with it the whole batch failed.
    return min(map(sequence.index, named)) if all(name in sequence for name in named) else 0


def _after_failure(mapping, function, shard_id, shard, batch, failed_at, result) -> bool:
    remaining = batch[failed_at:]
    if failed_at > 0:
        end = shard.end
        _move_to(shard, shard.position + failed_at)
        shard.end = end or shard.position + len(remaining)
    elif mapping.get("BisectBatchOnFunctionError") and len(batch) > 1:
        # Splitting uses up no retry.
        shard.end = shard.position + (len(batch) + 1) // 2
        return True
    shard.attempts += 1
    reason = _given_up(mapping, shard, remaining)
    if reason is None:
        shard.paused_until = time.time() + _PAUSE_AFTER_FAILURE_SECONDS
        return False
    attempts = shard.attempts
    _move_to(shard, shard.position + len(remaining))
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if destination:
        report = _report(mapping, function, shard_id, remaining, result, reason, attempts)
        if parse_arn(destination).service == "s3":
            _set_aside(mapping, function, shard_id, remaining, report, destination)
        else:
            deliver(destination, json.dumps(report), {})
    return True


def _set_aside(mapping: dict, function: dict, shard_id: str, batch: list, report: dict, bucket_arn: str) -> None:
    """A bucket gets the records beside the report, under a key that AWS makes so."""
    config = function.get("config") or function
    moment = datetime.datetime.now(datetime.UTC)
    key = f"aws/lambda/{mapping['UUID']}/{shard_id}/{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{new_uuid()}"
    if not role_allows(config.get("Role", ""), "lambda", "s3:PutObject", f"{bucket_arn}/{key}"):
        _logger.error("%s may not s3:PutObject %s/%s: records are lost", config.get("Role"), bucket_arn, key)
        return
    records = [_record(record, shard_id, mapping["EventSourceArn"]) for record in batch]
    body = json.dumps({**report, "payload": json.dumps({"Records": records})}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "host": "s3.localhost"}
    path = f"/{bucket_arn.rsplit(':', 1)[-1]}/{key}"
    status, _headers, answer = asyncio.run(s3.handle_request("PUT", path, headers, body, {}, internal=True))
    if status >= 300:
        _logger.error("S3 answered %s for s3:/%s: %r", status, path, answer)


def _given_up(mapping: dict, shard: _Shard, batch: list) -> str | None:
    retries = mapping.get("MaximumRetryAttempts")
    if retries is not None and int(retries) >= 0 and shard.attempts > int(retries):
        return "RetryAttemptsExhausted"
    age = mapping.get("MaximumRecordAgeInSeconds")
    if age is not None and int(age) >= 0 and time.time() - _arrival(batch[0]) > int(age):
        return "MaximumRecordAgeExceeded"
    return None


def _arrival(record: dict) -> float:
    return float(record["ApproximateArrivalTimestamp"])


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(record: dict, shard_id: str, source: str) -> dict:
    data = record["Data"]
    if not isinstance(data, str):
        data = base64.b64encode(data).decode()
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": data,
            "approximateArrivalTimestamp": _arrival(record),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "",
        "awsRegion": parse_arn(source).region,
        "eventSourceARN": source,
    }


def _report(mapping, function, shard_id, batch, result, reason, attempts) -> dict:
    config = function.get("config") or function
    return {
        "requestContext": {
            "requestId": new_uuid(),
            "functionArn": config.get("FunctionArn", ""),
            "condition": reason,
            "approximateInvokeCount": attempts,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": config.get("Version") or "$LATEST",
            "functionError": result.get("function_error") or "Unhandled",
        },
        "version": "1.0",
        "timestamp": _iso(time.time()),
        "KinesisBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": batch[0]["SequenceNumber"],
            "endSequenceNumber": batch[-1]["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _iso(_arrival(batch[0])),
            "approximateArrivalOfLastRecord": _iso(_arrival(batch[-1])),
            "batchSize": len(batch),
            "streamArn": mapping["EventSourceArn"],
        },
    }
