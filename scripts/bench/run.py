# SPDX-License-Identifier: Apache-2.0
"""Measures what run.sh prints: run.py BIN_DIRECTORY, in a directory with quickstart.yaml."""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

BIN = sys.argv[1]
SATURN = os.path.join(BIN, "saturn")
WORKLOAD = "quickstart.yaml"


def row(name, value, target):
    print(f"{name:<58} {value:>16}  target {target}", flush=True)


def milliseconds(*arguments):
    """Median wall clock of 20 runs."""
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        subprocess.run([SATURN, *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def measure_start():
    for arguments in (["--help"], ["plan", "--help"], ["plan", WORKLOAD]):
        what = " (up to date)" if arguments[-1] == WORKLOAD else ""
        row(f"saturn {' '.join(arguments)}{what}", f"{milliseconds(*arguments):.1f} ms", "< 10 ms")


def measure_plan():
    taken = milliseconds("plan", "--force", WORKLOAD)
    done = subprocess.run([SATURN, "plan", "--json", WORKLOAD], check=True, capture_output=True, text=True)
    gap = json.loads(done.stdout)["gap"]
    row("saturn plan --force (profile known), whole command", f"{taken:.1f} ms", "< 1 s")
    row("  gap to the lower bound (0: proven optimal)", f"{100 * gap:.2f} %", "0 %")


def own_processor_seconds(pid):
    """User and system time of an ended process that nobody has waited for, without its children."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def simulate(*arguments):
    done = subprocess.run([SATURN, "run", "--simulate", "--json", WORKLOAD, *arguments], check=True, capture_output=True,
                          text=True)
    return json.loads(done.stdout)


def training_seconds(summary):
    return {task["task"]: task["seconds"]["training"] for task in summary["tasks"]}


def simulate_as_it_went(summary):
    """How fast each task was, and the makespan of the plan had the profile known that: what is left of a difference is the
    plan's fault, not that of a machine whose speed changes."""
    os.rename("runs", "real")
    os.makedirs("runs/quickstart")
    for file in ("plan.json", "profile.json"):
        shutil.copy(f"real/quickstart/{file}", "runs/quickstart")
    real, simulated = training_seconds(summary), training_seconds(simulate())
    speeds = {task: simulated[task] / real[task] for task in real}
    at_these = simulate("--speed", *(f"{task}={speed}" for task, speed in speeds.items()))
    return speeds.values(), at_these["real_makespan_seconds"]


def measure_run():
    start = time.perf_counter()
    with open("summary.json", "w", encoding="utf-8") as out, open("log", "w", encoding="utf-8") as log:
        child = subprocess.Popen([SATURN, "run", "--json", WORKLOAD], stdout=out, stderr=log)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - start
    processor = own_processor_seconds(child.pid)
    if child.wait() != 0:
        sys.exit("run.py: the quickstart failed:\n" + open("log", encoding="utf-8").read())
    with open("summary.json", encoding="utf-8") as file:
        summary = json.load(file)
    planned, real = summary["planned_makespan_seconds"], summary["real_makespan_seconds"]
    row("quickstart: planned makespan", f"{planned:.1f} s", "-")
    row("quickstart: real makespan", f"{real:.1f} s", "-")
    row("  real against planned", f"{100 * (real / planned - 1):+.1f} %", "within 3 %")
    if os.path.exists("runs/quickstart/plan.previous.json"):
        row("  another plan was adopted on the way (INTROSPECTION=0: never)", "-", "-")
    else:
        speeds, expected = simulate_as_it_went(summary)
        row("  speeds of tasks, profile's = 1", f"{min(speeds):.2f} to {max(speeds):.2f}", "-")
        row("  real against the same plan simulated at these speeds", f"{100 * (real / expected - 1):+.1f} %", "-")
    row("  devices idle", f"{100 * summary['idle_fraction']:.2f} %", "< 3 %")
    row("  supervisor, of one core", f"{100 * processor / wall:.2f} %", "< 1 %")
    row("  saturn run, whole command", f"{wall:.1f} s", "< 180 s")


def measure_all_reduce():
    done = subprocess.run([os.path.join(BIN, "bench_all_reduce"), "64"], check=True, capture_output=True, text=True)
    ratio = re.search(r"ratio ([0-9.]+)", done.stdout).group(1)
    row("all-reduce of 64 MB between 2 slots, memcpy = 1", ratio, ">= 0.5")


def main():
    subprocess.run([SATURN, "plan", WORKLOAD], check=True, capture_output=True)  # measures the trials
    measure_start()
    measure_plan()
    measure_all_reduce()
    measure_run()


if __name__ == "__main__":
    main()
