"""Predictions as a notebook makes them: the downloaded graph, features computed here with another hand.

    python notebook_predictions.py VERSION_FOLDER ROWS_CSV PREDICTIONS_CSV [FILL]

FILL stands in for a missing weight; without it, it stays missing.
"""

import csv
import json
import pathlib
import sys

import numpy
import onnxruntime

folder, rows_file, predictions_file, *fill = sys.argv[1:]
spec = json.loads((pathlib.Path(folder) / "features.json").read_text())
codes = {
    value: code
    for feature in spec["features"]
    if feature["name"] == "depot"
    for code, value in enumerate(feature["vocabulary"])
}
with open(rows_file, newline="") as file:
    rows = list(csv.DictReader(file))
weight = [float(row["weight"] or (fill[0] if fill else "nan")) for row in rows]
depot = [codes.get(row["depot"], float("nan")) for row in rows]
by_name = {"weight": weight, "depot": depot}
features = numpy.array([by_name[feature["name"]] for feature in spec["features"]], numpy.float32).T
session = onnxruntime.InferenceSession(str(pathlib.Path(folder) / "model.onnx"))
predictions = session.run(["prediction"], {"features": features})[0][:, 0]
with open(predictions_file, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["parcel_id", "proba"])
    # float64 of a float32, written out in full, as pandas does.
    writer.writerows((row["parcel_id"], repr(float(p))) for row, p in zip(rows, predictions))
