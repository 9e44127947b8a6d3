# SPDX-License-Identifier: Apache-2.0
"""Lets a training script report to Saturn, stop and go on. Python 3.8 and later, nothing but its standard library.

    import saturn
    run = saturn.start(save=lambda path: torch.save(state(), path))   # `save` may be left out
    if run.checkpoint:                                                # a path that `save` wrote
        load(run.checkpoint)
    for step in run.steps(1000):                                      # goes on after the checkpoint's step
        loss = train_one_step()
        run.step(loss=loss)                                           # reports; saves and leaves when asked to

Run without Saturn, the same script trains just as it would without these lines: nothing is printed or saved, no
signal handler is set, `run.checkpoint` is None.

Of several processes of one training (torchrun, MPI), rank 0 reports. All of them save and leave after the same step:
rank 0 decides one step ahead, and no rank can finish that step without rank 0. `save` is called on every rank; on rank 0
it returns when all have written their parts (as torch.distributed.checkpoint.save does): then the checkpoint counts.
"""

import json
import math
import os
import shutil
import signal
import sys
import time

__all__ = ["Run", "start"]


def start(save=None):
    """The run that this process is part of. `save(path)` writes a checkpoint: a file, or a folder that it makes."""
    return Run(save)


def _rank():
    for name in ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0


def _world_size():
    for name in ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 1


def _number(value):
    """A float that JSON can hold; None for one that is not finite."""
    value = float(value)  # also of a tensor with one element
    return value if math.isfinite(value) else None


class Run:
    """What Saturn has asked of this training, and what it is told of it."""

    def __init__(self, save=None):
        variable = os.environ.get
        self.active = "SATURN_STOP_FILE" in os.environ
        self.rank = _rank()
        self.leads = self.rank == 0  # the rank that reports
        self.trial = variable("SATURN_MODE") == "trial"  # only measured: the results are thrown away
        self.checkpoint = variable("SATURN_CHECKPOINT") or None
        self.checkpoints = variable("SATURN_CHECKPOINTS") or None  # where checkpoints go
        self.first_step = int(variable("SATURN_STEP") or 0) if self.checkpoint else 0
        self.done = self.first_step  # steps done
        self.wish = ""  # after a step: "", "save" or "stop" (save and leave)
        self._save = save
        self._stop_file = variable("SATURN_STOP_FILE", "")
        self._alone = _world_size() == 1
        self._signalled = False
        self._decided = ("", 0)
        self._decision_seen = None
        self._saved_step = self.first_step
        self._saved_at = time.monotonic()
        self._every_seconds = float(variable("SATURN_CHECKPOINT_SECONDS") or 0)
        self._every_steps = int(variable("SATURN_CHECKPOINT_STEPS") or 0)
        if self.active:
            self._forget_decision()
            self._catch_stop_signal()

    def steps(self, total):
        """Counts the steps, from 0 or after the checkpoint to `total` - 1, and saves at the end."""
        self.length(total)
        while self.done < total:
            before = self.done
            yield before
            if self.done == before:
                self.step()
        if self._save and self.done != self._saved_step:
            self._write_checkpoint()

    def length(self, total):
        """Tells how many steps there will be: without it the workload must say."""
        self._say(event="started", steps=int(total))

    def step(self, loss=None, step=None, **values):
        """One more step is done (or `step` of them). Saves when it is time, and exits after saving when asked to."""
        self.report(loss, step, **values)
        if self.wish:
            self._write_checkpoint()
        if self.wish == "stop":
            sys.stdout.flush()
            raise SystemExit(0)

    def report(self, loss=None, step=None, **values):
        """Like `step`, but leaves it to the caller to do what is returned: "", "save", or "stop" (save, then leave)."""
        self.done = self.done + 1 if step is None else int(step)
        if not self.active:
            return ""
        numbers = {name: _number(value) for name, value in values.items()} if self.leads else {}
        if loss is not None and self.leads:
            numbers["loss"] = _number(loss)
        self._say(event="step", step=self.done, **numbers)
        self.wish = self._decide()
        return self.wish

    def validated(self, loss, step=None):
        """The validation loss after the last step (or after `step`, to tell it before `step()` saves that)."""
        if self.active and self.leads:
            self._say(event="validated", step=self.done if step is None else int(step), loss=_number(loss))

    def saved(self, path, step=None):
        """A checkpoint of the last step (or of `step`) is complete in `path`."""
        self._saved_step = self.done if step is None else int(step)
        self._saved_at = time.monotonic()
        self._say(event="checkpointed", step=self._saved_step, path=os.path.abspath(path))

    def finished(self, weights=""):
        """All is done and written, the final weights in `weights`. Not needed where the script ends with exit code 0."""
        self._say(event="finished", weights=os.path.abspath(weights) if weights else "")

    # ---- within

    def _say(self, **event):
        if self.active and self.leads:
            # One write, so that other processes' lines do not come between.
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()

    def _write_checkpoint(self):
        if not (self.active and self._save):
            return
        os.makedirs(self.checkpoints, exist_ok=True)
        path = os.path.join(self.checkpoints, "step-%010d" % self.done)
        self._save(path + ".part")
        if self.leads:
            if os.path.isdir(path):
                shutil.rmtree(path)
            os.replace(path + ".part", path)  # a checkpoint of this name is always a whole one
            self.saved(path)

    def _catch_stop_signal(self):
        number = getattr(signal, "SIG" + os.environ.get("SATURN_STOP_SIGNAL", "TERM"), None)

        def note(_number, _frame):
            self._signalled = True  # what has to be done is done between two steps

        try:
            if number is not None:
                signal.signal(number, note)
        except ValueError:
            pass  # not the main thread: the file says it too

    def _own_wish(self):
        if self._signalled or os.path.exists(self._stop_file):
            return "stop"
        due = 0 < self._every_seconds <= time.monotonic() - self._saved_at
        if self._every_steps and self.done % self._every_steps == 0:
            due = True
        return "save" if due and not self.trial else ""

    def _decide(self):
        if self._alone:
            return self._own_wish()
        if self.leads and not self._decided[0]:
            wish = self._own_wish()
            if wish:
                self._decided = (wish, self.done + 1)
                self._publish_decision()
        elif not self.leads:
            self._read_decision()
        wish, at = self._decided
        if not wish or self.done < at:
            return ""
        self._decided = ("", 0)
        return wish

    def _decision_file(self):
        return self._stop_file + ".ranks"

    def _publish_decision(self):
        part = self._decision_file() + ".part"
        with open(part, "w") as file:
            file.write("%s %d" % self._decided)
        os.replace(part, self._decision_file())

    def _read_decision(self):
        try:
            status = os.stat(self._decision_file())
        except OSError:
            return
        mark = (status.st_ino, status.st_mtime_ns)
        if mark == self._decision_seen:
            return
        self._decision_seen = mark
        with open(self._decision_file()) as file:
            wish, at = file.read().split()
        self._decided = (wish, int(at))

    def _forget_decision(self):
        """Of an earlier start of this training."""
        if self.leads and not self._alone:
            try:
                os.remove(self._decision_file())
            except OSError:
                pass
