"""A training that was interrupted gives the same bytes as one that was not."""

import re
import signal

from job import Job, JobCase, kill_after, kill_randomly, made_rows

KILLS = 10
INTERVAL = 3
RANDOMNESS = {"subsample": 0.7, "colsample_bytree": 0.6, "colsample_bynode": 0.8}


def prepare(job: Job, task: str = "binary_classification", **hyperparameters: object) -> None:
    rows, outcome = made_rows(8_000)
    label = {
        "binary_classification": (outcome > 0).astype(float),
        "regression": outcome * 100 + 1_000,
        "multiclass_classification": (outcome > 0).astype(float) + (outcome > 1),
    }[task]
    job.features(rows.shape[1])
    job.channel("train", rows[:6_000], label[:6_000])
    job.channel("validation", rows[6_000:], label[6_000:])
    settings = {"checkpoint_interval_rounds": INTERVAL, **RANDOMNESS, **hyperparameters}
    job.configure(task=task, **settings)


def rounds(lines: list[str], what: str) -> list[int]:
    return [int(n) for n in re.findall(rf"^{what}: round (\d+)$", "".join(lines), re.MULTILINE)]


class ResumeTest(JobCase):
    def trained_without_interruption(self, **settings: object) -> str:
        job = self.new_job()
        prepare(job, **settings)
        self.assert_trained(job.run())
        return job.model_hash()

    def check_kills(self, kills: int, seed: int) -> None:
        settings = {"num_round": 10 * kills}
        prepare(self.job, **settings)
        newest = 0
        for lines in kill_randomly(self.job, kills, seed):
            resumed = rounds(lines, "resumed from checkpoint")
            if any(line.startswith("[") for line in lines) or resumed:
                # What was reported as written is never lost, so at most one interval is repeated.
                self.assertGreaterEqual((resumed or [0])[0], newest)
            newest = max([newest, *rounds(lines, "checkpoint written")])
        self.assertGreater(newest, 0)
        self.assert_trained(self.job.run())
        metrics = self.job.document("metrics.json")
        self.assertGreaterEqual(metrics["resumedFromRound"], newest)
        self.assertEqual(metrics["firstRound"], metrics["resumedFromRound"] + 1)
        self.assertEqual(self.job.model_hash(), self.trained_without_interruption(**settings))

    def test_random_kills_change_no_byte_of_the_model(self) -> None:
        self.check_kills(KILLS, seed=11)

    def check_one_kill(self, **settings: object) -> None:
        prepare(self.job, **settings)
        kill_after(self.job.start(), 2, 0)
        self.job.on_a_fresh_machine()
        finished = self.job.run()
        self.assert_trained(finished)
        self.assertIn("resumed from checkpoint: round ", finished.output)
        self.assertEqual(self.job.model_hash(), self.trained_without_interruption(**settings))

    def test_a_regression_continues_exactly(self) -> None:
        self.check_one_kill(task="regression", num_round=60, grow_policy="lossguide", max_leaves=20)

    def test_several_classes_continue_exactly(self) -> None:
        self.check_one_kill(task="multiclass_classification", num_round=30)

    def test_early_stopping_remembers_its_best_round(self) -> None:
        self.check_one_kill(num_round=400, eta=0.9, early_stopping_rounds=12)
        metrics = self.job.document("metrics.json")
        self.assertEqual(metrics["rounds"], metrics["bestRound"] + 12)

    def test_a_truncated_newest_checkpoint_falls_back_to_the_one_before(self) -> None:
        prepare(self.job, num_round=30)
        self.assert_trained(self.job.run())
        expected = self.job.model_hash()
        older, newest = sorted(self.job.checkpoints.iterdir())
        model = newest / "model.ubj"
        model.write_bytes(model.read_bytes()[:-100])
        self.job.on_a_fresh_machine()
        finished = self.job.run()
        self.assert_trained(finished)
        self.assertIn(f"{newest.name} is not whole", finished.errors)
        self.assertIn(f"resumed from checkpoint: round {int(older.name[-8:])}\n", finished.output)
        self.assertEqual(self.job.model_hash(), expected)

    def test_other_data_does_not_continue_an_old_checkpoint(self) -> None:
        prepare(self.job)
        self.assert_trained(self.job.run())
        rows, outcome = made_rows(6_000, seed=2)
        self.job.channel("train", rows, (outcome > 0).astype(float))
        finished = self.job.run()
        self.assert_trained(finished)
        self.assertIn("2 checkpoint(s) are of another training", finished.output)
        self.assertIsNone(self.job.document("metrics.json")["resumedFromRound"])

    def test_sigterm_leaves_a_checkpoint_of_the_last_round(self) -> None:
        settings = {"num_round": 500, "checkpoint_interval_rounds": 100}
        prepare(self.job, **settings)
        process = self.job.start()
        while not process.stdout.readline().startswith("[20]"):
            pass
        process.send_signal(signal.SIGTERM)
        lines = process.communicate()[0].splitlines(keepends=True)
        self.assertEqual(process.returncode, 143)
        finished = self.job.run()
        self.assertIn(
            f"resumed from checkpoint: round {rounds(lines, 'checkpoint written')[-1]}\n",
            finished.output,
        )

    def test_without_a_checkpoint_configuration_none_is_written(self) -> None:
        prepare(self.job)
        (self.job.base / "input" / "config" / "checkpointconfig.json").unlink()
        finished = self.job.run()
        self.assert_trained(finished)
        self.assertNotIn("checkpoint", finished.output)
        self.assertFalse(self.job.checkpoints.exists())
