"""Imports in the stock trainer's image: what XGBoost wrote, and ONNX, for declared features."""

import json

import numpy as np
import onnxruntime
import xgboost
from job import JobCase, made_rows

ROWS, OUTCOME = made_rows(400)
LABEL = (OUTCOME > 0).astype(float)


class StockImportTest(JobCase):
    def take(self, name: str, data: bytes):
        folder = self.job._channel_folder("import")
        for old in folder.iterdir():
            old.unlink()
        (folder / name).write_bytes(data)
        self.job.features(6)
        values = {
            "trainer": "import",
            "task": "binary_classification",
            "seed": "3",
            "label": "late",
        }
        self.job._config("hyperparameters", values)
        return self.job.run()

    def booster(self) -> xgboost.Booster:
        matrix = xgboost.DMatrix(ROWS, LABEL, feature_names=list("abcdef"))
        return xgboost.train({"objective": "binary:logistic", "seed": 1}, matrix, 15)

    def answers(self) -> np.ndarray:
        session = onnxruntime.InferenceSession(str(self.job.model / "model.onnx"))
        return session.run(["prediction"], {"features": ROWS})[0][:, 0]

    def test_xgboosts_files_and_the_graph_of_one_answer_as_xgboost_does(self) -> None:
        booster = self.booster()
        wanted = booster.predict(xgboost.DMatrix(ROWS, feature_names=list("abcdef")))
        for ending in ("json", "ubj"):
            with self.subTest(ending):
                self.assert_trained(self.take(f"m.{ending}", bytes(booster.save_raw(ending))))
                np.testing.assert_allclose(self.answers(), wanted, rtol=0, atol=1e-6)
        graph = (self.job.model / "model.onnx").read_bytes()
        metrics = self.job.document("metrics.json")
        self.assertEqual(
            (metrics["kind"], metrics["library"], metrics["imported"]), ("trees", "xgboost", True)
        )
        parity = self.job.document("parity.json")
        self.assertEqual(parity["input"]["shape"], [1000, 6])
        self.job.on_a_fresh_machine()
        self.assert_trained(self.take("m.onnx", graph))
        np.testing.assert_allclose(self.answers(), wanted, rtol=0, atol=1e-6)

    def test_what_this_image_cannot_read_is_refused_with_the_fix(self) -> None:
        finished = self.take("m.pkl", b"cos\nsystem\n(Vtrue\ntR.")
        self.assert_refused(finished, "'xgboost' takes .onnx, .json, .ubj", "trainer: 'python'")
        matrix = xgboost.DMatrix(ROWS[:, :2], LABEL)
        small = xgboost.train({"objective": "binary:logistic"}, matrix, 2)
        self.assert_refused(
            self.take("m.ubj", bytes(small.save_raw("ubj"))), "takes in 2 features", "declares 6"
        )
        self.assert_refused(
            self.take("m.json", json.dumps({"a": 1}).encode()), "m.json", "XGBoost model"
        )
