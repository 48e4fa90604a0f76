"""Makes a version of a file that was trained elsewhere: the same proof and the same files as of a training.

Of rows and labels nothing is known, so metrics.json has no score, and parity.json's rows are made up from
what the model itself tells.
"""

import importlib.util
import time

from python_trainer import TASKS, hash_text_alike, seed_everything, unpacked_program
from slipway_trainer.contract import TrainingJob
from slipway_trainer.errors import TrainingInputError
from slipway_trainer.hyperparameters import COMMON, Choice, check
from slipway_trainer.temporary import temporary_folder

DECLARED = {
    **COMMON,
    "task": Choice(TASKS, required=True),
    "serving": Choice(("lambda", "container"), default="lambda"),
}


def train(job: TrainingJob, raw: dict[str, object], stop: object) -> bool:
    """Raises TrainingInputError for a file that is not taken in."""
    hash_text_alike()
    started = time.monotonic()
    settings = check(
        {n: v for n, v in raw.items() if n not in ("label", "user", "model")}, DECLARED
    )
    from slipway_import.files import imported_file

    path = imported_file(job.required_channel("import"))
    features_folder = job.required_channel("features")

    from slipway_trainer.specification import read_specification

    spec = read_specification(features_folder)
    if importlib.util.find_spec("pandas") is None:
        from slipway_import.stock import hand_over

        hand_over(job, path, spec, settings, started)
        return True
    program = _program(job)
    seed_everything(settings["seed"])
    print(f"importing {path.name} ({path.stat().st_size} bytes)", flush=True)
    if path.suffix.lower() == ".onnx":
        if settings["serving"] == "container":
            raise TrainingInputError(
                "an ONNX file is a graph: serve it with `serving: { target: 'lambda' }`."
            )
        from slipway_import.handover import hand_over_onnx

        hand_over_onnx(job, path.read_bytes(), spec, settings, started)
        return True
    from slipway_import.files import load_fitted
    from slipway_import.handover import hand_over_fitted

    fitted = load_fitted(path, settings["task"], _modules(program))
    hand_over_fitted(job, fitted, program, spec, settings, started)
    return True


def _program(job: TrainingJob) -> object:
    """train.py beside the model, where there is one: its predict() and its classes."""
    from slipway_server.program import load_program

    channel = job.channel("program")
    if channel is None:
        return load_program(temporary_folder("slipway-program-"), required=False)
    return load_program(unpacked_program(channel), required=False)


def _modules(program: object) -> list[str]:
    return [path.stem for path in program.folder.glob("*.py")]
