"""A bare Python, as in an image that knows nothing of XGBoost: the wheels are all that it is given."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

from job import SOURCE, JobCase, made_rows

TRAINER = {"flatbuffers", "ml_dtypes", "numpy", "onnx", "onnxruntime", "packaging", "protobuf"}
TRAINER |= {"pyarrow", "scipy", "typing_extensions", "xgboost", "xgboost_cpu"}


def repacked(distribution: importlib.metadata.Distribution, folder: Path) -> Path:
    """The wheel that an installed distribution came from, so that the test needs no network."""
    about = distribution.read_text("WHEEL").splitlines()
    tags = [line.removeprefix("Tag: ").split("-") for line in about if line.startswith("Tag: ")]
    tag = "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))
    name = distribution.metadata["Name"].replace("-", "_")
    path = folder / f"{name}-{distribution.version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file in distribution.files or []:
            # Neither commands, nor what pip adds to an installed package.
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            if file.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                wheel.write(file.locate(), str(file))
    return path


class WheelsTest(JobCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="slipway-wheels-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.python = cls.folder / "image" / "bin" / "python3"
        venv.EnvBuilder(with_pip=True, symlinks=True).create(cls.folder / "image")
        cls.code = Path(shutil.make_archive(str(cls.folder / "code"), "zip", SOURCE))

    def setUp(self) -> None:
        super().setUp()
        rows, outcome = made_rows(600)
        self.job.features(rows.shape[1])
        for channel in ("train", "validation"):
            self.job.channel(channel, rows, (outcome > 0).astype(float))
        self.job.configure()

    def start(self) -> subprocess.Popen:
        temporary = self.job.base / "tmp"
        temporary.mkdir()
        return subprocess.Popen(
            [str(self.python), str(self.code), "train"],
            env={
                "PATH": os.environ["PATH"],
                "SAGEMAKER_BASE_DIR": str(self.job.base),
                "TMPDIR": str(temporary),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def channel(self, *wheels: Path) -> None:
        folder = self.job.base / "input" / "data" / "wheels"
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "0a1b.zip", "w") as archive:
            for wheel in wheels:
                archive.write(wheel, wheel.name)

    def test_a_bare_python_trains_with_nothing_but_the_wheels(self) -> None:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        installed = {
            d.metadata["Name"].replace("-", "_"): d for d in importlib.metadata.distributions()
        }
        self.channel(*(repacked(d, folder) for name, d in installed.items() if name in TRAINER))
        shutil.rmtree(folder)
        process = self.start()
        output, errors = process.communicate(timeout=180)
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn("validation-logloss=", output)
        environment = self.job.document("environment.json")
        # Of the image's own packages, pip among them, none was in reach.
        self.assertLessEqual({n.replace("-", "_") for n in environment["packages"]}, TRAINER)
        same = self.new_job()
        shutil.copytree(self.job.base / "input", same.base / "input")
        shutil.rmtree(same.base / "input" / "data" / "wheels")
        self.assert_trained(same.run())
        self.assertEqual(self.job.model_hash(), same.model_hash())

    def test_wheels_that_are_none_of_this_python_are_named(self) -> None:
        wheel = self.job.base / "numpy-2.4.6-cp27-cp27m-win32.whl"
        with zipfile.ZipFile(wheel, "w"):
            pass
        self.channel(wheel)
        process = self.start()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("numpy-2.4.6-cp27", self.job.failure())
        self.assertIn(f"Python {sys.version.split()[0]}", self.job.failure())

    def test_a_channel_without_wheels_says_how_to_make_them(self) -> None:
        self.channel()
        process = self.start()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("node bin/setup.mjs wheels", self.job.failure())


if __name__ == "__main__":
    unittest.main()
