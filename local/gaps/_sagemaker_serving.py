"""One serverless endpoint: its container as a process, started when it is asked and ended when it is idle."""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import socket
import tarfile
import tempfile
import threading
import time

from gaps import _sagemaker_storage as storage
from gaps._sagemaker_api import ApiError, arn_of
from gaps._sagemaker_process import ContainerProcess, LogStream, container_path

_logger = logging.getLogger("sagemaker")
LARGEST_BODY_BYTES = 4 * 1024 * 1024
_START_SECONDS = 180
_INVOCATION_SECONDS = 60
_IDLE_SECONDS = 300
_POLL_SECONDS = 0.05
_END_SECONDS = 2
_TOOLKIT = os.path.join(os.path.dirname(__file__), "_sagemaker_toolkit.py")


class StartFailed(Exception):
    """The container does not come up; the message is the endpoint's FailureReason."""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Endpoint:
    """An endpoint's state. Its methods may be called from any thread."""

    def __init__(self, request: dict, config: dict, model: dict, account: str, region: str):
        self.name = request["EndpointName"]
        self.config, self.model, self.account, self.region = config, model, account, region
        self.arn = arn_of("endpoint", self.name, account, region)
        self.tags = list(request.get("Tags", []))
        self.status = "Creating"
        self.failure: str | None = None
        self.created = self.modified = time.time()
        serverless = config["ProductionVariants"][0]["ServerlessConfig"]
        self.slots = threading.BoundedSemaphore(serverless["MaxConcurrency"])
        self._folder = os.path.join(tempfile.gettempdir(), "endpoints", self.name)
        self._base = os.path.join(self._folder, "ml")
        self._lock = threading.Lock()
        self._process: ContainerProcess | None = None
        self._port = 0
        self._asked = time.monotonic()
        self._deleted = threading.Event()

    def create(self) -> None:
        """Brings the endpoint into service, or to its failure. The thread of its creation runs this."""
        try:
            self._unpack()
            with self._lock:
                self._start()
            self._move("InService")
        except StartFailed as error:
            self._fail(str(error))
        except Exception as error:
            _logger.error("endpoint %s broke", self.name, exc_info=error)
            self._fail(f"InternalServerError: {error}")
        threading.Thread(target=self._watch_idleness, daemon=True, name=f"idle-{self.name}").start()

    def delete(self) -> None:
        """Ends the container and removes its folder."""
        self._deleted.set()
        with self._lock:
            self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """Takes the container away, as after a while without a request: the next one starts another."""
        with self._lock:
            self._stop()

    def invoke(self, headers: dict, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Passes a request on to the container. @raises ApiError"""
        if len(body) > LARGEST_BODY_BYTES:
            raise ApiError("ValidationError", f"Request size of {len(body)} bytes exceeds the limit of "
                           f"{LARGEST_BODY_BYTES} bytes", 413)
        if not self.slots.acquire(blocking=False):
            raise ApiError("ThrottlingException", "Rate exceeded", 400)
        try:
            with self._lock:
                self._asked = time.monotonic()
                if self._process is None or self._process.exit_code() is not None:
                    self._start()
            return self._ask(headers, body)
        except StartFailed as error:
            raise ApiError("ModelError", str(error), 424, OriginalStatusCode=0, OriginalMessage="") from error
        finally:
            self._asked = time.monotonic()
            self.slots.release()

    def _ask(self, headers: dict, body: bytes) -> tuple[int, dict[str, str], bytes]:
        sent = {"Content-Type": headers.get("content-type", "application/octet-stream"),
                "Accept": headers.get("accept", "*/*")}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_INVOCATION_SECONDS)
        try:
            connection.request("POST", "/invocations", body, sent)
            reply = connection.getresponse()
            answer = reply.read()
        except TimeoutError as error:
            raise self._model_error(0, "Your invocation timed out while waiting for a response from container "
                                    "primary. Review the latency metrics for each container in Amazon CloudWatch, "
                                    "resolve the issue, and try again.") from error
        except (OSError, http.client.HTTPException) as error:
            self._await_end()
            raise self._model_error(0, "Connection closed before the container answered") from error
        finally:
            connection.close()
        if not 200 <= reply.status < 300:
            raise self._model_error(reply.status, answer.decode("utf-8", "replace"))
        return 200, {"Content-Type": reply.getheader("Content-Type", "application/octet-stream"),
                     "x-Amzn-Invoked-Production-Variant": self._variant["VariantName"]}, answer

    def _await_end(self) -> None:
        """Who closes a connection unasked is mostly about to end: the next request is not to meet it on its way."""
        process, deadline = self._process, time.monotonic() + _END_SECONDS
        while process and process.exit_code() is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _model_error(self, status: int, text: str) -> ApiError:
        message = (f'Received server error ({status}) from primary with message "{text[:1024]}". See the log group '
                   f"{self.log_group} in account {self.account} for more information.")
        return ApiError("ModelError", message, 424, OriginalStatusCode=status, OriginalMessage=text[:1024],
                        LogStreamArn=f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.log_group}")

    @property
    def log_group(self) -> str:
        return f"/aws/sagemaker/Endpoints/{self.name}"

    @property
    def _variant(self) -> dict:
        return self.config["ProductionVariants"][0]

    @property
    def _container(self) -> dict:
        return self.model["PrimaryContainer"]

    def _client(self, service: str):
        return storage.client(service, self.model["ExecutionRoleArn"], self.account, self.region)

    def _unpack(self) -> None:
        """Puts the model's archive where the container looks for it."""
        from botocore.exceptions import ClientError

        folder = os.path.join(self._base, "model")
        os.makedirs(folder, exist_ok=True)
        uri = self._container.get("ModelDataUrl")
        if uri is None:
            return
        bucket, key = storage.parse_uri(uri)
        try:
            body = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"]
            with tarfile.open(fileobj=body, mode="r|gz") as archive:
                archive.extractall(folder, filter="data")
        except (ClientError, tarfile.TarError) as error:
            raise StartFailed(f"Failed to download model data from URL {uri}. Please ensure that the object is a "
                              f"gzipped tar and that the role may read it: {error}") from error

    def _command(self) -> list[str]:
        """SageMaker runs ``docker run image serve``; a Python environment stands for a framework's image."""
        image, environment = self._container["Image"], self._container.get("Environment", {})
        if os.path.exists(os.path.join(image, "bin", "serve")):
            return ["serve"]
        if environment.get("SAGEMAKER_PROGRAM") and os.path.exists(os.path.join(image, "bin", "python3")):
            return ["python3", _TOOLKIT]
        raise StartFailed(f"The image {image} cannot be pulled: on a laptop an image is a folder with an executable "
                          "bin/serve, or a Python environment whose container has SAGEMAKER_PROGRAM.")

    def _start(self) -> None:
        """Starts the container and waits for its /ping."""
        self._stop()
        self._port = _free_port()
        image = self._container["Image"]
        environment = {
            "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
            **{name: container_path(value, self._base) for name, value in self._container.get("Environment", {}).items()},
            "PATH": os.pathsep.join([os.path.join(image, "bin"), os.environ.get("PATH", os.defpath)]),
            "HOME": os.path.join(self._folder, "home"), "TMPDIR": os.path.join(self._folder, "tmp"),
            "SAGEMAKER_BASE_DIR": self._base, "SAGEMAKER_BIND_TO_PORT": str(self._port), "AWS_REGION": self.region,
        }
        stream = f"{self._variant['VariantName']}/{int(time.time() * 1000)}"
        log = LogStream(self._client("logs"), self.log_group, stream, [])
        try:
            process = ContainerProcess(self._command(), self._base, environment, log)
        except OSError as error:
            raise StartFailed(f"The image {image} cannot be run: {error}") from error
        self._process = process
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers_ping():
            if process.exit_code() is not None or time.monotonic() > deadline or self._deleted.is_set():
                self._stop()
                raise StartFailed(f"The primary container for production variant {self._variant['VariantName']} did "
                                  "not pass the ping health check. Please check CloudWatch logs for this endpoint.")
            time.sleep(_POLL_SECONDS)

    def _answers_ping(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()

    def _watch_idleness(self) -> None:
        while not self._deleted.wait(1):
            if time.monotonic() - self._asked > _IDLE_SECONDS and self._process:
                self.freeze()

    def _move(self, status: str) -> None:
        self.status, self.modified = status, time.time()

    def _fail(self, reason: str) -> None:
        self.failure = reason[:1024]
        self._move("Failed")

    def describe(self) -> dict:
        """DescribeEndpoint's output, times in epoch seconds."""
        variant = self._variant
        return {
            "EndpointName": self.name, "EndpointArn": self.arn,
            "EndpointConfigName": self.config["EndpointConfigName"], "EndpointStatus": self.status,
            "CreationTime": self.created, "LastModifiedTime": self.modified,
            "ProductionVariants": [{"VariantName": variant["VariantName"],
                                    "CurrentServerlessConfig": variant["ServerlessConfig"]}],
            **({"FailureReason": self.failure} if self.failure else {}),
        }
