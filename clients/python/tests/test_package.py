from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PACKAGE)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_is_typed_licensed_and_holds_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "slipway_client/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("test" in name for name in names)


def test_the_installed_package_works_without_pandas_and_botocore(wheel: Path, tmp_path: Path) -> None:
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(tmp_path),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    program = """
import sys
for name in ("pandas", "numpy", "botocore"):
    sys.modules[name] = None
import slipway_client
assert slipway_client.__file__.startswith(sys.argv[1]), slipway_client.__file__
try:
    slipway_client.IamAuth()
except ImportError as error:
    print(error)
try:
    slipway_client.Slipway("http://127.0.0.1:9", deadline_seconds=0.05).model("a").predict([{"x": 1.5}])
except slipway_client.UnavailableError as error:
    print("no answer")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["IamAuth needs botocore: pip install 'slipway-client[iam]'", "no answer"]
