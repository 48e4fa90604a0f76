"""Models from files: what comes out answers as the library that made the file; what would do harm is refused."""

import io
import pickle
import sys
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import torch
import xgboost
from onnx import TensorProto, helper
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    StandardScaler,
)

from import_case import ImportCase
from python_job import COLUMNS, SOURCE, answered

sys.path.insert(0, str(SOURCE))


NUMBERS = {"age": "number", "visits": "integer"}


class ImportTest(ImportCase):
    def pipeline(self):
        steps = ColumnTransformer(
            [
                ("words", OneHotEncoder(handle_unknown="ignore"), ["plan", "home city"]),
                (
                    "numbers",
                    make_pipeline(SimpleImputer(), StandardScaler(), SelectKBest(k=2)),
                    ["age", "balance $", "visits"],
                ),
            ]
        )
        return make_pipeline(steps, LogisticRegression()).fit(
            self.rows[list(COLUMNS)], self.rows["left"].astype(int)
        )

    def test_a_pickle_and_joblib_files_become_the_graph_of_their_pipeline(self) -> None:
        model = self.pipeline()
        wanted = model.predict_proba(self.rows[list(COLUMNS)])[:, 1]
        for name, options in (
            ("m.pkl", None),
            ("m.joblib", 0),
            ("m.joblib", ("zlib", 3)),
            ("m.pkl", ("xz", 3)),
        ):
            with self.subTest(f"{name} {options}"):
                buffer = io.BytesIO()
                pickle.dump(model, buffer) if options is None else joblib.dump(
                    model, buffer, compress=options
                )
                self.assert_trained(self.take(name, buffer.getvalue(), COLUMNS))
                np.testing.assert_allclose(
                    answered(self.job.graph(), self.rows, COLUMNS), wanted, atol=1e-7, rtol=0
                )
        metrics = self.job.document("metrics.json")
        self.assertEqual((metrics["kind"], metrics["imported"]), ("linear", True))
        self.assertNotIn("train", metrics)

    def test_a_class_of_the_models_own_program_is_taken(self) -> None:
        source = "class Rule:\n    pass\n\ndef predict(fitted, data):\n    return (data['visits'] / 40 + fitted.more).tolist()\n"
        data = b"\x80\x02ctrain\nRule\n)\x81}X\x04\x00\x00\x00moreG?\xb9\x99\x99\x99\x99\x99\x9asb."
        self.job.program(source)
        finished = self.take("m.pkl", data, {"visits": "integer"}, serving="container")
        self.assertIn("from 0 to 1", finished.failure or "")
        self.job.on_a_fresh_machine()
        self.job.program(source.replace("data['visits'] / 40", "data['visits'] * 0 + 0.2"))
        self.assert_trained(self.take("m.pkl", data, {"visits": "integer"}, serving="container"))
        np.testing.assert_allclose(
            self.job.document("parity.json")["output"]["data"], 0.3, rtol=1e-6
        )

    def test_boosters_own_files(self) -> None:
        data, label = self.rows[["age", "visits"]], self.rows["left"]
        trees = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(data, label), 20)
        light = lightgbm.train(
            {"objective": "binary", "verbose": -1}, lightgbm.Dataset(data, label), 20
        )
        cases = [
            ("m.ubj", bytes(trees.save_raw("ubj")), trees.predict(xgboost.DMatrix(data))),
            ("m.json", bytes(trees.save_raw("json")), trees.predict(xgboost.DMatrix(data))),
            ("m.txt", light.model_to_string().encode(), light.predict(data)),
        ]
        for name, file, wanted in cases:
            with self.subTest(name):
                self.assert_trained(self.take(name, file, NUMBERS))
                np.testing.assert_allclose(
                    answered(self.job.graph(), data, NUMBERS), wanted, atol=1e-6, rtol=0
                )
                self.assertEqual(self.job.document("metrics.json")["kind"], "trees")
        self.job.on_a_fresh_machine()
        self.fails(self.take("m.json", b"{}", NUMBERS), "m.json", "XGBoost model")

    def test_torch_files(self) -> None:
        torch.manual_seed(1)
        module = torch.nn.Sequential(
            torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1), torch.nn.Sigmoid()
        )
        data = self.rows[["age", "visits"]].fillna(40)
        buffer = io.BytesIO()
        torch.jit.script(module).save(path := str(self.job.base / "m.pt"))
        self.assert_trained(self.take("m.pt", Path(path).read_bytes(), NUMBERS))
        with torch.no_grad():
            wanted = module(torch.tensor(data.to_numpy(np.float32))).numpy()[:, 0]
        np.testing.assert_allclose(
            answered(self.job.graph(), data, NUMBERS), wanted, atol=1e-5, rtol=1e-3
        )
        self.job.on_a_fresh_machine()
        torch.save(module.state_dict(), buffer)
        self.fails(
            self.take("m.pt", buffer.getvalue(), NUMBERS),
            "weights of 4 tensors",
            "torch.jit.script",
        )

    def test_an_onnx_file_gets_the_platforms_inputs(self) -> None:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        numbers = make_pipeline(SimpleImputer(), LogisticRegression()).fit(
            self.rows[["age", "visits"]], self.rows["left"].astype(int)
        )
        made = to_onnx(numbers, initial_types=[("X", FloatTensorType([None, 2]))])
        self.assert_trained(self.take("m.onnx", made.SerializeToString(), NUMBERS))
        wanted = numbers.predict_proba(self.rows[["age", "visits"]])[:, 1]
        np.testing.assert_allclose(
            answered(self.job.graph(), self.rows, NUMBERS), wanted, atol=1e-5, rtol=0
        )

    def test_an_onnx_file_that_does_not_fit_is_told_how(self) -> None:
        def file(names: list[str], kind: int, width: int = 1) -> bytes:
            values = [helper.make_tensor_value_info(n, kind, [None, width]) for n in names]
            node = helper.make_node("Cast", [names[0]], ["prediction"], to=TensorProto.FLOAT)
            output = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, width])
            graph = helper.make_graph([node], "g", values, [output])
            return helper.make_model(
                graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
            ).SerializeToString()

        cases = [
            (file(["age", "size"], TensorProto.DOUBLE), ("'size'", "inModel")),
            (file(["X"], TensorProto.FLOAT, 5), ("5 numbers", "2 columns")),
            (file(["age", "visits"], TensorProto.STRING), ("'age' takes string", "is a number")),
            (b"not a graph", ("not a valid ONNX model",)),
        ]
        for data, words in cases:
            with self.subTest(words):
                self.fails(self.take("m.onnx", data, NUMBERS), "TrainingInputError", *words)

    def test_other_files_are_refused(self) -> None:
        self.fails(self.take("m.h5", b"x", NUMBERS), "'.h5'", ".onnx, .json")
        self.fails(self.take("m.pkl", b"\x80\x04 nonsense", NUMBERS), "cannot be read as a pickle")
