"""The checkpoint folder: whole or skipped, two kept, never the reason for a failure."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

from job import SOURCE

sys.path.insert(0, str(SOURCE))

from slipway_trainer.checkpoints import Checkpoint, CheckpointFolder  # noqa: E402
from slipway_trainer.contract import TrainingJob  # noqa: E402

FINGERPRINT = "ab" * 32


class CheckpointTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="slipway-trainer-")
        self.addCleanup(folder.cleanup)
        self.warnings = self.enterContext(contextlib.redirect_stderr(io.StringIO()))
        self.path = Path(folder.name) / "checkpoints"
        self.folder = CheckpointFolder(self.path, FINGERPRINT)

    def write(self, *rounds: int) -> None:
        for number in rounds:
            files = {"model": b"m" * 1000 + bytes([number]), "state": bytes([number])}
            self.assertTrue(self.folder.write(Checkpoint(number, files)))

    def newest_round(self) -> int | None:
        found = self.folder.newest()
        if found:
            self.assertEqual(found.files["state"], bytes([found.round]))
        return found and found.round

    def test_two_are_kept_and_the_newest_is_given(self) -> None:
        self.write(9, 10, 100)
        self.assertEqual(len(list(self.path.iterdir())), 2)
        self.assertEqual(self.newest_round(), 100)

    def test_every_way_of_being_torn_falls_back_to_the_one_before(self) -> None:
        tears = {
            "file cut short": lambda f: (f / "model").write_bytes(b"m" * 500),
            "one byte changed": lambda f: (f / "model").write_bytes(b"m" * 1001),
            "file missing": lambda f: (f / "state").unlink(),
            "manifest missing": lambda f: (f / "manifest.json").unlink(),
            "manifest cut short": lambda f: (f / "manifest.json").write_bytes(b'{"files": {'),
            "manifest of another kind": lambda f: (f / "manifest.json").write_bytes(b"[]"),
            "manifest of another round": lambda f: (f / "manifest.json").write_bytes(
                (f / "manifest.json").read_bytes().replace(b'"round": 7', b'"round": 8')
            ),
        }
        for name, tear in tears.items():
            with self.subTest(name):
                self.write(6, 7)
                tear(sorted(self.path.iterdir())[-1])
                self.assertEqual(self.newest_round(), 6)
                self.assertIn("round-00000007 is not whole", self.warnings.getvalue())

    def test_nothing_whole_means_a_start_from_nothing(self) -> None:
        self.assertIsNone(self.newest_round())
        self.write(1)
        next(self.path.iterdir()).joinpath("manifest.json").unlink()
        self.assertIsNone(self.newest_round())

    def test_a_torn_checkpoint_is_written_over(self) -> None:
        self.write(1, 2)
        (sorted(self.path.iterdir())[-1] / "manifest.json").unlink()
        self.write(2)
        self.assertEqual(self.newest_round(), 2)

    def test_those_of_another_training_are_neither_used_nor_removed(self) -> None:
        other = CheckpointFolder(self.path, "cd" * 32)
        other.write(Checkpoint(50, {"model": b"other"}))
        self.assertIsNone(self.newest_round())
        self.write(1, 2, 3)
        self.assertEqual(self.newest_round(), 3)
        self.assertEqual(self.folder.others(), 1)
        self.assertEqual(other.newest().round, 50)

    def test_a_folder_that_cannot_be_written_is_told_and_survived(self) -> None:
        self.path.write_text("a file where the folder should be")
        self.assertFalse(self.folder.write(Checkpoint(1, {"model": b"m"})))
        self.assertIn("round 1 could not be written", self.warnings.getvalue())
        self.assertIsNone(self.newest_round())

    def test_the_documented_folder_is_enough_where_no_file_tells_of_it(self) -> None:
        base = self.path.parent
        self.assertIsNone(TrainingJob(base).checkpoints())
        self.path.mkdir()
        self.assertEqual(TrainingJob(base).checkpoints(), self.path)


if __name__ == "__main__":
    unittest.main()
