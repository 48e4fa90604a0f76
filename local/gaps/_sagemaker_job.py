"""One training job's state, as DescribeTrainingJob and the events tell it.

Times are those of the process. BillableTimeInSeconds leaves out the time between an interruption and the next
start, and knows no spot price: a laptop has none.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time

from gaps import _sagemaker_storage as storage
from gaps._aws_model import service_model
from gaps._sagemaker_api import arn_of

_logger = logging.getLogger("sagemaker")
TERMINAL = ("Completed", "Failed", "Stopped")
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "The spot instance was interrupted",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job runtime exceeded MaxWaitTimeInSeconds provided",
}


class Job:
    """A training job's state. Its methods may be called from any thread."""

    def __init__(self, request: dict, account: str, region: str):
        self.request, self.account, self.region = request, account, region
        self.name = request["TrainingJobName"]
        self.arn = arn_of("training-job", self.name, account, region)
        self.tags = list(request.get("Tags", []))
        self.status, self.secondary = "InProgress", "Starting"
        self.created = self.modified = time.time()
        self.started: float | None = None
        self.ended: float | None = None
        self.billable = 0.0
        self.failure: str | None = None
        self.metrics: dict[str, dict] = {}
        self.transitions: list[dict] = []
        self.stop_requested = threading.Event()
        self.done = threading.Event()
        self._lock = threading.RLock()

    @property
    def is_spot(self) -> bool:
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def output_uri(self) -> str:
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output"

    @property
    def is_compressed(self) -> bool:
        return self.request["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"

    @property
    def artifacts_uri(self) -> str:
        return f"{self.output_uri}/model{'.tar.gz' if self.is_compressed else ''}"

    def client(self, service: str):
        """A client of the service in the job's execution role."""
        return storage.client(service, self.request["RoleArn"], self.account, self.region)

    def move(self, status: str, secondary: str) -> None:
        """Enters a status, closes the one before, and tells EventBridge."""
        with self._lock:
            now = self.modified = time.time()
            if self.transitions:
                self.transitions[-1].setdefault("EndTime", now)
            transition = {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
            if status in TERMINAL:
                self.ended = transition["EndTime"] = now
                transition["StatusMessage"] = self.failure or transition["StatusMessage"]
            self.transitions.append(transition)
            self.status, self.secondary = status, secondary
            detail = self.describe()
        self._emit(detail)
        if status in TERMINAL:
            self.done.set()

    def stop(self) -> None:
        """Asks a running job to stop; nothing happens to one that has ended."""
        self.stop_requested.set()

    def describe(self) -> dict:
        """DescribeTrainingJob's output, times in epoch seconds."""
        with self._lock:
            members = service_model("sagemaker").operation_model("DescribeTrainingJob").output_shape.members
            described = {name: value for name, value in self.request.items() if name in members}
            described.update(self._described_state())
            return json.loads(json.dumps(described))

    def _described_state(self) -> dict:
        state = {
            "TrainingJobName": self.name, "TrainingJobArn": self.arn,
            "TrainingJobStatus": self.status, "SecondaryStatus": self.secondary,
            "CreationTime": self.created, "LastModifiedTime": self.modified,
            "SecondaryStatusTransitions": self.transitions,
            "ModelArtifacts": {"S3ModelArtifacts": self.artifacts_uri},
            "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **self.request["OutputDataConfig"]},
            "EnableNetworkIsolation": bool(self.request.get("EnableNetworkIsolation")),
            "EnableInterContainerTrafficEncryption": bool(self.request.get("EnableInterContainerTrafficEncryption")),
            "EnableManagedSpotTraining": self.is_spot,
        }
        if self.started:
            until = self.ended or time.time()
            state["TrainingStartTime"] = self.started
            if self.ended:
                state["TrainingEndTime"] = self.ended
                state["TrainingTimeInSeconds"] = max(1, math.ceil(until - self.started))
                state["BillableTimeInSeconds"] = max(1, math.ceil(self.billable))
        if self.metrics:
            state["FinalMetricDataList"] = list(self.metrics.values())
        if self.failure:
            state["FailureReason"] = self.failure
        return state

    def _emit(self, detail: dict) -> None:
        from ministack.core.responses import request_scope
        from ministack.services import eventbridge

        entry = {"Source": "aws.sagemaker", "DetailType": "SageMaker Training Job State Change",
                 "Detail": json.dumps(_times(detail, lambda seconds: str(int(seconds * 1000)))),
                 "Resources": [self.arn]}
        try:
            with request_scope(self.account, self.region):
                eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        except Exception:
            _logger.exception("the state change of %s was not published", self.name)


def _times(value, convert):
    """The description with every time converted."""
    if isinstance(value, list):
        return [_times(item, convert) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: convert(item) if name.endswith(("Time", "Timestamp")) and isinstance(item, float)
            else _times(item, convert) for name, item in value.items()}


def with_millisecond_times(description: dict) -> dict:
    """The description as Step Functions passes it on: times as epoch milliseconds."""
    return _times(description, lambda seconds: int(seconds * 1000))
