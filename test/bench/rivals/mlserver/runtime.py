"""MLServer has no runtime for ONNX; this is one as its guide for custom runtimes has it:
https://docs.seldon.ai/mlserver/user-guide/custom
"""

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        features = NumpyCodec.decode_input(payload.inputs[0])
        (prediction,) = self.session.run(["prediction"], {"features": features})
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("prediction", prediction)]
        )
