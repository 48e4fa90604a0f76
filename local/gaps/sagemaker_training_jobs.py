"""Gap: SageMaker training jobs. The bare emulator has no SageMaker at all.

CreateTrainingJob, DescribeTrainingJob, StopTrainingJob, ListTrainingJobs, AddTags, ListTags and DeleteTags. A job
runs its entry point as a process of this machine: TrainingImage names a folder whose bin/ comes first on the PATH,
/opt/ml lies at SAGEMAKER_BASE_DIR, and every /opt/ml in ContainerEntrypoint and ContainerArguments is replaced by
it. Managed spot instances are taken away by the rules of POST /_laptop/spot-interruptions.
"""

from __future__ import annotations

import json
import threading

import gaps
from gaps import _sagemaker_api
from gaps import _sagemaker_interruptions as interruptions
from gaps._sagemaker_api import ApiError, arn_here
from gaps._sagemaker_api import invalid as _invalid
from gaps._sagemaker_attempt import run
from gaps._sagemaker_job import Job
from ministack.core.responses import get_account_id, get_region

_jobs: dict[str, Job] = {}
_lock = threading.Lock()


def _arn(name: str) -> str:
    return arn_here("training-job", name)


def find(name: str) -> Job:
    job = _jobs.get(_arn(name))
    if job is None:
        raise ApiError("ResourceNotFound", f"Requested resource not found: {_arn(name)}")
    return job


def create_training_job(request: dict) -> Job:
    """Starts a job. @raises ApiError"""
    _check_together(request)
    _check_available(request)
    job = Job(request, get_account_id(), get_region())
    with _lock:
        if job.arn in _jobs:
            raise ApiError("ResourceInUse", "Training job names must be unique within an AWS account and region, "
                           f"and a training job with this name already exists ({job.arn})")
        _jobs[job.arn] = job
    threading.Thread(target=run, args=(job,), daemon=True, name=f"training-{job.name}").start()
    return job


def _check_together(request: dict) -> None:
    """What AWS checks beyond its own model: members that need or exclude each other."""
    algorithm, stopping = request["AlgorithmSpecification"], request.get("StoppingCondition")
    if bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        raise _invalid("You must specify either the AlgorithmName or the TrainingImage, and not both.")
    if not request.get("ResourceConfig"):
        raise _invalid("You must specify a ResourceConfig.")
    if not request.get("OutputDataConfig"):
        raise _invalid("You must specify an OutputDataConfig.")
    if not stopping:
        raise _invalid("You must specify a StoppingCondition.")
    longest, wait = stopping.get("MaxRuntimeInSeconds", 86_400), stopping.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < longest:
            raise _invalid("Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                           f"MaxRuntimeInSeconds ({longest}) when EnableManagedSpotTraining is true.")
    elif wait is not None:
        raise _invalid("MaxWaitTimeInSeconds is only for managed spot training: set EnableManagedSpotTraining to "
                       "true or leave it out.")
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(names) != len(set(names)):
        raise _invalid(f"Channel names must be unique: {', '.join(names)}")


def _check_available(request: dict) -> None:
    """A job that this machine cannot run as asked is refused, rather than run otherwise."""
    def refuse(what: str) -> ApiError:
        return _invalid(f"{what} is not available in the laptop cloud.")

    algorithm, resources = request["AlgorithmSpecification"], request["ResourceConfig"]
    if algorithm.get("AlgorithmName"):
        raise refuse("AlgorithmName")
    if resources.get("InstanceCount", 1) != 1 or resources.get("InstanceGroups"):
        raise ApiError("ResourceLimitExceeded", f"The account-level service limit '{resources.get('InstanceType')} for "
                       "training job usage' is 1 Instances in the laptop cloud: it has one machine.")
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] != "S3Prefix":
            raise refuse(f"the data source of channel {channel['ChannelName']} (S3DataType S3Prefix is)")
        if channel.get("CompressionType", "None") != "None":
            raise refuse(f"CompressionType of channel {channel['ChannelName']}")
        if (channel.get("InputMode") or algorithm["TrainingInputMode"]) == "Pipe":
            raise refuse(f"input mode Pipe of channel {channel['ChannelName']}")
    local_path = request.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints")
    if not local_path.startswith("/opt/ml/"):
        raise refuse(f"a checkpoint folder outside /opt/ml ({local_path})")


def _create(request: dict) -> dict:
    return {"TrainingJobArn": create_training_job(request).arn}


def _describe(request: dict) -> dict:
    return find(request["TrainingJobName"]).describe()


def _stop(request: dict) -> dict:
    job = find(request["TrainingJobName"])
    if job.done.is_set():
        raise _invalid("The request was rejected because the training job is in status "
                       f"{job.status}.")
    job.stop()
    return {}


def _list(request: dict) -> dict:
    found = [job.describe() for job in list(_jobs.values())
             if (job.account, job.region) == (get_account_id(), get_region())]
    found = [job for job in found if _wanted(job, request)]
    key = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(request.get("SortBy"), "CreationTime")
    found.sort(key=lambda job: job[key], reverse=request.get("SortOrder", "Descending") == "Descending")
    start, size = int(request.get("NextToken", 0)), request.get("MaxResults", 10)
    members = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
               "TrainingJobStatus", "SecondaryStatus")
    page = [{name: job[name] for name in members if name in job} for job in found[start:start + size]]
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {"TrainingJobSummaries": page, **more}


def _wanted(job: dict, request: dict) -> bool:
    limits = (("CreationTime", "CreationTimeAfter", 1), ("CreationTime", "CreationTimeBefore", -1),
              ("LastModifiedTime", "LastModifiedTimeAfter", 1), ("LastModifiedTime", "LastModifiedTimeBefore", -1))
    return (request.get("NameContains", "").lower() in job["TrainingJobName"].lower()
            and request.get("StatusEquals", job["TrainingJobStatus"]) == job["TrainingJobStatus"]
            and all((job[of] - request[name]) * sign > 0 for of, name, sign in limits if name in request))


def _tagged(request: dict) -> Job:
    job = _jobs.get(request["ResourceArn"])
    if job is None:
        raise _invalid(f"Could not find the resource {request['ResourceArn']}.")
    return job


def _add_tags(request: dict) -> dict:
    job = _tagged(request)
    tags = {tag["Key"]: tag for tag in [*job.tags, *request["Tags"]]}
    job.tags = list(tags.values())
    return {"Tags": job.tags}


def _list_tags(request: dict) -> dict:
    return {"Tags": _tagged(request).tags}


def _delete_tags(request: dict) -> dict:
    job = _tagged(request)
    job.tags = [tag for tag in job.tags if tag["Key"] not in request["TagKeys"]]
    return {}


_OPERATIONS = {
    "CreateTrainingJob": _create, "DescribeTrainingJob": _describe, "StopTrainingJob": _stop,
    "ListTrainingJobs": _list, "AddTags": _add_tags, "ListTags": _list_tags, "DeleteTags": _delete_tags,
}


async def _interruption_door(method: str, path: str, body: bytes) -> gaps.Response:
    if method == "POST":
        try:
            return gaps.json_response(201, interruptions.add(json.loads(body or b"{}")))
        except ValueError as error:
            return gaps.json_response(400, {"message": str(error)})
    if method == "DELETE":
        interruptions.clear()
    return gaps.json_response(200, interruptions.rules())


def install() -> None:
    _sagemaker_api.OPERATIONS.update(_OPERATIONS)
    _sagemaker_api.PASSES_ROLE["CreateTrainingJob"] = "RoleArn"
    _sagemaker_api.install()
    gaps.door("spot-interruptions", _interruption_door)
