"""The thread of a training job: one attempt after the other, until one of them is not interrupted."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time

from gaps import _sagemaker_interruptions as interruptions
from gaps import _sagemaker_storage as storage
from gaps._sagemaker_job import Job
from gaps._sagemaker_process import Container, checkpoint_folder, container_path, write_tree

_logger = logging.getLogger("sagemaker")
_STOP_GRACE_SECONDS = 120
_POLL_SECONDS = 0.05


class TrainingFailed(Exception):
    """The job fails; the message is its FailureReason."""


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
        deadline = time.time() + _STOP_GRACE_SECONDS
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
