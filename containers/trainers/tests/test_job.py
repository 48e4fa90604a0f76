"""What a job is refused for, what it says then, and what it leaves behind when it is trained."""

import importlib.metadata
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from job import SOURCE, JobCase, made_rows

ROWS, OUTCOME = made_rows(400)
LABEL = (OUTCOME > 0).astype(float)


class JobTest(JobCase):
    def setUp(self) -> None:
        super().setUp()
        self.job.features(6)
        self.job.channel("train", ROWS, LABEL)
        self.job.configure()

    def test_wrong_hyperparameters_are_named_with_value_and_fix(self) -> None:
        cases = [
            ({"max_dept": 4}, ("'max_dept'", "value 4", "'max_depth'")),
            ({"max_depth": "deep"}, ("'max_depth'", "'deep'", "an integer of at least 0")),
            ({"eta": 0}, ("'eta'", "0", "above 0 and at most 1")),
            ({"num_round": 2.5}, ("'num_round'", "2.5", "an integer")),
            ({"task": "ranking"}, ("'task'", "'ranking'", "regression")),
            ({"subsample": "true"}, ("'subsample'", "True", "a number")),
            ({"lambda": 1, "reg_lambda": 2}, ("'lambda'", "'reg_lambda'", "remove one")),
            ({"objective": "reg:gamma"}, ("'objective'", "'reg:gamma'", "'task' decides")),
            ({"trainer": "catboost"}, ("'trainer'", "'catboost'", "xgboost")),
            ({"device": "cuda"}, ("'device'", "'cuda'", "'cpu'")),
            ({"early_stopping_rounds": 5}, ("'early_stopping_rounds'", "'validation'")),
        ]
        for hyperparameters, words in cases:
            with self.subTest(hyperparameters):
                self.job.configure(**hyperparameters)
                finished = self.job.run()
                self.assert_refused(finished, "HyperparameterError", *words)
                self.assertNotIn("[1]", finished.output)

    def test_a_missing_hyperparameter_is_named(self) -> None:
        for name in ("task", "trainer"):
            with self.subTest(name):
                self.job.configure(name)
                self.assert_refused(self.job.run(), f"'{name}'", "missing", "set it to")

    def test_a_missing_channel_is_named(self) -> None:
        job = self.job = self.new_job()
        job.configure()
        job.features(6)
        self.assert_refused(job.run(), "channel 'train' is missing", "features", "InputDataConfig")

    def test_data_that_cannot_be_trained_on_is_named(self) -> None:
        hole = LABEL.copy()
        hole[3] = np.nan
        endless = ROWS.copy()
        endless[5, 2] = np.inf
        cases = [
            ((ROWS[:0], LABEL[:0], {}), ("channel 'train'", "no row")),
            ((ROWS, np.ones(400), {}), ("'__label'", "is 1 in all 400 rows", "two classes")),
            ((ROWS, ["late"] * 400, {}), ("'__label'", "string", "must be numeric")),
            ((ROWS, hole, {}), ("'__label'", "row 4", "needs a label")),
            ((ROWS, LABEL + 1, {}), ("'__label'", "holds 2", "from 0 to 1")),
            ((endless, LABEL, {}), ("'f2'", "row 6", "inf")),
            ((ROWS, LABEL, {"f4": None}), ("part-0.parquet", "lacks column 'f4'")),
            ((ROWS, LABEL, {"__row": None}), ("part-0.parquet", "lacks column '__row'")),
        ]
        for (rows, label, others), words in cases:
            with self.subTest(words):
                self.job.channel("train", rows, label, **others)
                self.assert_refused(self.job.run(), "TrainingInputError", *words)

    def test_a_file_that_is_not_parquet_is_named(self) -> None:
        (self.job.base / "input/data/train/part-1.parquet").write_text("a,b\n1,2\n")
        self.assert_refused(self.job.run(), "part-1.parquet", "not a readable Parquet file")

    def test_a_configuration_that_is_not_json_is_named(self) -> None:
        (self.job.base / "input/config/hyperparameters.json").write_text("{")
        self.assert_refused(self.job.run(), "hyperparameters.json", "not JSON")

    def test_a_channel_that_the_job_does_not_declare_is_not_read(self) -> None:
        self.job.channel("validation", ROWS, ["text"] * 400)
        declared = {"train": {"TrainingInputMode": "File"}, "features": {}}
        (self.job.base / "input/config/inputdataconfig.json").write_text(json.dumps(declared))
        self.assert_trained(self.job.run())
        self.assertNotIn("validation", self.job.document("metrics.json"))

    def test_documents_describe_the_training(self) -> None:
        self.job.channel("validation", ROWS, LABEL)
        finished = self.job.run()
        self.assert_trained(finished)
        self.assertRegex(
            finished.output, r"\[12\] train-logloss=0\.\d+; validation-logloss=0\.\d+;\n"
        )
        metrics = self.job.document("metrics.json")
        self.assertEqual(
            {name: metrics[name] for name in ("task", "rounds", "firstRound", "resumedFromRound")},
            {
                "task": "binary_classification",
                "rounds": 12,
                "firstRound": 1,
                "resumedFromRound": None,
            },
        )
        # Validation rows are the training rows here, so both must score the same.
        self.assertEqual(metrics["train"], metrics["validation"])
        environment = self.job.document("environment.json")
        for package in ("numpy", "onnx", "pyarrow"):
            self.assertEqual(environment["packages"][package], importlib.metadata.version(package))
        self.assertEqual((environment["seed"], environment["device"]), (7, "cpu"))

    def test_metrics_are_those_of_the_definition(self) -> None:
        self.job.channel("validation", ROWS[:150], LABEL[:150])
        self.job.configure(parity_rows=400)
        self.assert_trained(self.job.run())
        sample = self.job.document("parity.json")
        answers = np.array(sample["output"]["data"])
        scores = self.job.document("metrics.json")["train"]
        pairs = [
            (positive > negative) + (positive == negative) / 2
            for positive in answers[LABEL == 1]
            for negative in answers[LABEL == 0]
        ]
        self.assertAlmostEqual(scores["auc"], float(np.mean(pairs)), places=12)
        loss = -np.mean(LABEL * np.log(answers) + (1 - LABEL) * np.log(1 - answers))
        self.assertAlmostEqual(scores["logloss"], float(loss), places=12)

    def test_a_zip_of_the_code_trains_the_same_model(self) -> None:
        self.assert_trained(self.job.run())
        expected = self.job.model_hash(), self.job.document("environment.json")["codeSha256"]
        self.job.on_a_fresh_machine()
        archive = self.job.base / "code.zip"
        with zipfile.ZipFile(archive, "w") as code:
            for path in SOURCE.rglob("*.py"):
                code.write(path, path.relative_to(SOURCE))
        subprocess.run(
            [sys.executable, str(archive), "train"],
            env={"SAGEMAKER_BASE_DIR": str(self.job.base)},
            cwd=Path("/"),
            check=True,
            capture_output=True,
        )
        actual = self.job.model_hash(), self.job.document("environment.json")["codeSha256"]
        self.assertEqual(actual, expected)
