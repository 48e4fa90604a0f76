"""What a training unpacks is gone when its process is."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "src"
BEGIN = "from slipway_trainer.temporary import temporary_folder\nfolder = temporary_folder('mine-')\n(folder / 'file').touch()\n"


class TemporaryFolderTest(unittest.TestCase):
    def left_by(self, program, interrupt=False):
        with tempfile.TemporaryDirectory() as parent:
            process = subprocess.Popen(
                [sys.executable, "-c", BEGIN + program],
                env={**os.environ, "PYTHONPATH": str(SOURCES), "TMPDIR": parent},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            if interrupt:
                process.stdout.readline()
                process.send_signal(signal.SIGINT)
            output, _ = process.communicate()
            return output, os.listdir(parent)

    def test_it_is_there_until_the_end(self):
        self.assertEqual(self.left_by("print((folder / 'file').exists())"), ("True\n", []))

    def test_it_is_gone_after_a_failure_and_an_interruption(self):
        self.assertEqual(self.left_by("raise SystemExit('no')")[1], [])
        loop = "import time\nprint('ready', flush=True)\ntime.sleep(300)"
        self.assertEqual(self.left_by(loop, interrupt=True)[1], [])

    def test_a_forked_process_leaves_it_alone(self):
        fork = (
            "import os, sys\npid = os.fork()\nif pid == 0:\n    sys.exit(0)\n"
            "os.waitpid(pid, 0)\nprint((folder / 'file').exists())"
        )
        self.assertEqual(self.left_by(fork), ("True\n", []))


if __name__ == "__main__":
    unittest.main()
