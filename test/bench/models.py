"""Writes the models that the benches and the drill serve, and what ONNX Runtime for Python answers.

Usage: models.py FOLDER. Everything follows from the seeds below: two runs write the same bytes.

  <name>.onnx      input `features` FP32 [N, 20], output `prediction` FP32 [N, 1]
  rows.json        the rows that every server is asked about
  <name>.json      what ONNX Runtime answers to them, one thread
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import xgboost
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[2] / "containers" / "trainers" / "src"))

from slipway_trainer.onnx_trees import to_onnx
from xgboost_trees import to_ensemble

WIDTH = 20
ROWS = 1024
SEED = 20261126


def rows() -> np.ndarray:
    """Four decimals, as measurements have them: JSON carries them without a loss."""
    values = np.random.default_rng(SEED).normal(size=(ROWS, WIDTH)).round(4)
    return values.astype(np.float32)


def perceptron(widths: list[int], seed: int) -> bytes:
    """Gemm and Relu per layer, a sigmoid at the end."""
    random = np.random.default_rng(seed)
    nodes, tensors = [], []
    last = "features"
    for layer, (taken, given) in enumerate(zip(widths, widths[1:], strict=False)):
        weights = random.normal(scale=np.sqrt(2 / taken), size=(taken, given)).astype(np.float32)
        bias = random.normal(scale=0.1, size=given).astype(np.float32)
        tensors += [
            numpy_helper.from_array(weights, f"weights{layer}"),
            numpy_helper.from_array(bias, f"bias{layer}"),
        ]
        inputs = [last, f"weights{layer}", f"bias{layer}"]
        nodes.append(helper.make_node("Gemm", inputs, [f"sum{layer}"]))
        is_last = layer == len(widths) - 2
        last = "prediction" if is_last else f"hidden{layer}"
        nodes.append(helper.make_node("Sigmoid" if is_last else "Relu", [f"sum{layer}"], [last]))
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", widths[0]])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["N", 1])],
        tensors,
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def forest(trees: int, depth: int, seed: int) -> bytes:
    """Trained by XGBoost and written as the platform's own trainer writes it."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(20_000, WIDTH)).astype(np.float32)
    score = features[:, 0] * features[:, 1] + np.sin(2 * features[:, 2]) + features[:, 3:9].sum(1) / 3
    label = (score + random.normal(size=len(score)) > 0).astype(np.float32)
    settings = {
        "objective": "binary:logistic",
        "max_depth": depth,
        "eta": 0.1,
        "seed": seed,
        "nthread": 1,
        "tree_method": "hist",
    }
    booster = xgboost.train(settings, xgboost.DMatrix(features, label, nthread=1), trees)
    return to_onnx(to_ensemble(booster))


def answers(model: bytes, features: np.ndarray) -> list[float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (prediction,) = session.run(["prediction"], {"features": features})
    return [float(value) for value in prediction.reshape(-1)]


MODELS = {
    "small": lambda: perceptron([WIDTH, 64, 32, 1], 1),
    "mid": lambda: perceptron([WIDTH, 512, 512, 256, 1], 2),
    "forest": lambda: forest(300, 6, 3),
    # Slow enough for a thread of its own.
    "heavy": lambda: perceptron([WIDTH, 2048, 1024, 1], 5),
    # A second version of the small one, whose answers are others: what a flip must not mix up.
    "small-next": lambda: perceptron([WIDTH, 64, 32, 1], 4),
}


def main(folder: Path) -> None:
    features = rows()
    # A float32's shortest text, not that of the float64 beside it.
    text = [[float(str(value)) for value in row] for row in features]
    (folder / "rows.json").write_text(json.dumps(text))
    for name, build in MODELS.items():
        model = build()
        (folder / f"{name}.onnx").write_bytes(model)
        (folder / f"{name}.json").write_text(json.dumps(answers(model, features)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
