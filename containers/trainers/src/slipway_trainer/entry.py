"""`train`: reads the job, hands it to the trainer that its hyperparameters name, tells how it ended."""

import importlib
import os
import signal
import sys
import traceback

from slipway_trainer.contract import TrainingJob
from slipway_trainer.errors import HyperparameterError
from slipway_trainer.wheels import install_wheels, start_again_with

# Hyperparameter `trainer` → module with `train(job, hyperparameters, stop)`.
TRAINERS = {"xgboost": "xgboost_trainer", "python": "python_trainer", "import": "import_trainer"}

# What a shell reports for a process that SIGTERM ended.
STOPPED = 128 + signal.SIGTERM


class StopRequest:
    """Becomes true on SIGTERM. SageMaker sends it for a stop; for a lost spot machine it need not."""

    def __init__(self) -> None:
        self._requested = False
        signal.signal(signal.SIGTERM, self._request)

    def __bool__(self) -> bool:
        return self._requested

    def _request(self, _signal: int, _frame: object) -> None:
        self._requested = True


def main(arguments: list[str]) -> int:
    """Exit code: 0 trained, 1 failed (with a failure file), 2 wrong usage, 143 stopped."""
    if arguments != ["train"]:
        print("usage: python3 <this zip or folder> train", file=sys.stderr)
        return 2
    # Threads that wait by spinning make a training four times slower on a machine that is shared.
    # Read by OpenMP when it is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    job = TrainingJob.from_environment()
    stop = StopRequest()
    try:
        hyperparameters = job.hyperparameters()
        module = _trainer_module(hyperparameters.pop("trainer", None))
        packages = install_wheels(job)
        if stop:
            return STOPPED
        if packages:
            start_again_with(packages)
        trainer = importlib.import_module(module)
        finished = trainer.train(job, hyperparameters, stop)
    except Exception as error:  # noqa: BLE001 - whatever it is, the failure file must tell it
        traceback.print_exc()
        job.write_failure(error)
        return 1
    return 0 if finished else STOPPED


def _trainer_module(name: object) -> str:
    module = TRAINERS.get(name) if isinstance(name, str) else None
    if module is None:
        stated = "is missing" if name is None else f"is {name!r}"
        raise HyperparameterError(
            f"hyperparameter 'trainer' {stated}; set it to one of {', '.join(TRAINERS)}."
        )
    return module
