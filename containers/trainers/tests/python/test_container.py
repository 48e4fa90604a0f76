"""train.py that is served as it is: the archive, its server, and what is refused before it is handed over."""

import hashlib
import http.client
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from python_job import COLUMNS, PythonCase, made_frame

TRAIN = """
    import numpy as np

    class Rule:
        def __init__(self, mean):
            self.mean = mean

    def train(data, hyperparameters):
        assert data["plan"].dtype == object and data["visits"].dtype == "int64"
        return Rule(data.loc[data["left"] == 1, "doubled"].mean())

    def predict(fitted, data):
        score = 1 / (1 + np.exp(data["doubled"] - fitted.mean))
        known = data["plan"].fillna("none").str.len()
        return [{"prediction": p, "why": {"plan": int(n)}} for p, n in zip(score, known)]
"""

FEATURES = """
    def features(data):
        data["doubled"] = data["age"].fillna(40) / 10 + data["visits"]
        return data
"""


class Endpoint:
    """The archive's own server, started as an image of one's own would."""

    def __init__(self, folder: Path):
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "code" / "serve.py"), str(folder), "--host", "127.0.0.1", "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.port = int(self.process.stdout.readline().split()[-1])

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(
            method, path, body if isinstance(body, (str, bytes)) else json.dumps(body)
        )
        reply = connection.getresponse()
        answer = reply.status, json.loads(reply.read())
        connection.close()
        return answer

    def end(self) -> str:
        self.process.kill()
        _, errors = self.process.communicate()
        return errors


class ContainerTest(PythonCase):
    def setUp(self) -> None:
        super().setUp()
        self.rows = made_frame()
        self.job.configured(serving="container")
        self.job.table(self.rows, COLUMNS)

    def unpacked(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="slipway-test-")
        self.addCleanup(folder.cleanup)
        with tarfile.open(self.job.model / "model.tar.gz") as archive:
            archive.extractall(folder.name, filter="data")
        return Path(folder.name)

    def endpoint(self) -> Endpoint:
        made = Endpoint(self.unpacked())
        self.addCleanup(made.end)
        return made

    def test_the_archive_answers_as_the_program_does(self) -> None:
        self.job.program(TRAIN, features=FEATURES)
        self.assert_trained(self.job.run())
        folder = self.unpacked()
        self.assertEqual(
            sorted(p.relative_to(folder).as_posix() for p in folder.iterdir()),
            ["code", "features.py", "fitted.pkl", "serve.json", "train.py"],
        )
        mean = (self.rows["age"].fillna(40) / 10 + self.rows["visits"])[
            self.rows["left"] == 1
        ].mean()
        wanted = 1 / (1 + np.exp(30 / 10 + 4 - mean))
        endpoint = self.endpoint()
        self.assertEqual(endpoint.ask("GET", "/ping"), (200, {}))
        row = {"plan": "pro", "home city": "Kyoto", "age": 30, "balance $": 1.5, "visits": 4}
        status, reply = endpoint.ask(
            "POST", "/invocations", {"instances": [row, {**row, "plan": None}]}
        )
        self.assertEqual(status, 200, reply)
        self.assertAlmostEqual(reply["predictions"][0]["prediction"], wanted, places=12)
        self.assertEqual([p["why"] for p in reply["predictions"]], [{"plan": 3}, {"plan": 4}])

    def test_the_open_inference_protocol_is_spoken_too(self) -> None:
        self.job.program(TRAIN, features=FEATURES)
        self.assert_trained(self.job.run())
        values = {
            "plan": ["pro", None],
            "home city": ["Oslo", "Oslo"],
            "age": [30, None],
            "balance $": [0, 0],
            "visits": [4, 4],
        }
        inputs = [
            {"name": n, "shape": [2], "datatype": "BYTES", "data": v} for n, v in values.items()
        ]
        endpoint = self.endpoint()
        status, reply = endpoint.ask("POST", "/invocations", {"id": "7", "inputs": inputs})
        self.assertEqual(status, 200, reply)
        rows = [dict(zip(values, row)) for row in zip(*values.values())]
        _, other = endpoint.ask("POST", "/invocations", {"instances": rows})
        self.assertEqual(
            reply["outputs"][0]["data"], [p["prediction"] for p in other["predictions"]]
        )
        self.assertEqual((reply["id"], reply["outputs"][0]["shape"]), ("7", [2]))

    def test_bad_requests_and_failures_are_told_without_values(self) -> None:
        source = TRAIN.replace(
            "return [", 'assert not (known == 11).any(), data["plan"].iloc[0]\n        return ['
        )
        self.job.program(source, features=FEATURES)
        self.assert_trained(self.job.run())
        endpoint = Endpoint(self.unpacked())
        cases = [
            ("{", 400, "not JSON"),
            ({"rows": []}, 400, "instances"),
            ({"instances": [3]}, 400, "row 1 must be an object"),
            ({"instances": [{"age": "many"}]}, 400, "column 'age' must be of type number"),
            (
                {"instances": [{"plan": "secret plan", "visits": 1}]},
                500,
                "train.py:14 in predict: AssertionError: <value of plan>",
            ),
        ]
        for body, status, words in cases:
            with self.subTest(words):
                answer = endpoint.ask("POST", "/invocations", body)
                self.assertEqual(answer[0], status, answer)
                self.assertIn(words, answer[1]["error"])
                self.assertNotIn("secret plan", json.dumps(answer))
        errors = endpoint.end()
        self.assertIn("train.py:14 in predict", errors)
        self.assertNotIn("secret plan", errors)

    def test_the_toolkits_four_functions_answer_in_either_process(self) -> None:
        self.job.program(TRAIN, features=FEATURES)
        self.assert_trained(self.job.run())
        row = {"plan": "pro", "home city": "Oslo", "age": 30, "balance $": 0, "visits": 4}
        ask = (
            "import sys, json; sys.path.insert(0, sys.argv[1] + '/code'); import inference as i; "
            "m = i.model_fn(sys.argv[1]); "
            "b = i.input_fn(json.dumps({'instances': [json.loads(sys.argv[2])]}), 'application/json'); "
            "print(type(m).__name__, i.output_fn(i.predict_fn(b, m), 'application/json'))"
        )
        answers = []
        for own in (False, True):
            folder = self.unpacked()
            if own:
                site = Path(np.__file__).parents[1]
                (folder / "packages").symlink_to(site, target_is_directory=True)
            done = subprocess.run(
                [sys.executable, "-c", ask, str(folder), json.dumps(row)],
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            name, _, body = done.stdout.strip().partition(" ")
            answers.append(body)
            self.assertEqual(name, "InItsOwnProcess" if own else "InThisProcess")
        self.assertEqual(answers[0], answers[1])
        self.assertIn('"prediction"', answers[0])

    def test_equal_trainings_give_equal_archives(self) -> None:
        hashes = set()
        for _ in range(2):
            self.job.program(TRAIN, features=FEATURES)
            self.assert_trained(self.job.run())
            hashes.add(hashlib.sha256((self.job.model / "model.tar.gz").read_bytes()).hexdigest())
            self.job.on_a_fresh_machine()
        self.assertEqual(len(hashes), 1)

    def test_features_that_depend_on_the_other_rows_are_refused(self) -> None:
        self.job.program(
            TRAIN,
            features="""
            def features(data):
                data["doubled"] = data["age"].fillna(data["age"].mean()) + data["visits"].rank(pct=True)
                return data
        """,
        )
        self.fails(
            self.job.run(),
            "a row alone gets another answer",
            "features.py",
            "compute such numbers in train()",
        )

    def test_what_does_not_pickle_or_load_is_refused(self) -> None:
        self.job.program(
            TRAIN.replace(
                "return Rule(", "self = Rule(0); self.rows = (i for i in [1]); return self or ("
            ),
            features=FEATURES,
        )
        self.fails(self.job.run(), "does not pickle", "generator")

    def test_missing_values_keep_the_training_types(self) -> None:
        rows = self.rows.assign(visits=self.rows["visits"].where(self.rows["age"] > 30))
        self.job.table(rows, COLUMNS)
        self.job.program("""
            def train(data, hyperparameters):
                return str(data["visits"].dtype)

            def predict(fitted, data):
                assert str(data["visits"].dtype) == fitted, data["visits"].dtype
                return data["visits"].fillna(0) / 30
        """)
        self.assert_trained(self.job.run())
        status, reply = self.endpoint().ask("POST", "/invocations", {"instances": [{"visits": 15}]})
        self.assertEqual((status, reply), (200, {"predictions": [0.5]}))

    def test_parity_rows_are_what_the_server_is_asked(self) -> None:
        self.job.program(TRAIN, features=FEATURES)
        self.assert_trained(self.job.run())
        parity = self.job.document("parity.json")
        columns = parity["input"]["columns"]
        rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
        _, reply = self.endpoint().ask("POST", "/invocations", {"instances": rows})
        got = np.array([p["prediction"] for p in reply["predictions"]])
        wanted = np.array(parity["output"]["data"])
        self.assertLess(np.abs(got.astype(np.float32) - wanted).max(), parity["tolerance"])
        self.assertEqual(self.job.document("metrics.json")["kind"], "python")
