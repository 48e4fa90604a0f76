"""What SageMaker moves between S3 and a training instance: channels in, checkpoints both ways, artifacts out."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import tarfile
import tempfile
import threading

from gaps import endpoint

_logger = logging.getLogger("sagemaker")
_SYNC_SECONDS = 0.25


class DownloadError(Exception):
    """Input data or a checkpoint cannot be read; the message is the job's FailureReason."""


@functools.cache
def client(service: str, role_arn: str, account: str, region: str):
    """A botocore client of this cloud that acts in the execution role, as a training job does. Safe between threads."""
    import botocore.session
    from botocore.config import Config
    from ministack.services import sts

    digest = hashlib.sha256(f"sagemaker:{role_arn}".encode()).hexdigest()
    key, secret, token = f"ASIA{digest[:16].upper()}", digest, digest[::-1]
    role = role_arn.rsplit("/", 1)[-1]
    sts.register_session(key, {"Arn": f"arn:aws:sts::{account}:assumed-role/{role}/SageMaker",
                               "UserId": f"{role}:SageMaker", "SecretAccessKey": secret, "SessionToken": token})
    return botocore.session.get_session().create_client(
        service, region_name=region, endpoint_url=endpoint(),
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required",
                      response_checksum_validation="when_required", max_pool_connections=32))


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _objects(s3, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", []) if not item["Key"].endswith("/")]


def download(s3, bucket: str, key: str, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    with open(path, "wb") as file:
        for chunk in body.iter_chunks(1 << 20):
            file.write(chunk)


def _inside(folder: str, relative: str) -> str:
    path = os.path.realpath(os.path.join(folder, relative))
    if os.path.commonpath([path, os.path.realpath(folder)]) != os.path.realpath(folder):
        raise DownloadError(f"ClientError: the key part '{relative}' leads out of the input folder.")
    return path


def download_channel(s3, uri: str, folder: str, region: str) -> None:
    """Everything below an S3 prefix, under the part of its key after the prefix; an exact key by its base name."""
    import botocore.exceptions

    bucket, prefix = parse_uri(uri)
    os.makedirs(folder, exist_ok=True)
    try:
        keys = _objects(s3, bucket, prefix)
    except botocore.exceptions.ClientError as error:
        raise DownloadError(f"ClientError: Data download failed:{error}") from error
    if not keys:
        raise DownloadError(
            f'ClientError: Data download failed:No S3 objects found under S3 URL "{uri}" given in input data source. '
            f"Please ensure that the bucket exists in the selected region ({region}), that objects exist under that "
            "S3 prefix, and that the role has \"s3:ListBucket\" permissions on the bucket.")
    for key in keys:
        relative = key[len(prefix):].lstrip("/") or key.rsplit("/", 1)[-1]
        download(s3, bucket, key, _inside(folder, relative))


def upload_folder(s3, folder: str, uri: str) -> None:
    bucket, prefix = parse_uri(uri)
    for relative, path in sorted(_files(folder).items()):
        with open(path, "rb") as file:
            s3.put_object(Bucket=bucket, Key=f"{prefix}/{relative}", Body=file)


def upload_archive(s3, folder: str, uri: str) -> None:
    """The folder's content as a gzipped tar."""
    bucket, key = parse_uri(uri)
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name in sorted(os.listdir(folder)):
                archive.add(os.path.join(folder, name), arcname=name)
        file.seek(0)
        s3.put_object(Bucket=bucket, Key=key, Body=file)


def _files(folder: str) -> dict[str, str]:
    """Path of each file below the folder, by its relative name with forward slashes."""
    return {
        os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/"): os.path.join(parent, name)
        for parent, _, names in os.walk(folder) for name in names
    }


class CheckpointSync:
    """Keeps an S3 prefix as the local checkpoint folder is, deletions included, until it is stopped.

    Files go up in the order they were written, so that one that names others is never there before them.
    """

    def __init__(self, s3, uri: str, folder: str):
        self._s3, self._folder = s3, folder
        bucket, prefix = parse_uri(uri)
        self._bucket, self._prefix = bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else ""
        self._known: dict[str, tuple] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="checkpoint-sync")
        self.passes = 0
        self.uploaded: list[str] = []

    def restore(self) -> None:
        """Puts what S3 holds into the folder. Later additions to S3 are not brought down."""
        os.makedirs(self._folder, exist_ok=True)
        for key in _objects(self._s3, self._bucket, self._prefix):
            relative = key[len(self._prefix):]
            path = _inside(self._folder, relative)
            download(self._s3, self._bucket, key, path)
            self._known[relative] = _signature(os.stat(path))

    def start(self) -> None:
        self._thread.start()

    def end(self, last_pass: bool) -> None:
        """Stops; with ``last_pass`` what was written since the last one still goes up."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if last_pass:
            self._stop.clear()
            self._pass()

    def count(self, pattern: str | None) -> int:
        """Uploads whose relative key the pattern finds; passes that uploaded anything when there is none.

        Only whole passes count: what a file names is in S3 with it.
        """
        if pattern is None:
            return self.passes
        return sum(1 for key in list(self.uploaded) if re.search(pattern, key))

    def _run(self) -> None:
        while not self._stop.wait(_SYNC_SECONDS):
            try:
                self._pass()
            except Exception:
                _logger.exception("checkpoints could not be copied to s3://%s/%s", self._bucket, self._prefix)

    def _changed(self, files: dict[str, str]) -> list[tuple[int, str, str]]:
        changed = []
        for relative, path in files.items():
            try:
                state = os.stat(path)
            except FileNotFoundError:
                continue
            if self._known.get(relative) != _signature(state):
                changed.append((state.st_mtime_ns, relative, path))
        return sorted(changed)

    def _pass(self) -> None:
        files = _files(self._folder)
        sent: list[str] = []
        for _, relative, path in self._changed(files):
            if self._stop.is_set():
                return
            try:
                with open(path, "rb") as file:
                    signature = _signature(os.fstat(file.fileno()))
                    self._s3.put_object(Bucket=self._bucket, Key=self._prefix + relative, Body=file)
            except FileNotFoundError:
                continue
            self._known[relative] = signature
            sent.append(relative)
        for relative in [name for name in self._known if name not in files]:
            if self._stop.is_set():
                return
            self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + relative)
            del self._known[relative]
        self.uploaded.extend(sent)
        self.passes += bool(sent)


def _signature(state: os.stat_result) -> tuple:
    return state.st_mtime_ns, state.st_size, state.st_ino
