"""Firehose buffers: one S3 object per buffer, not one per record.

A buffer is closed when it holds `SizeInMBs` or when its first record is `IntervalInSeconds` old (0 to 900).
The `AppendDelimiterToRecord` processor and GZIP are applied, prefixes are evaluated at the arrival of the
buffer's oldest record, a destination that AWS would refuse is refused, and the stream's role must be allowed
to write the object. Record format conversion stays with MiniStack, one object per record.
"""

import asyncio
import contextvars
import gzip
import logging
import threading
import time

from gaps._roles import role_allows
from ministack.services import firehose, s3

_logger = logging.getLogger("firehose")
_MEBIBYTE = 1024 * 1024
_DEFAULT_MEBIBYTES = 5
_DEFAULT_SECONDS = 300
_LIMITS = {"SizeInMBs": (1, 128), "IntervalInSeconds": (0, 900)}
_COMPRESSIONS = ("UNCOMPRESSED", "GZIP")

_buffers: dict[tuple[str, str], "_Buffer"] = {}
_buffers_lock = threading.Lock()


class _Buffer:
    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []
        self.size = 0
        self.opened = time.time()
        self.timer: threading.Timer | None = None


def install() -> None:
    """Replace `firehose._deliver_records_to_s3` and check destinations before they are stored."""
    convert_each = firehose._deliver_records_to_s3
    validate = firehose._validate_s3_destination_config

    def deliver(stream, destination, records):
        # MiniStack keeps every record it ever saw for its own tests.
        destination["records"].clear()
        conversion = destination["config"].get("DataFormatConversionConfiguration") or {}
        if conversion and conversion.get("Enabled", True):
            convert_each(stream, destination, records)
        else:
            _append(stream, destination, records)

    def validate_as_aws(kind, config):
        refusal = validate(kind, config)
        problem = None if refusal or kind not in ("ExtendedS3", "S3") else _problem(config)
        return firehose._invalid(problem) if problem else refusal

    firehose._deliver_records_to_s3 = deliver
    firehose._validate_s3_destination_config = validate_as_aws


def _problem(config: dict) -> str | None:
    hints = config.get("BufferingHints") or {}
    for name, (lowest, highest) in _LIMITS.items():
        if name in hints and not lowest <= int(hints[name]) <= highest:
            return f"{name} must be between {lowest} and {highest}, got {hints[name]}."
    compression = config.get("CompressionFormat", "UNCOMPRESSED")
    if compression not in _COMPRESSIONS:
        return f"CompressionFormat {compression} is not available here; use one of {', '.join(_COMPRESSIONS)}."
    prefix, error_prefix = config.get("Prefix") or "", config.get("ErrorOutputPrefix") or ""
    if "!{firehose:error-output-type}" in prefix:
        return "Prefix cannot contain !{firehose:error-output-type}."
    if "!{" in prefix and not error_prefix:
        return "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions."
    if "!{" in error_prefix and "!{firehose:error-output-type}" not in error_prefix:
        return "ErrorOutputPrefix must contain !{firehose:error-output-type}."
    return None


def _hint(destination: dict, name: str, default: int) -> int:
    return int((destination["config"].get("BufferingHints") or {}).get(name, default))


def _append(stream: dict, destination: dict, records: list) -> None:
    key = (stream["arn"], destination["id"])
    with _buffers_lock:
        buffer = _buffers.get(key)
        if buffer is None:
            buffer = _buffers[key] = _Buffer()
            _close_after(_hint(destination, "IntervalInSeconds", _DEFAULT_SECONDS), key, buffer, stream, destination)
        buffer.records.extend(records)
        buffer.size += sum(len(data) for _id, data in records)
        if buffer.size >= _hint(destination, "SizeInMBs", _DEFAULT_MEBIBYTES) * _MEBIBYTE:
            buffer.timer.cancel()
            del _buffers[key]
            _close_after(0, key, buffer, stream, destination)


def _close_after(seconds: int, key: tuple, buffer: _Buffer, stream: dict, destination: dict) -> None:
    # The timer's thread needs the account and region of the request that opened the buffer.
    context = contextvars.copy_context()
    buffer.timer = threading.Timer(seconds, context.run, (_close, key, buffer, stream, destination))
    buffer.timer.daemon = True
    buffer.timer.start()


def _close(key: tuple, buffer: _Buffer, stream: dict, destination: dict) -> None:
    with _buffers_lock:
        if _buffers.get(key) is buffer:
            del _buffers[key]
    try:
        _write(stream, destination, buffer)
    except Exception:
        _logger.exception("Firehose %s could not deliver %d records", stream["name"], len(buffer.records))


def _write(stream: dict, destination: dict, buffer: _Buffer) -> None:
    config = destination["config"]
    from_lambda: dict[str, dict] = {}
    processed = firehose._apply_lambda_processors(stream, destination, buffer.records, partition_sink=from_lambda)
    partitioned = (config.get("DynamicPartitioningConfiguration") or {}).get("Enabled")
    delimiter = _delimiter(config)
    objects: dict[tuple, list[bytes]] = {}
    for record_id, data in processed:
        queried = firehose._metadata_extraction_keys(config, data) if partitioned else {}
        partition = (
            tuple(sorted((queried or {}).items())),
            tuple(sorted(from_lambda.get(record_id, {}).items())) if partitioned else (),
        )
        objects.setdefault(partition, []).append(data + delimiter)
    for (queried, extracted), parts in objects.items():
        _put(stream, config, buffer.opened, dict(queried), dict(extracted), b"".join(parts))


def _delimiter(config: dict) -> bytes:
    processing = config.get("ProcessingConfiguration") or {}
    if not processing.get("Enabled"):
        return b""
    for processor in processing.get("Processors") or []:
        if processor.get("Type") == "AppendDelimiterToRecord":
            values = {p["ParameterName"]: p["ParameterValue"] for p in processor.get("Parameters") or []}
            # The delimiter is written escaped, as the two characters \n.
            return values.get("Delimiter", "\\n").encode().decode("unicode_escape").encode()
    return b""


def _put(stream: dict, config: dict, opened: float, queried: dict, extracted: dict, body: bytes) -> None:
    arrived = time.gmtime(opened)
    prefix = firehose._evaluate_prefix(config.get("Prefix", ""), arrived, queried, extracted)
    second = time.strftime("%Y-%m-%d-%H-%M-%S", arrived)
    extension = config.get("FileExtension") or ""
    if config.get("CompressionFormat") == "GZIP":
        body = gzip.compress(body)
        extension = extension or ".gz"
    bucket = firehose._s3_bucket_from_arn(config["BucketARN"])
    key = f"{prefix}{stream['name']}-{stream.get('version', 1)}-{second}-{firehose.new_uuid()}{extension}"
    if not role_allows(config.get("RoleARN", ""), "firehose", "s3:PutObject", f"{config['BucketARN']}/{key}"):
        raise PermissionError(f"{config.get('RoleARN')} may not s3:PutObject s3://{bucket}/{key}")
    headers = {"content-type": "application/octet-stream", "content-length": str(len(body)), "host": "s3.localhost"}
    status, _headers, answer = asyncio.run(
        s3.handle_request("PUT", f"/{bucket}/{key}", headers, body, {}, internal=True)
    )
    if status >= 300:
        raise RuntimeError(f"S3 answered {status} for s3://{bucket}/{key}: {answer!r}")
