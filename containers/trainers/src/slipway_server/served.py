"""A model's unpacked archive, ready to answer requests of both protocols.

v1: {"instances": [{column: value}]} → {"predictions": [number, or {"prediction": number, …}]}.
v2: the Open Inference Protocol with one input of shape [N] or [N, 1] per column; details are JSON text.
"""

import json
import pickle
import traceback
from collections.abc import Mapping
from pathlib import Path

if __package__:
    from slipway_server.frames import RowsError, frame_of
    from slipway_server.program import Answers, Program, load_program
else:
    from frames import RowsError, frame_of
    from program import Answers, Program, load_program


class Served:
    """`answer` may be called by several threads at once, as far as the user's own code may."""

    def __init__(self, document: Mapping, program: Program, fitted: object):
        self.columns = document["columns"]
        self.task = document["task"]
        self.name = document["model"]
        self._program = program
        self._fitted = fitted

    @classmethod
    def load(cls, folder: Path) -> "Served":
        """Reads serve.json, the user's program and fitted.pkl. Raises UserCodeError."""
        document = json.loads((folder / "serve.json").read_bytes())
        # The user's modules first: the pickle refers to what they define.
        program = load_program(folder, required=False)
        return cls(document, program, program.call(_unpickled, folder / "fitted.pkl"))

    def answer(self, request: object) -> dict:
        """The reply's body. Raises RowsError for a request that cannot be read, or UserCodeError."""
        if isinstance(request, Mapping) and "inputs" in request:
            rows = _records_of_v2(request["inputs"])
            return self._reply_v2(request, self.answers(rows))
        if not isinstance(request, Mapping) or not isinstance(request.get("instances"), list):
            raise RowsError(
                'the body must be {"instances": [{column: value, …}]} or a V2 inference request.'
            )
        answers = self.answers(request["instances"])
        if answers.details is None:
            return {"predictions": answers.predictions.tolist()}
        pairs = zip(answers.predictions.tolist(), answers.details, strict=True)
        return {"predictions": [{"prediction": p, **d} if d else p for p, d in pairs]}

    def answers(self, records: list) -> Answers:
        """Predictions for rows as a caller sends them."""
        for index, record in enumerate(records):
            if not isinstance(record, Mapping):
                raise RowsError(f"row {index + 1} must be an object of columns and values.")
        data = frame_of(self.columns, records)
        # A message of the user's code may quote a row; what it would quote is not told.
        hidden = {
            c["name"]: [r[c["name"]] for r in records if r.get(c["name"]) is not None]
            for c in self.columns
        }
        program = Program(self._program.folder, self._program.train, self._program.features, hidden)
        return program.answers(self._fitted, data, self.task)

    def _reply_v2(self, request: Mapping, answers: Answers) -> dict:
        rows = len(answers.predictions)
        outputs = [
            {
                "name": "prediction",
                "datatype": "FP64",
                "shape": [rows],
                "data": answers.predictions.tolist(),
            }
        ]
        if answers.details is not None:
            text = [json.dumps(detail) for detail in answers.details]
            outputs.append({"name": "details", "datatype": "BYTES", "shape": [rows], "data": text})
        named = {"id": request["id"]} if "id" in request else {}
        return {"model_name": self.name, **named, "outputs": outputs}


def _records_of_v2(inputs: object) -> list[dict]:
    try:
        columns = {tensor["name"]: list(tensor["data"]) for tensor in inputs}
    except (TypeError, KeyError):
        raise RowsError(
            '"inputs" must be a list of {"name", "shape", "datatype", "data"}.'
        ) from None
    lengths = {len(data) for data in columns.values()}
    if len(lengths) != 1:
        raise RowsError(
            "every input must have the same number of rows, and there must be at least one input."
        )
    # A library writes [N, 1] as [[v], [v], …] or flat; both are meant.
    flat = {
        name: [v[0] if isinstance(v, list) and len(v) == 1 else v for v in data]
        for name, data in columns.items()
    }
    return [dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True)]


def _unpickled(path: Path) -> object:
    with open(path, "rb") as file:
        return pickle.load(file)


def told(error: BaseException) -> str:
    """What a log may say of a failed request: of a user's error their lines, of ours all."""
    if type(error).__name__ in ("UserCodeError", "RowsError"):
        return f"{error}"
    return "".join(traceback.format_exception(error))
