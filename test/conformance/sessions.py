"""What clients of the protocols do in earnest, by the libraries that people use.

Reads from standard input where the door is, what lets one in, and what two models are to answer; writes a line of
JSON for each check. A check that fails ends nothing: the others are asked too.
"""

import asyncio
import json
import sys
import warnings

import httpx
import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from tritonclient.utils import InferenceServerException

DTYPES = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}
MANY = 1_000

setting = json.load(sys.stdin)
numbers, columns = setting["numbers"], setting["columns"]
url = setting["url"]
authority = url.removeprefix("http://").removeprefix("https://")
token = setting.get("token")

checks = []


def credentials(given=token):
    """Headers anew for each call: tritonclient adds its own to those that it is given."""
    return {"authorization": f"Bearer {given}"} if given else {}


def check(client):
    """Registers a function as a check, called as its docstring says."""

    def register(function):
        checks.append((client, function.__doc__, function))
        return function

    return register


def near(found, expected):
    found = np.asarray(found, dtype=np.float64)
    assert found.shape == (len(expected),), f"shape {found.shape}, expected ({len(expected)},)"
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def fails(act, *words, status=None):
    """The error of a client that could read the server's own words."""
    try:
        act()
    except InferenceServerException as error:
        text = str(error)
        assert "exception occurred in the client" not in text, text
        for word in words:
            assert word in text, f"expected {word!r} in: {text}"
        if status is not None:
            assert str(error.status()) == str(status), f"expected {status}: {error.status()} {text}"
        return
    raise AssertionError("nothing was refused")


def is_sent(value):
    return value.encode() if isinstance(value, str) else value


def tensors_of(model, shape=lambda rows: [rows], times=1):
    """name → datatype and values, as the model's own metadata asks for them."""
    rows = model["rows"] * times
    with client() as asked:
        inputs = asked.get_model_metadata(model["name"], headers=credentials())["inputs"]
    found = {}
    for column in inputs:
        name, datatype = column["name"], column["datatype"]
        if name not in rows[0]:
            continue
        values = np.array([is_sent(row[name]) for row in rows], dtype=DTYPES[datatype])
        found[name] = (datatype, values.reshape(shape(len(rows))))
    return found


def client(**options):
    return triton.InferenceServerClient(authority, **options)


def inputs_of(tensors, binary=True):
    inputs = []
    for name, (datatype, values) in tensors.items():
        given = triton.InferInput(name, list(values.shape), datatype)
        given.set_data_from_numpy(values, binary_data=binary)
        inputs.append(given)
    return inputs


def matrix_of(model, dtype, datatype, binary=True):
    values = np.array([list(row.values()) for row in model["rows"]]).astype(dtype)
    return inputs_of({"instances": (datatype, values)}, binary)


def infer(model, inputs, **options):
    with client() as asked:
        name = model if isinstance(model, str) else model["name"]
        return asked.infer(name, inputs, headers=credentials(), **options)


def outputs(**binary):
    return [triton.InferRequestedOutput(name, binary_data=value) for name, value in binary.items()]


# tritonclient.http: the server and the model


@check("tritonclient")
def _():
    """the server is live and ready"""
    with client() as asked:
        assert asked.is_server_live(headers=credentials()) and asked.is_server_ready(headers=credentials())


@check("tritonclient")
def _():
    """the server says its name, its version and that it takes binary tensors"""
    with client() as asked:
        metadata = asked.get_server_metadata(headers=credentials())
    assert metadata["name"] and metadata["version"], metadata
    assert "binary_tensor_data" in metadata["extensions"], metadata


@check("tritonclient")
def _():
    """a model is ready, also by its version; another version and another model are not"""
    name = numbers["name"]
    with client() as asked:
        assert asked.is_model_ready(name, headers=credentials())
        assert asked.is_model_ready(name, "1", headers=credentials())
        assert not asked.is_model_ready(name, "7", headers=credentials())
        assert not asked.is_model_ready("nobody", headers=credentials())


for model in (numbers, columns):

    @check("tritonclient")
    def _(model=model):
        """the model says what it takes and gives"""
        with client() as asked:
            metadata = asked.get_model_metadata(model["name"], "1", headers=credentials())
        assert metadata["name"] == model["name"] and metadata["versions"] == ["1"], metadata
        assert metadata["platform"] == "onnx_onnxv1", metadata
        assert {column["name"] for column in metadata["inputs"]} >= set(model["rows"][0]), metadata
        given = {(output["name"], output["datatype"]) for output in metadata["outputs"]}
        assert given == {("prediction", "FP32"), ("prediction_id", "BYTES")}, metadata


@check("tritonclient")
def _():
    """the metadata of a model that there is not is an error in words"""
    with client() as asked:
        fails(lambda: asked.get_model_metadata("nobody", headers=credentials()), "no", status=404)


@check("tritonclient")
def _():
    """an extension that is not claimed is an error in words"""
    with client() as asked:
        fails(lambda: asked.get_inference_statistics(numbers["name"], headers=credentials()))


# tritonclient.http: inference

for model in (numbers, columns):
    for binary in (True, False):
        how = "binary" if binary else "JSON"

        def both_outputs(model=model, binary=binary):
            result = infer(model, inputs_of(tensors_of(model), binary))
            near(result.as_numpy("prediction"), model["predictions"])
            ids = [identifier.decode() for identifier in result.as_numpy("prediction_id")]
            assert len(set(ids)) == len(model["rows"]), ids
            assert all(identifier.startswith(f"{model['name']}-v1-") for identifier in ids), ids
            assert result.get_response()["model_name"] == model["name"]
            assert result.get_response()["model_version"] == "1"

        both_outputs.__doc__ = f"{how} inputs of {model['name']}, all outputs"
        check("tritonclient")(both_outputs)

        def one_output(model=model, binary=binary):
            for given in (True, False):
                result = infer(
                    model, inputs_of(tensors_of(model), binary), outputs=outputs(prediction=given)
                )
                near(result.as_numpy("prediction"), model["predictions"])
                assert result.as_numpy("prediction_id") is None

        one_output.__doc__ = f"{how} inputs of {model['name']}, one output, binary and in JSON"
        check("tritonclient")(one_output)


@check("tritonclient")
def _():
    """one output binary, the other one in JSON"""
    for wanted in ({"prediction": True, "prediction_id": False}, {"prediction_id": True, "prediction": False}):
        result = infer(columns, inputs_of(tensors_of(columns)), outputs=outputs(**wanted))
        near(result.as_numpy("prediction"), columns["predictions"])
        assert len(result.as_numpy("prediction_id")) == len(columns["rows"])


@check("tritonclient")
def _():
    """some inputs binary, others in JSON"""
    tensors = tensors_of(columns)
    inputs = [inputs_of({name: one}, index % 2 == 0)[0] for index, (name, one) in enumerate(tensors.items())]
    near(infer(columns, inputs).as_numpy("prediction"), columns["predictions"])


@check("tritonclient")
def _():
    """tensors of shape [N, 1]"""
    for binary in (True, False):
        inputs = inputs_of(tensors_of(columns, lambda rows: [rows, 1]), binary)
        near(infer(columns, inputs).as_numpy("prediction"), columns["predictions"])


@check("tritonclient")
def _():
    """the inputs in another order"""
    inputs = inputs_of(tensors_of(columns))[::-1]
    near(infer(columns, inputs).as_numpy("prediction"), columns["predictions"])


for datatype, dtype in (("FP32", np.float32), ("FP64", np.float64)):
    for binary in (True, False):

        def matrix(datatype=datatype, dtype=dtype, binary=binary):
            result = infer(numbers, matrix_of(numbers, dtype, datatype, binary))
            near(result.as_numpy("prediction"), numbers["predictions"])

        matrix.__doc__ = f"a matrix of {datatype}, {'binary' if binary else 'JSON'}"
        check("tritonclient")(matrix)


@check("tritonclient")
def _():
    """types that fit without loss"""
    rows = numbers["rows"]
    tensors = {
        "length": ("FP32", np.array([row["length"] for row in rows], dtype=np.float32)),
        "items": ("INT32", np.array([row["items"] for row in rows], dtype=np.int32)),
    }
    for binary in (True, False):
        near(infer(numbers, inputs_of(tensors, binary)).as_numpy("prediction"), numbers["predictions"])


@check("tritonclient")
def _():
    """a nullable input is left out"""
    tensors = {name: one for name, one in tensors_of(numbers).items() if name != "items"}
    assert infer(numbers, inputs_of(tensors)).as_numpy("prediction").shape == (len(numbers["rows"]),)


@check("tritonclient")
def _():
    """by the version in the path; another version is an error in words"""
    inputs = inputs_of(tensors_of(numbers))
    near(infer(numbers, inputs, model_version="1").as_numpy("prediction"), numbers["predictions"])
    fails(lambda: infer(numbers, inputs, model_version="7"), "version 1", status=404)


@check("tritonclient")
def _():
    """a given id comes back, also one that needs escaping"""
    for given in ("request-1", 'a "quoted" \\ Ærø'):
        result = infer(numbers, inputs_of(tensors_of(numbers)), request_id=given)
        assert result.get_response()["id"] == given, result.get_response()


@check("tritonclient")
def _():
    """parameters, priority and timeout disturb nothing"""
    result = infer(
        numbers, inputs_of(tensors_of(numbers)), parameters={"tenant": "a"}, priority=1, timeout=1_000_000
    )
    near(result.as_numpy("prediction"), numbers["predictions"])


@check("tritonclient")
def _():
    """query parameters disturb nothing"""
    result = infer(numbers, inputs_of(tensors_of(numbers)), query_params={"trace": "a b"})
    near(result.as_numpy("prediction"), numbers["predictions"])


for algorithm in ("gzip", "deflate"):

    def compressed_request(algorithm=algorithm):
        for binary in (True, False):
            inputs = inputs_of(tensors_of(columns), binary)
            result = infer(columns, inputs, request_compression_algorithm=algorithm)
            near(result.as_numpy("prediction"), columns["predictions"])

    compressed_request.__doc__ = f"a request by {algorithm}"
    check("tritonclient")(compressed_request)

    def compressed_reply(algorithm=algorithm):
        times = 100
        for binary in (True, False):
            result = infer(
                columns,
                inputs_of(tensors_of(columns, times=times)),
                outputs=outputs(prediction=binary, prediction_id=binary),
                response_compression_algorithm=algorithm,
            )
            near(result.as_numpy("prediction"), columns["predictions"] * times)

    compressed_reply.__doc__ = f"a reply by {algorithm}"
    check("tritonclient")(compressed_reply)

    def is_compressed(algorithm=algorithm):
        data = {"instances": columns["rows"] * 100}
        asked = {**credentials(), "accept-encoding": algorithm}
        reply = httpx.post(f"{url}/v1/models/{columns['name']}:predict", json=data, headers=asked)
        assert reply.headers["content-encoding"] == algorithm, reply.headers
        near(reply.json()["predictions"], columns["predictions"] * 100)

    is_compressed.__doc__ = f"a long reply is in {algorithm} where that is asked for"
    check("httpx")(is_compressed)


@check("tritonclient")
def _():
    """a body that is made and read by itself"""
    body, header = triton.InferenceServerClient.generate_request_body(inputs_of(tensors_of(columns)))
    named = {**credentials(), "Inference-Header-Content-Length": str(header)}
    reply = httpx.post(f"{url}/v2/models/{columns['name']}/infer", content=body, headers=named)
    length = int(reply.headers["inference-header-content-length"])
    result = triton.InferenceServerClient.parse_response_body(reply.content, header_length=length)
    near(result.as_numpy("prediction"), columns["predictions"])


@check("tritonclient")
def _():
    """1,000 rows, and no more"""
    times = MANY // len(numbers["rows"])
    result = infer(numbers, inputs_of(tensors_of(numbers, times=times)))
    near(result.as_numpy("prediction"), numbers["predictions"] * times)
    more = inputs_of(tensors_of(numbers, times=times + 1))
    fails(lambda: infer(numbers, more), "1000", status=400)


@check("tritonclient")
def _():
    """many at the same time"""
    tensors = tensors_of(numbers)
    with client(concurrency=4) as asked:
        waiting = [
            asked.async_infer(numbers["name"], inputs_of(tensors), headers=credentials(), request_id=str(n))
            for n in range(12)
        ]
        for n, handle in enumerate(waiting):
            result = handle.get_result()
            assert result.get_response()["id"] == str(n)
            near(result.as_numpy("prediction"), numbers["predictions"])


# tritonclient.http: what is wrong


@check("tritonclient")
def _():
    """a model that there is not"""
    fails(lambda: infer("nobody", inputs_of(tensors_of(numbers))), "no", status=404)


@check("tritonclient")
def _():
    """an input that is missing is named"""
    tensors = {name: one for name, one in tensors_of(numbers).items() if name != "length"}
    fails(lambda: infer(numbers, inputs_of(tensors)), "length", status=400)


@check("tritonclient")
def _():
    """an input that there is not is named"""
    tensors = {**tensors_of(numbers), "colour": ("FP64", np.zeros(len(numbers["rows"])))}
    fails(lambda: infer(numbers, inputs_of(tensors)), "colour", status=400)


@check("tritonclient")
def _():
    """an input of another type is named"""
    for binary in (True, False):
        tensors = {**tensors_of(numbers), "length": ("BYTES", np.array([b"a"] * 4, dtype=np.object_))}
        fails(lambda: infer(numbers, inputs_of(tensors, binary)), "length", status=400)


@check("tritonclient")
def _():
    """inputs of different lengths are named"""
    tensors = {**tensors_of(numbers), "length": ("FP64", np.zeros(3))}
    fails(lambda: infer(numbers, inputs_of(tensors)), "length", status=400)


@check("tritonclient")
def _():
    """a matrix with a column too many is refused"""
    tensors = {"instances": ("FP64", np.zeros((4, 3)))}
    fails(lambda: infer(numbers, inputs_of(tensors)), "instances", status=400)


@check("tritonclient")
def _():
    """a shape that is not that of the data is named"""
    given = triton.InferInput("length", [4], "FP64")
    given.set_data_from_numpy(np.zeros(4))
    given.set_shape([5])
    other = {name: one for name, one in tensors_of(numbers).items() if name == "items"}
    fails(lambda: infer(numbers, [given, *inputs_of(other)]), "length", status=400)


@check("tritonclient")
def _():
    """a value out of bounds is named, with its place"""
    values = np.array([1.0, 2.0, 301.0, 4.0])
    tensors = {**tensors_of(numbers), "length": ("FP64", values)}
    fails(lambda: infer(numbers, inputs_of(tensors)), "length", "2", "300", status=400)


@check("tritonclient")
def _():
    """an output that there is not is named"""
    inputs = inputs_of(tensors_of(numbers))
    fails(lambda: infer(numbers, inputs, outputs=outputs(probability=True)), "probability", status=400)


@check("tritonclient")
def _():
    """an input twice is refused"""
    inputs = inputs_of(tensors_of(numbers))
    fails(lambda: infer(numbers, [*inputs, inputs[0]]), inputs[0].name(), status=400)


# tritonclient.http.aio


@check("tritonclient.aio")
def _():
    """health, metadata, inference binary and in JSON, compressed, and an error in words"""

    async def session():
        async with triton_aio.InferenceServerClient(authority) as asked:
            assert await asked.is_server_live(headers=credentials())
            assert await asked.is_server_ready(headers=credentials())
            assert await asked.is_model_ready(columns["name"], headers=credentials())
            assert (await asked.get_model_metadata(columns["name"], headers=credentials()))["inputs"]
            for binary in (True, False):
                for algorithm in (None, "gzip", "deflate"):
                    result = await asked.infer(
                        columns["name"],
                        inputs_of(tensors_of(columns, times=50), binary),
                        headers=credentials(),
                        request_compression_algorithm=algorithm,
                        response_compression_algorithm=algorithm,
                    )
                    near(result.as_numpy("prediction"), columns["predictions"] * 50)
            try:
                await asked.infer("nobody", inputs_of(tensors_of(columns)), headers=credentials())
            except InferenceServerException as error:
                assert str(error.status()) == "404" and "no" in str(error), error
            else:
                raise AssertionError("nothing was refused")

    asyncio.run(session())


# KServe's SDK


async def kserve(protocol, act):
    async with InferenceRESTClient(RESTConfig(protocol=protocol, retries=0)) as asked:
        return await act(asked)


async def refused(call, status, *words):
    try:
        await call
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        for word in words:
            assert word in str(error), f"expected {word!r} in: {error}"
        return
    raise AssertionError("nothing was refused")


def kserve_request(model, binary, **more):
    inputs = []
    for name, (datatype, values) in tensors_of(model).items():
        given = InferInput(name, list(values.shape), datatype)
        given.set_data_from_numpy(values, binary_data=binary)
        inputs.append(given)
    return InferRequest(model_name=model["name"], infer_inputs=inputs, **more)


@check("KServe V1")
def _():
    """the server is live, the model ready, and another one an error in words"""

    async def session(asked):
        assert await asked.is_server_live(url, headers=credentials())
        assert await asked.is_model_ready(url, numbers["name"], headers=credentials())
        await refused(asked.is_model_ready(url, "nobody", headers=credentials()), 404, "no")

    asyncio.run(kserve("v1", session))


for model in (numbers, columns):

    def by_instances(model=model):
        async def session(asked):
            data = {"instances": model["rows"]}
            reply = await asked.infer(url, data, model_name=model["name"], headers=credentials())
            near(reply["predictions"], model["predictions"])

        asyncio.run(kserve("v1", session))

    by_instances.__doc__ = f"instances of {model['name']}"
    check("KServe V1")(by_instances)


@check("KServe V1")
def _():
    """what is wrong with an instance is told in words"""

    async def session(asked):
        data = {"instances": [{**numbers["rows"][0], "length": 301}]}
        call = asked.infer(url, data, model_name=numbers["name"], headers=credentials())
        await refused(call, 400, "instances[0].length", "300")

    asyncio.run(kserve("v1", session))


@check("KServe V2")
def _():
    """the server is live and ready, the model too, and another one is not"""

    async def session(asked):
        assert await asked.is_server_live(url, headers=credentials()) is True
        assert await asked.is_server_ready(url, headers=credentials()) is True
        assert await asked.is_model_ready(url, columns["name"], headers=credentials()) is True
        assert await asked.is_model_ready(url, "nobody", headers=credentials()) is False

    asyncio.run(kserve("v2", session))


for model in (numbers, columns):
    for binary in (True, False):

        def by_tensors(model=model, binary=binary):
            async def session(asked):
                for given in (None, True, False):
                    wanted = None
                    if given is not None:
                        parameters = {"binary_data": given}
                        wanted = [RequestedOutput(name, parameters) for name in ("prediction", "prediction_id")]
                    request = kserve_request(model, binary, request_outputs=wanted, request_id="r-1")
                    reply = await asked.infer(
                        url, request, model_name=model["name"], headers=credentials()
                    )
                    by_name = {output.name: output for output in reply.outputs}
                    near(by_name["prediction"].as_numpy(), model["predictions"])
                    assert len(by_name["prediction_id"].as_numpy()) == len(model["rows"])
                    assert reply.id == "r-1" and reply.model_name == model["name"], reply

            asyncio.run(kserve("v2", session))

        by_tensors.__doc__ = f"{'binary' if binary else 'JSON'} tensors of {model['name']}, outputs in each form"
        check("KServe V2")(by_tensors)


@check("KServe V2")
def _():
    """a request that asks for binary outputs as a whole"""

    async def session(asked):
        request = kserve_request(columns, True, parameters={"binary_data_output": True})
        reply = await asked.infer(url, request, model_name=columns["name"], headers=credentials())
        near(reply.outputs[0].as_numpy(), columns["predictions"])

    asyncio.run(kserve("v2", session))


@check("KServe V2")
def _():
    """what is wrong is told in words: a model, an input, an output"""

    async def session(asked):
        request = kserve_request(numbers, True)
        call = asked.infer(url, request, model_name="nobody", headers=credentials())
        await refused(call, 404, "no")
        request.inputs = request.inputs[1:]
        call = asked.infer(url, request, model_name=numbers["name"], headers=credentials())
        await refused(call, 400, "length")
        wanted = [RequestedOutput("probability")]
        request = kserve_request(numbers, False, request_outputs=wanted)
        call = asked.infer(url, request, model_name=numbers["name"], headers=credentials())
        await refused(call, 400, "probability")

    asyncio.run(kserve("v2", session))


# Who may come in

if token:

    @check("tritonclient")
    def _():
        """nobody without a token, nor with another model's"""
        for given, status, word in ((None, 401, "credentials"), (setting["otherToken"], 403, "allow")):
            with client() as asked:
                name = numbers["name"]
                fails(lambda: asked.get_model_metadata(name, headers=credentials(given or '')), word, status=status)
                inputs = inputs_of(tensors_of(numbers))
                fails(lambda: asked.infer(name, inputs, headers=credentials(given or '')), word, status=status)

    @check("KServe V2")
    def _():
        """nobody without a token"""

        async def session(asked):
            request = kserve_request(numbers, True)
            await refused(asked.infer(url, request, model_name=numbers["name"]), 401, "credentials")

        asyncio.run(kserve("v2", session))


def main():
    warnings.simplefilter("ignore")
    for name, title, function in checks:
        result = {"client": name, "check": title, "ok": True}
        try:
            function()
        except Exception as error:  # noqa: BLE001 - whatever a client says is the answer
            result |= {"ok": False, "detail": f"{type(error).__name__}: {error}"[:1_000]}
        print(json.dumps(result), flush=True)


main()
