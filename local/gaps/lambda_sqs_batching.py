"""A function that reads a queue waits for its batching window, and its batches may hold more than ten messages."""

import time

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import lambda_svc, sqs

_RECEIVED_AT_ONCE = 10

# When the first message of the coming batch was seen, by event source mapping.
_first_seen: dict[str, float] = {}
_polling_queues = False


def install() -> None:
    """Wrap the poller of `lambda_svc` and the receive of `sqs` that it uses."""
    poll = lambda_svc._poll_sqs
    mappings = lambda_svc._iter_all_esms
    receive = sqs._receive_messages_for_esm

    def poll_queues():
        # Only the poller's own thread comes here.
        global _polling_queues
        _polling_queues = True
        try:
            return poll()
        finally:
            _polling_queues = False

    def ripe_mappings():
        for account_id, region, mapping in mappings():
            if not _polling_queues or _is_ripe(mapping):
                yield account_id, region, mapping

    def receive_whole_batch(queue_url, max_number):
        batch = []
        while len(batch) < max_number:
            wanted = min(_RECEIVED_AT_ONCE, max_number - len(batch))
            received = receive(queue_url, wanted)
            batch.extend(received)
            if len(received) < wanted:
                break
        return batch

    lambda_svc._poll_sqs = poll_queues
    lambda_svc._iter_all_esms = ripe_mappings
    sqs._receive_messages_for_esm = receive_whole_batch


def _is_ripe(mapping: dict) -> bool:
    window = int(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    if window == 0 or not _reads_queue(mapping):
        return True
    key = mapping["UUID"]
    queue = sqs._queue_by_arn(mapping["EventSourceArn"])
    now = time.time()
    waiting = sum(1 for message in queue["messages"] if message["visible_at"] <= now) if queue else 0
    if waiting == 0:
        _first_seen.pop(key, None)
        return False
    since = _first_seen.setdefault(key, now)
    if waiting < int(mapping.get("BatchSize", 10)) and now - since < window:
        return False
    _first_seen.pop(key)
    return True


def _reads_queue(mapping: dict) -> bool:
    try:
        return parse_arn(mapping.get("EventSourceArn", "")).service == "sqs"
    except ArnParseError:
        return False
