"""The server that a good team writes in an afternoon: Open Inference Protocol V2 on FastAPI.

`/v2/…/infer` is as lean as FastAPI gets: orjson reads the body, NumPy holds the tensor, one call of ONNX
Runtime, orjson writes the reply. `/pydantic/…/infer` declares both bodies, as FastAPI's tutorial does.
One process with uvloop and httptools: https://www.uvicorn.org/deployment/ (a worker per core).
ONNX Runtime with one thread, which is what one core has to give:
https://onnxruntime.ai/docs/performance/tune-performance/threading.html
"""

import os

import numpy as np
import onnxruntime
import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel

WIDTH = 20

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"]
)
app = FastAPI()


def refuse(why: str) -> HTTPException:
    return HTTPException(400, why)


def features_of(body: object) -> np.ndarray:
    """The checks without which a wrong request would be a crash or a wrong answer."""
    if not isinstance(body, dict) or len(body.get("inputs") or []) != 1:
        raise refuse("inputs: send one tensor")
    tensor = body["inputs"][0]
    if tensor.get("name") != "instances" or tensor.get("datatype") != "FP32":
        raise refuse("inputs[0]: send instances as FP32")
    shape = tensor.get("shape")
    if not isinstance(shape, list) or len(shape) != 2 or shape[1] != WIDTH:
        raise refuse(f"inputs[0].shape: send [N, {WIDTH}]")
    try:
        features = np.array(tensor.get("data"), np.float32)
    except (TypeError, ValueError) as error:
        raise refuse("inputs[0].data: send numbers") from error
    if features.size != shape[0] * shape[1] or not np.isfinite(features).all():
        raise refuse("inputs[0].data: send as many finite numbers as the shape says")
    return features.reshape(shape)


def predict(features: np.ndarray) -> np.ndarray:
    return session.run(["prediction"], {"features": features})[0].reshape(-1)


@app.get("/v2/health/ready")
async def ready() -> dict:
    return {"ready": True}


@app.post("/v2/models/bench/infer")
async def infer(request: Request) -> Response:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise refuse("the body is no JSON") from error
    prediction = predict(features_of(body))
    output = {
        "name": "prediction",
        "datatype": "FP32",
        "shape": [len(prediction)],
        "data": prediction,
    }
    reply = {"model_name": "bench", "model_version": "1", "outputs": [output]}
    return Response(
        orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
    )


class Tensor(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class InferRequest(BaseModel):
    inputs: list[Tensor]


class InferReply(BaseModel):
    model_name: str
    model_version: str
    outputs: list[Tensor]


@app.post("/pydantic/models/bench/infer")
async def infer_declared(request: InferRequest) -> InferReply:
    prediction = predict(features_of(request.model_dump()))
    output = Tensor(
        name="prediction", datatype="FP32", shape=[len(prediction)], data=prediction.tolist()
    )
    return InferReply(model_name="bench", model_version="1", outputs=[output])
