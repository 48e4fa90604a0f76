"""A model's own tests: what strikes the user's code is told once, by their line, and shortly after that."""

import json
import os
import subprocess
import sys
import textwrap

from python_job import COLUMNS, PythonCase, made_frame

from job import SOURCE

TESTS = """
    def test_one(fitted):
        assert fitted

    def test_two(predict, data):
        assert len(predict(data)) == len(data)

    def test_without_it(data):
        assert len(data)
"""


class PytestPluginTest(PythonCase):
    def setUp(self) -> None:
        super().setUp()
        self.job.table(made_frame(60), COLUMNS)
        self.folder = self.job.base / "model-folder"
        (self.folder / "tests").mkdir(parents=True)

    def output(self, train: str, tests: str, *arguments: str, **others: str) -> str:
        for name, text in {"train": train, "tests/test_it": tests, **others}.items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(text).lstrip())
        context = self.job.base / "context.json"
        context.write_text(
            json.dumps(
                {
                    "folder": str(self.folder),
                    "channels": str(self.job.base / "input/data"),
                    "label": "left",
                    "task": "binary_classification",
                    "serving": "container",
                    "seed": 1,
                    "hyperparameters": {},
                }
            )
        )
        command = [sys.executable, "-m", "pytest", "-p", "slipway_pytest", "-p", "no:cacheprovider"]
        place = ["--rootdir", str(self.folder), "--tb=short", str(self.folder / "tests")]
        environment = {
            **os.environ,
            "PYTHONPATH": f"{SOURCE}:{self.folder}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SLIPWAY_TEST_CONTEXT": str(context),
        }
        finished = subprocess.run(
            [*command, *place, *arguments],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        return finished.stdout

    def test_a_train_that_fails_is_told_once_and_first(self) -> None:
        output = self.output(
            """
            import pandas as pd

            def train(data, hyperparameters):
                with open("tries", "a") as file:
                    file.write("x")
                return pd.DataFrame(data)["plann"]
            """,
            TESTS,
        )
        place = "train.py:6 in train: KeyError: 'plann'"
        self.assertEqual(output.count(place), 1, output)
        line = 'return pd.DataFrame(data)["plann"]'
        self.assertIn(f"{place}\n  train.py:6 in train\n    {line}", output)
        self.assertLess(output.index(place), output.index("= ERRORS ="))
        self.assertEqual(output.count("\ntrain.py failed, see above"), 2, output)
        self.assertIn("1 passed, 2 errors", output)
        self.assertNotIn("slipway_pytest.py", output)
        self.assertEqual((self.folder / "tries").read_text(), "x")

    def test_a_file_that_cannot_be_read_and_features_that_fail_are_told_too(self) -> None:
        output = self.output("def train(data, hyperparameters)\n    return 1\n", TESTS)
        self.assertEqual(output.count("train.py:1: SyntaxError"), 1, output)
        good = "def train(data, hyperparameters):\n    return 1\n"
        wrong = "def features(data):\n    return data['nothing']\n"
        output = self.output(good, TESTS, features=wrong)
        self.assertEqual(output.count("features.py:2 in features: KeyError: 'nothing'"), 1, output)
        self.assertIn("features.py failed, see above", output)

    def test_of_a_failure_only_the_models_own_frames_are_shown(self) -> None:
        good = """
            def train(data, hyperparameters):
                return 1

            def predict(fitted, data):
                return data["nothing"]
        """
        tests = """
            import pandas as pd

            def test_predict(predict, data):
                predict(data)

            def test_pandas():
                pd.DataFrame({"a": [1]})["b"]
        """
        output = self.output(good, tests)
        self.assertIn("train.py:5 in predict: KeyError: 'nothing'", output)
        self.assertIn('pd.DataFrame({"a": [1]})["b"]', output)
        for other in ("slipway_pytest.py", "slipway_server/", "pandas/_libs", "site-packages"):
            self.assertNotIn(other, output)
        self.assertIn("site-packages", self.output(good, tests, "--full-trace"))
