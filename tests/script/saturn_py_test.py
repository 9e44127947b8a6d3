# SPDX-License-Identifier: Apache-2.0
"""saturn.py by itself: what it says, when it saves and leaves, alone and on several ranks. usage: saturn_py_test.py DIRECTORY_OF_SATURN_PY"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import unittest

HELPER = os.path.abspath(sys.argv.pop(1))


class Helper(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.checkpoints = os.path.join(self.folder.name, "checkpoints")
        self.stop_file = os.path.join(self.folder.name, "stop")

    def run_script(self, text, **variables):
        """The events of a script, and its exit code."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SATURN_")}
        environment.update(PYTHONPATH=HELPER, **variables)
        done = subprocess.run([sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE, timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()], done.returncode

    def under_saturn(self, text, **variables):
        return self.run_script(
            text, SATURN_STOP_FILE=self.stop_file, SATURN_CHECKPOINTS=self.checkpoints, SATURN_STOP_SIGNAL="TERM", **variables
        )

    SAVE = "import saturn, os, signal\nrun = saturn.start(save=lambda path: open(path, 'w').write('x'))\n"

    def test_counts_reports_and_saves_at_the_end(self):
        events, code = self.under_saturn(self.SAVE + "for step in run.steps(2): run.step(loss=step + 0.5, accuracy=1)")
        path = os.path.join(self.checkpoints, "step-0000000002")
        self.assertEqual(code, 0)
        self.assertEqual(
            events,
            [
                {"event": "started", "steps": 2},
                {"event": "step", "step": 1, "accuracy": 1.0, "loss": 0.5},
                {"event": "step", "step": 2, "accuracy": 1.0, "loss": 1.5},
                {"event": "checkpointed", "step": 2, "path": path},
            ],
        )
        self.assertTrue(os.path.exists(path))
        self.assertEqual(os.listdir(self.checkpoints), ["step-0000000002"])

    def test_a_loop_that_reports_nothing_is_counted(self):
        events, _ = self.under_saturn("import saturn\nfor step in saturn.start().steps(2): pass")
        self.assertEqual([e.get("step") for e in events], [None, 1, 2])

    def test_a_loss_that_is_no_number_is_null(self):
        events, _ = self.under_saturn("import saturn\nrun = saturn.start()\nrun.step(loss=float('nan'))")
        self.assertIsNone(events[0]["loss"])

    def test_goes_on_after_the_checkpoint(self):
        events, _ = self.under_saturn(
            self.SAVE + "assert run.checkpoint == '/c'\nassert list(run.steps(5)) == [3, 4]", SATURN_CHECKPOINT="/c", SATURN_STEP="3"
        )
        self.assertEqual([e["step"] for e in events if e["event"] == "step"], [4, 5])

    def test_a_signal_saves_and_leaves_after_the_step(self):
        events, code = self.under_saturn(
            self.SAVE + "for step in run.steps(9):\n  if step == 3: os.kill(os.getpid(), signal.SIGTERM)\n  run.step()\nraise SystemExit(5)"
        )
        self.assertEqual(code, 0)
        self.assertEqual((events[-1]["event"], events[-1]["step"]), ("checkpointed", 4))

    def test_the_stop_file_does_the_same(self):
        events, code = self.under_saturn(
            self.SAVE + "for step in run.steps(9):\n  if step == 1: open(os.environ['SATURN_STOP_FILE'], 'w')\n  run.step()"
        )
        self.assertEqual((code, events[-1]["step"]), (0, 2))

    def test_saves_every_so_many_steps_but_not_in_a_trial(self):
        loop = self.SAVE + "for step in run.steps(7): run.step()"
        events, _ = self.under_saturn(loop, SATURN_CHECKPOINT_STEPS="3")
        self.assertEqual([e["step"] for e in events if e["event"] == "checkpointed"], [3, 6, 7])
        events, _ = self.under_saturn(loop, SATURN_CHECKPOINT_STEPS="3", SATURN_MODE="trial")
        self.assertEqual([e["step"] for e in events if e["event"] == "checkpointed"], [7])

    def test_reporting_alone_leaves_what_to_do_to_the_script(self):
        events, code = self.under_saturn(
            "import saturn, os, signal\nrun = saturn.start()\nassert run.report(step=10) == ''\nos.kill(os.getpid(), signal.SIGTERM)\n"
            "assert run.report(0.5, step=11) == 'stop'\nrun.saved('/x/y')\nrun.validated(2)\nrun.validated(3, step=12)\nrun.finished('/w')"
        )
        self.assertEqual(code, 0)
        self.assertEqual(
            events[2:],
            [
                {"event": "checkpointed", "step": 11, "path": "/x/y"},
                {"event": "validated", "step": 11, "loss": 2.0},
                {"event": "validated", "step": 12, "loss": 3.0},
                {"event": "finished", "weights": "/w"},
            ],
        )

    def test_without_saturn_nothing_happens(self):
        events, code = self.run_script(
            self.SAVE + "before = signal.getsignal(signal.SIGTERM)\nassert before == signal.SIG_DFL and run.checkpoint is None\n"
            "for step in run.steps(3): run.step(loss=1)\nrun.validated(1)\nrun.finished('w')\nassert step == 2"
        )
        self.assertEqual((events, code), ([], 0))


def rank_main(rank, world, folder, barrier, stop_at, results):
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(world), SATURN_STOP_FILE=folder + "/stop", SATURN_CHECKPOINTS=folder, SATURN_CHECKPOINT_STEPS="4"
    )
    sys.path.insert(0, HELPER)
    sys.stdout = open(os.path.join(folder, "out-%d" % rank), "w")
    import saturn

    saved = []

    def save(path):
        saved.append(run.done)
        os.makedirs(path, exist_ok=True)
        barrier.wait(60)  # rank 0 returns when all have written

    run = saturn.start(save=save)
    try:
        for step in run.steps(1000):
            barrier.wait(60)  # as the gradients' sum: nobody ends a step that another has not begun
            if step == stop_at and rank == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            run.step(loss=1)
    except SystemExit:
        pass
    sys.stdout.close()
    results.put((rank, run.done, saved))


class Ranks(unittest.TestCase):
    def test_all_ranks_save_and_leave_after_the_same_step(self):
        with tempfile.TemporaryDirectory() as folder:
            world, barrier, results = 3, multiprocessing.Barrier(3), multiprocessing.Queue()
            ranks = [
                multiprocessing.Process(target=rank_main, args=(rank, world, folder, barrier, 30, results)) for rank in range(world)
            ]
            for rank in ranks:
                rank.start()
            said = sorted(results.get(timeout=60) for _ in ranks)
            for rank in ranks:
                rank.join(60)
            self.assertEqual({done for _, done, _ in said}, {said[0][1]})
            self.assertEqual(said[0][2], said[1][2])
            self.assertEqual(said[0][2], said[2][2])
            self.assertGreaterEqual(said[0][1], 31)
            self.assertLessEqual(said[0][1], 34)  # a save may have been under way
            self.assertEqual([os.path.getsize(os.path.join(folder, "out-%d" % r)) for r in (1, 2)], [0, 0])
            with open(os.path.join(folder, "out-0")) as file:
                last = [json.loads(line) for line in file][-1]
            self.assertEqual((last["event"], last["step"]), ("checkpointed", said[0][1]))


if __name__ == "__main__":
    unittest.main()
