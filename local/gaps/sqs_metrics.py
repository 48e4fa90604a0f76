"""Gap: a queue's depth and age are metrics, so that an alarm can watch a dead-letter queue. The bare emulator has none.

They are taken every 10 s; AWS takes them every minute.
"""

import contextvars
import threading
import time

from ministack.core import responses
from ministack.services import cloudwatch, sqs

_EVERY_SECONDS = 10


def measure(queue: dict, now: float) -> dict[str, float]:
    """The metrics of one queue by name: counts, and the age of its oldest message in seconds."""
    messages = list(queue["messages"])
    visible = [m for m in messages if m["visible_at"] <= now]
    inflight = [m for m in messages if m["visible_at"] > now and m.get("receive_count")]
    return {
        "ApproximateNumberOfMessagesVisible": len(visible),
        "ApproximateNumberOfMessagesNotVisible": len(inflight),
        "ApproximateNumberOfMessagesDelayed": len(messages) - len(visible) - len(inflight),
        "ApproximateAgeOfOldestMessage": now - min((m["sent_at"] for m in messages), default=now),
    }


def _record(account: str, region: str, name: str, queue: dict) -> None:
    responses._request_account_id.set(account)
    responses._request_region.set(region)
    for metric, value in measure(queue, time.time()).items():
        unit = "Seconds" if metric.startswith("ApproximateAge") else "Count"
        cloudwatch.record_metric("AWS/SQS", metric, value, unit, {"QueueName": name})


def _watch() -> None:
    while True:
        time.sleep(_EVERY_SECONDS - time.time() % _EVERY_SECONDS)
        for (account, region, url), queue in list(sqs._queues._data.items()):
            contextvars.copy_context().run(_record, account, region, url.rsplit("/", 1)[-1], queue)


def install() -> None:
    if not hasattr(sqs, "_queues") or not hasattr(sqs._queues, "_data"):
        raise RuntimeError("MiniStack's sqs keeps its queues elsewhere: the pinned version changed.")
    threading.Thread(target=_watch, name="queue-metrics", daemon=True).start()
