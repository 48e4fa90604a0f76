"""AUC of version 1 from the objects of S3 alone: every pair of a late and a punctual flight is compared.

    python recompute_auc.py FOLDER

FOLDER/predictions and FOLDER/labels hold the downloaded objects. Prints {"auc", "rows"} as JSON.
"""

import json
import pathlib
import sys

import numpy


def lines(folder: pathlib.Path):
    for path in sorted(folder.rglob("*")):
        # A file of labels by key, as people send them, is a CSV file.
        if path.is_file() and path.suffix != ".csv":
            yield from map(json.loads, path.read_text().splitlines())


folder = pathlib.Path(sys.argv[1])
scores = {
    line["predictionId"]: line["prediction"] for line in lines(folder / "predictions") if line["version"] == 1
}
labels = {line["predictionId"]: line["label"] for line in lines(folder / "labels")}
joined = numpy.array([(scores[key], label) for key, label in labels.items() if key in scores])
late, punctual = (joined[joined[:, 1] == label, 0] for label in (1, 0))
better = (late[:, None] > punctual[None, :]).sum() + 0.5 * (late[:, None] == punctual[None, :]).sum()
print(json.dumps({"auc": better / (len(late) * len(punctual)), "rows": len(joined)}))
