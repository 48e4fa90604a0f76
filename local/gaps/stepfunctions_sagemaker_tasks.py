"""Gap: Step Functions' createTrainingJob and createTrainingJob.sync. The bare emulator has neither.

With .sync the state ends with the job: its description is the result, with times in epoch milliseconds; a job that
failed or was stopped fails the task as States.TaskFailed with the description as cause; a stopped execution or a
timeout of the state stops the job.
"""

from __future__ import annotations

import json

from gaps._sagemaker_api import ApiError, call
from gaps._sagemaker_job import with_millisecond_times
from gaps.sagemaker_training_jobs import find
from gaps.stepfunctions_stop_and_timeout import on_stop
from ministack.services import stepfunctions as sfn

_RESOURCE = "arn:aws:states:::sagemaker:createTrainingJob"
# Errors of the API's model become exceptions of their name; every other one is the service's general exception.
_MODELLED = ("ResourceInUse", "ResourceLimitExceeded", "ResourceNotFound")


def _error_name(name: str) -> str:
    return f"SageMaker.{name}Exception" if name in _MODELLED else "SageMaker.AmazonSageMakerException"


def _create_training_job(resource: str, parameters: dict) -> dict:
    try:
        created = call("CreateTrainingJob", parameters)
    except ApiError as error:
        raise sfn._ExecutionError(
            _error_name(error.name),
            f"{error.message} (Service: AmazonSageMaker; Status Code: 400; Error Code: {error.name})") from error
    if not resource.endswith(".sync"):
        return created
    job = find(parameters["TrainingJobName"])
    with on_stop(job.stop):
        job.done.wait()
    described = with_millisecond_times(job.describe())
    if job.status != "Completed":
        raise sfn._ExecutionError("States.TaskFailed", json.dumps(described))
    return described


def install() -> None:
    sfn._SERVICE_DISPATCH[_RESOURCE] = _create_training_job
