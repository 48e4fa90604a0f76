"""A job of the trainer `import`."""

import json

from python_job import PythonCase, made_frame


class ImportCase(PythonCase):
    """A test that gives the trainer `import` a file."""

    def setUp(self) -> None:
        super().setUp()
        self.rows = made_frame()
        self.marker = self.job.base / "harm-was-done"

    def take(
        self,
        name: str,
        data: bytes,
        columns: dict[str, str],
        task: str = "binary_classification",
        **others: str,
    ):
        folder = self.job._channel_folder("import")
        for old in folder.iterdir():
            old.unlink()
        (folder / name).write_bytes(data)
        document = {
            "input": "columns",
            "features": [],
            "columns": [{"name": n, "type": t} for n, t in columns.items()],
        }
        (self.job._channel_folder("features") / "features.json").write_text(json.dumps(document))
        self.job._config(
            "hyperparameters",
            {
                "trainer": "import",
                "task": task,
                "seed": "7",
                "label": "left",
                "serving": "lambda",
                **others,
            },
        )
        return self.job.run()
