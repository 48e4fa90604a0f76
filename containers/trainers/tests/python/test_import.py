"""Models from files: what comes out answers as the library that made the file; what would do harm is refused."""

import io
import json
import os
import pickle
import re
import sys
import warnings
from pathlib import Path

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import torch
import xgboost
from onnx import TensorProto, helper
from pandas.core.computation.expr import Expr
from python_job import COLUMNS, SOURCE, PythonCase, answered, made_frame
from scipy.stats import rv_continuous
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_files
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier,
)  # fmt: skip
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, SplineTransformer, StandardScaler
from sklearn.svm import SVC

sys.path.insert(0, str(SOURCE))

from slipway_import.safe_pickle import RefusedGlobal, load  # noqa: E402
from slipway_trainer.errors import TrainingInputError  # noqa: E402

NUMBERS = {"age": "number", "visits": "integer"}


class Harm:
    """What a pickle of it calls, and with what, when it is loaded."""

    def __init__(self, function: object, *arguments: object):
        self.called = function, arguments

    def __reduce__(self) -> tuple:
        return self.called


class ImportTest(PythonCase):
    def setUp(self) -> None:
        super().setUp()
        self.rows = made_frame()
        self.marker = self.job.base / "harm-was-done"

    def take(self, name: str, data: bytes, columns: dict[str, str], task: str = "binary_classification", **others: str):
        folder = self.job._channel_folder("import")
        for old in folder.iterdir():
            old.unlink()
        (folder / name).write_bytes(data)
        document = {"input": "columns", "features": [], "columns": [{"name": n, "type": t} for n, t in columns.items()]}
        (self.job._channel_folder("features") / "features.json").write_text(json.dumps(document))
        self.job._config("hyperparameters", {"trainer": "import", "task": task, "seed": "7", "label": "left", "serving": "lambda", **others})
        return self.job.run()

    def pipeline(self):
        steps = ColumnTransformer([
            ("words", OneHotEncoder(handle_unknown="ignore"), ["plan", "home city"]),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler(), SelectKBest(k=2)), ["age", "balance $", "visits"]),
        ])
        return make_pipeline(steps, LogisticRegression()).fit(self.rows[list(COLUMNS)], self.rows["left"].astype(int))

    def test_a_pickle_and_joblib_files_become_the_graph_of_their_pipeline(self) -> None:
        model = self.pipeline()
        wanted = model.predict_proba(self.rows[list(COLUMNS)])[:, 1]
        for name, options in (("m.pkl", None), ("m.joblib", 0), ("m.joblib", ("zlib", 3)), ("m.pkl", ("xz", 3))):
            with self.subTest(f"{name} {options}"):
                buffer = io.BytesIO()
                pickle.dump(model, buffer) if options is None else joblib.dump(model, buffer, compress=options)
                self.assert_trained(self.take(name, buffer.getvalue(), COLUMNS))
                np.testing.assert_allclose(answered(self.job.graph(), self.rows, COLUMNS), wanted, atol=1e-7, rtol=0)
        metrics = self.job.document("metrics.json")
        self.assertEqual((metrics["kind"], metrics["imported"]), ("linear", True))
        self.assertNotIn("train", metrics)

    def test_a_malicious_file_is_refused_by_name_and_does_nothing(self) -> None:
        command = f"touch {self.marker}"
        write = f"open({str(self.marker)!r}, 'w').close()"
        harms = {
            f"{os.system.__module__}.system": Harm(os.system, command),
            "builtins.eval": Harm(eval, write),
            "builtins.exec": Harm(exec, write),
            "builtins.getattr": Harm(getattr, Harm(__import__, "os"), "system"),
            "builtins.__import__": Harm(__import__, "os"),
            "numpy.memmap": Harm(np.memmap, str(self.marker), "uint8", "w+", 0, (1,)),
            "pandas.io.pickle.read_pickle": Harm(pd.read_pickle, "x"),
            "pandas.core.computation.expr.Expr": Harm(Expr, "@pd.io.common.os.system('true')"),
            "pandas.io.pytables.HDFStore": Harm(pd.HDFStore, str(self.marker), "w"),
            "scipy.stats._distn_infrastructure.rv_continuous": Harm(rv_continuous),
            "torch.fx.graph_module.GraphModule": Harm(torch.fx.GraphModule, {}, None),
            "sklearn.datasets._base.load_files": Harm(load_files, "/"),
            "xgboost.core.DMatrix": Harm(xgboost.DMatrix, str(self.marker)),
            "joblib.numpy_pickle.load": Harm(joblib.load, "x"),
        }
        for name, harm in harms.items():
            nested = make_pipeline(StandardScaler(), LogisticRegression())
            nested.extra = {"deep": [np.array([harm, 1], object)]}
            for kind, dump in (("pkl", pickle.dump), ("joblib", joblib.dump)):
                for held in (harm, nested):
                    with self.subTest(f"{name} in {kind} {type(held).__name__}"):
                        path = self.job.base / f"m.{kind}"
                        with open(path, "wb") as file:
                            dump(held, file)
                        with self.assertRaisesRegex(RefusedGlobal, re.escape(f"names {name},")):
                            load(path)
                        self.assertFalse(self.marker.exists())
        compressed = io.BytesIO()
        joblib.dump(nested, compressed, compress=3)
        self.fails(self.take("m.joblib", compressed.getvalue(), COLUMNS), "RefusedGlobal", "joblib.numpy_pickle.load")

    def test_names_are_judged_by_where_they_come_from(self) -> None:
        stolen = [
            b"csklearn.utils._joblib\n_store_backends\n(tR.",
            b"cnumpy.testing._private.utils\nrunstring\n(Vx\ntR.",
            b"csklearn.externals._packaging.version\nos\n(tR.",
            b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tofile\x93)R.",
            b"\x80\x02\x82\x01.",
        ]
        for data in stolen:
            with self.subTest(data):
                path = self.job.base / "m.pkl"
                path.write_bytes(data)
                with self.assertRaises(TrainingInputError):
                    load(path)
        self.fails(self.take("m.pkl", b"c__main__\nMyModel\n(tR.", COLUMNS), "__main__.MyModel", "put it into train.py")

    def test_estimators_of_every_library_are_taken(self) -> None:
        data, label = self.rows[["age", "visits"]].fillna(0), self.rows["left"].astype(int)
        models = [
            RandomForestClassifier(5), HistGradientBoostingClassifier(max_iter=5), GradientBoostingClassifier(n_estimators=5),
            KNeighborsClassifier(), SVC(), MLPClassifier(max_iter=5), CalibratedClassifierCV(LogisticRegression()),
            GridSearchCV(LogisticRegression(), {"C": [1, 2]}), make_pipeline(PowerTransformer(), SplineTransformer(), SGDClassifier()),
            xgboost.XGBClassifier(n_estimators=3), lightgbm.LGBMClassifier(n_estimators=3, verbose=-1),
            catboost.CatBoostClassifier(iterations=3, verbose=0, allow_writing_files=False), IsolationForest(n_estimators=5),
        ]  # fmt: skip
        for model in models:
            for dump in (pickle.dump, joblib.dump):
                with self.subTest(f"{type(model).__name__} {dump.__module__}"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.fit(data, label)
                    path = self.job.base / "m"
                    with open(path, "wb") as file:
                        dump({"model": model, "table": data, "when": pd.Timestamp("2024-01-01", tz="UTC")}, file)
                    loaded = load(path)
                    np.testing.assert_array_equal(loaded["model"].predict(data), model.predict(data))
                    pd.testing.assert_frame_equal(loaded["table"], data)

    def test_a_class_of_the_models_own_program_is_taken(self) -> None:
        source = "class Rule:\n    pass\n\ndef predict(fitted, data):\n    return (data['visits'] / 40 + fitted.more).tolist()\n"
        data = b"\x80\x02ctrain\nRule\n)\x81}X\x04\x00\x00\x00moreG?\xb9\x99\x99\x99\x99\x99\x9asb."
        self.job.program(source)
        finished = self.take("m.pkl", data, {"visits": "integer"}, serving="container")
        self.assertIn("from 0 to 1", finished.failure or "")
        self.job.on_a_fresh_machine()
        self.job.program(source.replace("data['visits'] / 40", "data['visits'] * 0 + 0.2"))
        self.assert_trained(self.take("m.pkl", data, {"visits": "integer"}, serving="container"))
        np.testing.assert_allclose(self.job.document("parity.json")["output"]["data"], 0.3, rtol=1e-6)

    def test_boosters_own_files(self) -> None:
        data, label = self.rows[["age", "visits"]], self.rows["left"]
        trees = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(data, label), 20)
        light = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(data, label), 20)
        cases = [
            ("m.ubj", bytes(trees.save_raw("ubj")), trees.predict(xgboost.DMatrix(data))),
            ("m.json", bytes(trees.save_raw("json")), trees.predict(xgboost.DMatrix(data))),
            ("m.txt", light.model_to_string().encode(), light.predict(data)),
        ]
        for name, file, wanted in cases:
            with self.subTest(name):
                self.assert_trained(self.take(name, file, NUMBERS))
                np.testing.assert_allclose(answered(self.job.graph(), data, NUMBERS), wanted, atol=1e-6, rtol=0)
                self.assertEqual(self.job.document("metrics.json")["kind"], "trees")
        self.job.on_a_fresh_machine()
        self.fails(self.take("m.json", b"{}", NUMBERS), "m.json", "XGBoost model")

    def test_torch_files(self) -> None:
        torch.manual_seed(1)
        module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1), torch.nn.Sigmoid())
        data = self.rows[["age", "visits"]].fillna(40)
        buffer = io.BytesIO()
        torch.jit.script(module).save(path := str(self.job.base / "m.pt"))
        self.assert_trained(self.take("m.pt", Path(path).read_bytes(), NUMBERS))
        with torch.no_grad():
            wanted = module(torch.tensor(data.to_numpy(np.float32))).numpy()[:, 0]
        np.testing.assert_allclose(answered(self.job.graph(), data, NUMBERS), wanted, atol=1e-5, rtol=1e-3)
        self.job.on_a_fresh_machine()
        torch.save(module.state_dict(), buffer)
        self.fails(self.take("m.pt", buffer.getvalue(), NUMBERS), "weights of 4 tensors", "torch.jit.script")

    def test_an_onnx_file_gets_the_platforms_inputs(self) -> None:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        numbers = make_pipeline(SimpleImputer(), LogisticRegression()).fit(self.rows[["age", "visits"]], self.rows["left"].astype(int))
        made = to_onnx(numbers, initial_types=[("X", FloatTensorType([None, 2]))])
        self.assert_trained(self.take("m.onnx", made.SerializeToString(), NUMBERS))
        wanted = numbers.predict_proba(self.rows[["age", "visits"]])[:, 1]
        np.testing.assert_allclose(answered(self.job.graph(), self.rows, NUMBERS), wanted, atol=1e-5, rtol=0)

    def test_an_onnx_file_that_does_not_fit_is_told_how(self) -> None:
        def file(names: list[str], kind: int, width: int = 1) -> bytes:
            values = [helper.make_tensor_value_info(n, kind, [None, width]) for n in names]
            node = helper.make_node("Cast", [names[0]], ["prediction"], to=TensorProto.FLOAT)
            output = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, width])
            graph = helper.make_graph([node], "g", values, [output])
            return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

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
