"""BentoML's own form: a service with a batchable endpoint that takes and gives an array.

One worker for the one core there is: https://docs.bentoml.com/en/latest/build-with-bentoml/parallelize-requests.html
Adaptive batching with the batch axis first: https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html
Access log, tracing and metrics cost time and are not asked for here.
"""

import os
from typing import Annotated

import bentoml
import numpy as np
import onnxruntime
from bentoml.validators import DType, Shape

WIDTH = 20


@bentoml.service(
    workers=1,
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Bench:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"]
        )

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1_000)
    async def predict(
        self, features: Annotated[np.ndarray, DType("float32"), Shape((-1, WIDTH))]
    ) -> np.ndarray:
        return self.session.run(["prediction"], {"features": features})[0].reshape(-1)
