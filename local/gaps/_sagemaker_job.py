"""One training job: its state as DescribeTrainingJob tells it, and the thread that carries it through.

Times are those of the process. BillableTimeInSeconds leaves out the time between an interruption and the next
start, and knows no spot price: a laptop has none.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import tempfile
import threading
import time

from gaps import _sagemaker_interruptions as interruptions
from gaps import _sagemaker_storage as storage
from gaps._aws_model import service_model
from gaps._sagemaker_process import Container, checkpoint_folder, container_path, write_tree

_logger = logging.getLogger("sagemaker")
STOP_GRACE_SECONDS = 120
_POLL_SECONDS = 0.05
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


def arn_of(name: str, account: str, region: str) -> str:
    """A job's ARN, in which AWS writes the name in small letters."""
    return f"arn:aws:sagemaker:{region}:{account}:training-job/{name.lower()}"


class TrainingFailed(Exception):
    """The job fails; the message is its FailureReason."""


class Job:
    """A training job's state. Its methods may be called from any thread."""

    def __init__(self, request: dict, account: str, region: str):
        self.request, self.account, self.region = request, account, region
        self.name = request["TrainingJobName"]
        self.arn = arn_of(self.name, account, region)
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


def _reason(error: Exception) -> str:
    """What a job that ended with this exception gives as its FailureReason."""
    from botocore.exceptions import ClientError

    if isinstance(error, (TrainingFailed, storage.DownloadError)):
        return str(error)
    if isinstance(error, ClientError):
        return f"ClientError: {error}"
    _logger.error("a training job broke", exc_info=error)
    return f"InternalServerError: {error}"


def run(job: Job) -> None:
    """Carries a job to its end. The thread of the job runs this."""
    folder = os.path.join(tempfile.gettempdir(), "training", job.name)
    try:
        number = 0
        while True:
            number += 1
            if not _Attempt(job, os.path.join(folder, str(number), "ml")).run():
                break
    except Exception as error:
        job.failure = _reason(error)[:1024]
        job.move("Failed", "Failed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Attempt:
    """One instance's life: from its start to the job's end or to its interruption."""

    def __init__(self, job: Job, base: str):
        self.job, self.base = job, base
        self.s3 = job.client("s3")
        self.sync: storage.CheckpointSync | None = None
        self.began = 0.0

    def run(self) -> bool:
        """True when the instance was taken away and the job goes on with another one."""
        job = self.job
        job.move("InProgress", "Starting")
        image = job.request["AlgorithmSpecification"]["TrainingImage"]
        if not os.path.isdir(image):
            raise TrainingFailed(
                f"ClientError: Cannot pull the training image {image}: on a laptop a training image is a folder "
                "with a bin/ in it, and there is none of that name.")
        self.began = time.time()
        job.started = job.started or self.began
        try:
            return self._train()
        finally:
            job.billable += time.time() - self.began

    def _train(self) -> bool:
        job = self.job
        job.move("InProgress", "Downloading")
        write_tree(self.base, job.request)
        for channel in job.request.get("InputDataConfig", []):
            storage.download_channel(
                self.s3, channel["DataSource"]["S3DataSource"]["S3Uri"],
                os.path.join(self.base, "input", "data", channel["ChannelName"]), job.region)
        checkpoints = job.request.get("CheckpointConfig")
        if checkpoints:
            self.sync = storage.CheckpointSync(self.s3, checkpoints["S3Uri"], checkpoint_folder(self.base, checkpoints))
            self.sync.restore()
        if job.stop_requested.is_set():
            job.move("Stopping", "Stopping")
            job.move("Stopped", "Stopped")
            return False
        job.move("InProgress", "Training")
        return self._supervise(self._start())

    def _start(self) -> Container:
        job = self.job
        try:
            container = Container(job.request, self.base, job.arn, job.region, job.client("logs"))
        except OSError as error:
            raise TrainingFailed(f"AlgorithmError: the container's entry point could not be run: {error}") from error
        if self.sync:
            self.sync.start()
        return container

    def _supervise(self, container: Container) -> bool:
        job, started = self.job, time.time()
        reason = None
        try:
            while container.exit_code() is None and reason is None:
                if job.is_spot and interruptions.take(job.name, time.time() - started, self.sync):
                    self._interrupt(container)
                    return True
                reason = self._reason_to_stop()
                time.sleep(_POLL_SECONDS)
            if reason:
                self._ask_to_end(container)
        finally:
            # Whatever the entry point left running ends with its container.
            code = container.exit_code()
            container.kill()
            job.metrics.update(container.log.metrics)
        if self.sync:
            self.sync.end(last_pass=True)
        if reason is None and code != 0:
            self._upload_output()
            raise TrainingFailed(self._failure_reason(code))
        self._finish(reason)
        return False

    def _interrupt(self, container: Container) -> None:
        """The instance is gone at once, and everything on it that has not reached S3."""
        container.kill()
        if self.sync:
            self.sync.end(last_pass=False)
        shutil.rmtree(os.path.dirname(self.base), ignore_errors=True)
        self.job.move("InProgress", "Interrupted")

    def _reason_to_stop(self) -> str | None:
        job, limits = self.job, self.job.request["StoppingCondition"]
        if job.stop_requested.is_set():
            return "Stopped"
        if job.is_spot and time.time() - job.created > limits["MaxWaitTimeInSeconds"]:
            return "MaxWaitTimeExceeded"
        ran = job.billable + time.time() - self.began
        if ran > limits.get("MaxRuntimeInSeconds", 86_400):
            return "MaxRuntimeExceeded"
        return None

    def _ask_to_end(self, container: Container) -> None:
        self.job.move("Stopping", "Stopping")
        container.terminate()
        deadline = time.time() + STOP_GRACE_SECONDS
        while container.exit_code() is None and time.time() < deadline:
            time.sleep(_POLL_SECONDS)

    def _finish(self, reason: str | None) -> None:
        self.job.move("Stopping" if reason else "InProgress", "Uploading")
        self._upload_model()
        self._upload_output()
        self.job.move("Stopped" if reason else "Completed", reason or "Completed")

    def _upload_model(self) -> None:
        send = storage.upload_archive if self.job.is_compressed else storage.upload_folder
        send(self.s3, os.path.join(self.base, "model"), self.job.artifacts_uri)

    def _upload_output(self) -> None:
        output = os.path.join(self.base, "output")
        if not self.job.is_compressed:
            storage.upload_folder(self.s3, os.path.join(output, "data"), f"{self.job.output_uri}/data")
        elif os.listdir(os.path.join(output, "data")) or os.path.exists(os.path.join(output, "failure")):
            storage.upload_archive(self.s3, output, f"{self.job.output_uri}/output.tar.gz")

    def _failure_reason(self, code: int | None) -> str:
        path = container_path("/opt/ml/output/failure", self.base)
        text = ""
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read(1024)
        suffix = f", exit code: {code}"
        return f"AlgorithmError: {text}"[:1024 - len(suffix)] + suffix
