"""model.onnx predicts what XGBoost predicts, and parity.json proves it to others."""

import json

import numpy as np
import onnx
import onnxruntime
import xgboost
from job import Job, JobCase, made_rows

ROWS = 200_000
TOLERANCE = 1e-6


def booster_of(job: Job) -> xgboost.Booster:
    """XGBoost's own model, from the checkpoint of the last round."""
    newest = sorted(job.checkpoints.iterdir())[-1]
    return xgboost.Booster(model_file=str(newest / "model.ubj"))


def session_of(job: Job) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(job.model / "model.onnx"), options)


def at_every_threshold(booster: xgboost.Booster, rows: np.ndarray) -> np.ndarray:
    """Rows on, one float32 below and one above each threshold, and with the feature missing."""
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    splits = {
        (feature, np.float32(value))
        for tree in trees
        for feature, value, left in zip(
            tree["split_indices"], tree["split_conditions"], tree["left_children"], strict=True
        )
        if left != -1
    }
    made = []
    for index, (feature, value) in enumerate(sorted(splits)):
        below, above = (np.nextafter(value, np.float32(end)) for end in (-np.inf, np.inf))
        for probe in (value, below, above, np.float32(np.nan)):
            row = rows[index % len(rows)].copy()
            row[feature] = probe
            made.append(row)
    return np.array(made, np.float32).reshape(-1, rows.shape[1])


class OnnxTest(JobCase):
    def check_equal(self, task: str, label: np.ndarray, rows: np.ndarray, **settings: object) -> None:
        self.job.features(rows.shape[1])
        self.job.channel("train", rows[:20_000], label[:20_000])
        self.job.configure(task=task, num_round=60, max_depth=6, subsample=0.8, **settings)
        self.assert_trained(self.job.run())
        booster, session = booster_of(self.job), session_of(self.job)
        extremes = np.array([[np.nan] * 6, [3e38] * 6, [-3e38] * 6, [0.0] * 6, [-0.0] * 6], np.float32)
        probes = np.concatenate([rows, at_every_threshold(booster, rows), extremes])
        expected = booster.predict(xgboost.DMatrix(probes)).reshape(len(probes), -1)
        answers = session.run(["prediction"], {"features": probes})[0]
        self.assertEqual(answers.shape, expected.shape)
        self.assertLessEqual(np.abs(answers - expected).max(), TOLERANCE)
        one_by_one = [session.run(None, {"features": probes[i : i + 1]})[0][0] for i in range(200)]
        self.assertLessEqual(np.abs(np.array(one_by_one) - expected[:200]).max(), TOLERANCE)

    def test_probabilities_of_two_classes(self) -> None:
        rows, outcome = made_rows(ROWS)
        self.check_equal("binary_classification", (outcome > 0.5).astype(float), rows)

    def test_values_of_a_regression_far_from_zero(self) -> None:
        rows, outcome = made_rows(ROWS)
        self.check_equal("regression", outcome * 300 + 10_000, rows)

    def test_probabilities_of_several_classes(self) -> None:
        rows, outcome = made_rows(50_000)
        classes = np.clip(np.floor(outcome) + 2, 0, 3)
        self.check_equal("multiclass_classification", classes, rows)

    def test_trees_of_a_single_leaf(self) -> None:
        rows, outcome = made_rows(20_000)
        label = (outcome > 0.5).astype(float)
        self.check_equal("binary_classification", label, rows, min_child_weight=1e9)

    def test_the_parity_sample_is_the_trainer_s_answer_and_the_bytes_repeat(self) -> None:
        rows, outcome = made_rows(3_000)
        self.job.features(6)
        self.job.channel("train", rows, outcome)
        self.job.configure(task="regression", parity_rows=500)
        self.assert_trained(self.job.run())
        sample = self.job.document("parity.json")
        self.assertEqual((sample["input"]["shape"], sample["output"]["shape"]), ([500, 6], [500, 1]))
        self.assertEqual(sample["tolerance"], TOLERANCE)
        inputs = np.array(sample["input"]["data"], np.float32).reshape(500, 6)
        self.assertTrue(np.isnan(inputs).any())
        expected = booster_of(self.job).predict(xgboost.DMatrix(inputs))
        np.testing.assert_array_equal(np.float32(sample["output"]["data"]), expected)
        known = {tuple(row) for row in np.nan_to_num(rows, nan=-99.0).tolist()}
        self.assertTrue({tuple(row) for row in np.nan_to_num(inputs, nan=-99.0).tolist()} <= known)

        again = self.new_job()
        again.features(6)
        again.channel("train", rows, outcome)
        again.configure(task="regression", parity_rows=500, nthread=1)
        self.assert_trained(again.run())
        self.assertEqual(self.job.model_hash(), again.model_hash())
        self.assertEqual(sample, again.document("parity.json"))

    def test_the_order_of_rows_in_a_file_does_not_matter(self) -> None:
        rows, outcome = made_rows(3_000)
        self.job.features(6)
        self.job.configure(task="regression", subsample=0.5)
        self.job.channel("train", rows, outcome)
        self.assert_trained(self.job.run())
        expected = self.job.model_hash()
        order = np.random.default_rng(3).permutation(3_000)
        self.job.channel("train", rows[order], outcome[order], __row=order)
        self.assert_trained(self.job.run())
        self.assertEqual(self.job.model_hash(), expected)

    def test_the_graph_has_one_tensor_in_and_one_out(self) -> None:
        rows, outcome = made_rows(500)
        self.job.features(6)
        self.job.channel("train", rows, (outcome > 0).astype(float))
        self.job.configure()
        self.assert_trained(self.job.run())
        graph = onnx.load(self.job.model / "model.onnx").graph
        self.assertEqual([value.name for value in graph.input], ["features"])
        self.assertEqual([value.name for value in graph.output], ["prediction"])
        self.assertEqual(graph.output[0].type.tensor_type.elem_type, onnx.TensorProto.FLOAT)
