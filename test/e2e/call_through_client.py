"""Calls the API as a caller's program does. Arguments: what to do, the API's address, its token's command as JSON.

Writes what came of it as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pandas as pd
from slipway_client import Slipway, SlipwayError

MODEL = "flight-delay"


def flights(rows: int) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "flight_id": [f"P{i}" for i in range(rows)],
            "date": pd.date_range("2001-03-05", periods=rows, freq="min", tz="America/New_York"),
            "origin": "JFK",
            "destination": ["LAX" if i % 2 else "BOS" for i in range(rows)],
            "distance": [500.0 + i for i in range(rows)],
        }
    )
    return frame.set_index("flight_id", drop=False)


def answered(slipway: Slipway) -> dict[str, Any]:
    model = slipway.model(MODEL)
    frame = flights(1_200)
    answers = model.predict(frame)
    by_dicts = model.predict(frame.head(3).to_dict("records"))
    labels = answers.assign(late=[i % 2 for i in range(len(answers))])
    return {
        "rows": len(answers),
        "same_index": list(answers.index) == list(frame.index),
        "ids": len(set(answers["prediction_id"])),
        "first_id": answers["prediction_id"].iloc[0],
        "versions": sorted(set(map(int, answers["version"]))),
        "equal": [one.prediction for one in by_dicts] == list(answers["prediction"].head(3)),
        "accepted": model.feedback(labels, label="late"),
        "accepted_by_key": model.feedback(frame.head(2).assign(late=1), label="late", key="flight_id"),
        "ready": model.ready(),
        "live": model.live_version(),
    }


def refused(slipway: Slipway) -> dict[str, Any]:
    """What is wrong with one row of the second request."""
    frame = flights(1_200)
    frame["distance"] = frame["distance"].mask(frame["flight_id"] == "P1100", -1.0)
    slipway.model(MODEL).predict(frame)
    return {}


def of_labels(slipway: Slipway) -> dict[str, Any]:
    slipway.model(MODEL).feedback([{"flight_id": "P1", "late": 7}], label="late", key="flight_id")
    return {}


def asked(slipway: Slipway) -> dict[str, Any]:
    return {"rows": len(slipway.model(MODEL).predict(flights(1)))}


def of_nobody(slipway: Slipway) -> dict[str, Any]:
    slipway.model("no-such-model").predict([{"x": 1}])
    return {}


def main() -> None:
    what, url, command = sys.argv[1:]
    actions = {action.__name__: action for action in (answered, refused, of_labels, asked, of_nobody)}
    asked_for: list[str] = []

    def token() -> str:
        # The first one is wrong, as one that has expired is.
        asked_for.append(what)
        return "expired" if len(asked_for) == 1 else subprocess.check_output(json.loads(command), text=True)

    with Slipway(url, auth=token) as slipway:
        try:
            result = actions[what](slipway)
        except SlipwayError as error:
            problems = [(one.row, one.field, one.message) for one in getattr(error, "problems", ())]
            completed = len(error.completed) if isinstance(error.completed, pd.DataFrame) else error.completed
            result = {"error": type(error).__name__, "problems": problems, "completed": completed}
    print(json.dumps({**result, "tokens": len(asked_for)}))


if __name__ == "__main__":
    main()
