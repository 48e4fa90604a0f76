"""Writes a model as MLflow's ONNX flavour. Usage: save_model.py MODEL_FILE FOLDER

With a tensor signature, so that a request is one array: https://mlflow.org/docs/latest/ml/model/signatures/
ONNX Runtime with one thread, for the one core there is.
"""

import sys

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

model_file, folder = sys.argv[1:]
mlflow.onnx.save_model(
    onnx.load(model_file),
    folder,
    signature=ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 20), "features")]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 1), "prediction")]),
    ),
    onnx_execution_providers=["CPUExecutionProvider"],
    onnx_session_options={"execution_mode": "sequential", "intra_op_num_threads": 1, "inter_op_num_threads": 1},
    # What it would look up in a package index is installed already.
    pip_requirements=["onnxruntime"],
)
