#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Saturn against OR-Tools' CP-SAT and HiGHS on the same planning instances, one after the other on the same cores with the same
time limit: planner_peers.py [--build DIR] [--time-limit S] [--cores N] [--seed N] [--peers cp-sat,highs] INSTANCE...

Needs `pip install ortools highspy`. Prints, tab-separated: file, then makespan, lower bound and seconds of each, then where Saturn
is worse than a peer (- = nowhere); the last line sums that up. A dash is a solver that found nothing.

CP-SAT: optional intervals per task, configuration and node, one cumulative resource per node, the area of all tasks within
that of all devices, tasks of one class in order of their starts. HiGHS: the same choice as time-indexed programs by class
(no big-M), with 60 slots, then twice as many and so on while there is time, each with half of what is left. Run times are rounded
down to slots for bounds: that is a relaxation, as what a plan runs just before the end of a slot fits its devices; it holds up
to the time that the slots span. They are rounded up for plans: its tasks in the order of their slots, with true run times.
"""
import argparse
import contextlib
import math
import os
import pathlib
import subprocess
import sys
import time

FIRST_SLOTS = 60
SPAN = 1.25  # of the area bound: how far HiGHS' slots reach


def read(path):
    words = iter(pathlib.Path(path).read_text().split())
    number = lambda: int(float(next(words)))
    nodes = [number() for _ in range(number())]
    tasks = []
    for _ in range(number()):
        name, kind = next(words), number()
        tasks.append((name, kind, [(number(), number()) for _ in range(number())]))
    return nodes, tasks


def pareto(options, widest):
    kept = []
    for devices, seconds in sorted(options):
        if devices <= widest and (not kept or seconds < kept[-1][1]):
            kept.append((devices, seconds))
    return kept


def area_bound(nodes, tasks):
    """The longest task, and all areas on all devices."""
    widest = max(nodes)
    longest = max(min(seconds for _, seconds in pareto(options, widest)) for _, _, options in tasks)
    area = sum(min(devices * seconds for devices, seconds in pareto(options, widest)) for _, _, options in tasks)
    return max(longest, math.ceil(area / sum(nodes)))


def cp_sat(nodes, tasks, options):
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    # One after the other, each as fast as it gets, is a plan.
    horizon = sum(min(seconds for _, seconds in pareto(choices, max(nodes))) for _, _, choices in tasks)
    makespan = model.new_int_var(area_bound(nodes, tasks), horizon, "makespan")
    per_node = [[] for _ in nodes]
    areas = []
    last_of_class = {}
    for name, kind, choices in tasks:
        start = model.new_int_var(0, horizon, f"start {name}")
        chosen = []
        for node, size in enumerate(nodes):
            for devices, seconds in pareto(choices, size):
                present = model.new_bool_var("")
                interval = model.new_optional_fixed_size_interval_var(start, seconds, present, "")
                per_node[node].append((interval, devices))
                model.add(start + seconds <= makespan).only_enforce_if(present)
                chosen.append(present)
                areas.append(devices * seconds * present)
        model.add_exactly_one(chosen)
        if kind in last_of_class:
            model.add(last_of_class[kind] <= start)
        last_of_class[kind] = start
    for intervals, size in zip(per_node, nodes):
        model.add_cumulative([i for i, _ in intervals], [d for _, d in intervals], size)
    model.add(sum(areas) <= sum(nodes) * makespan)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = options.time_limit
    solver.parameters.num_workers = options.cores
    solver.parameters.random_seed = options.seed
    found = solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return (solver.objective_value if found else None), solver.best_objective_bound


@contextlib.contextmanager
def standard_output_closed():
    """HiGHS greets on the file descriptor itself."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def time_indexed(solver, nodes, tasks, span, slots, rounded):
    """Adds the program with run times that are `rounded` to slots; returns its columns as (slot, node size, devices, seconds, variable)."""
    classes = {}
    for _, kind, choices in tasks:
        classes.setdefault(kind, [0, choices])[0] += 1
    length = span / slots
    sizes = sorted(set(nodes))
    makespan = solver.addVariable(lb=area_bound(nodes, tasks), ub=span, obj=1)
    columns, ends = [], {}
    usage = {(size, slot): [] for size in sizes for slot in range(slots)}
    for count, choices in classes.values():
        mine = []
        for size in sizes:
            for devices, seconds in pareto(choices, size):
                width = rounded(seconds / length)
                for slot in range(slots - width + 1):
                    y = solver.addIntegral(lb=0, ub=count)
                    mine.append(y)
                    columns.append((slot, size, devices, seconds, y))
                    ends.setdefault(slot + width, []).append((y, count))
                    for at in range(slot, slot + width):
                        usage[size, at].append((y, devices))
        solver.addConstr(sum(mine) == count)
    for (size, _), terms in usage.items():
        if terms:
            solver.addConstr(sum(devices * y for y, devices in terms) <= size * nodes.count(size))
    for end, terms in ends.items():
        if end * length <= area_bound(nodes, tasks):
            continue  # every plan ends later
        used = solver.addBinary()
        for y, count in terms:
            solver.addConstr(y <= count * used)
        solver.addConstr(makespan >= end * length * used)
    return columns


def list_schedule(nodes, started):
    """The makespan when (size, devices, seconds) start in this order: each on the node of its size where it may first."""
    free = {node: [0] * size for node, size in enumerate(nodes)}
    end = 0
    for size, devices, seconds in started:
        node = min((n for n, s in enumerate(nodes) if s == size), key=lambda n: sorted(free[n])[devices - 1])
        lanes = sorted(free[node])
        start = lanes[devices - 1]
        usable = [t for t in lanes if t <= start]
        free[node] = usable[:-devices] + lanes[len(usable):] + [start + seconds] * devices
        end = max(end, start + seconds)
    return end


def solve_time_indexed(nodes, tasks, options, slots, rounded, seconds):
    """What starts, in order of slots (None = nothing was found), and the bound, up to the span."""
    import highspy

    span = SPAN * area_bound(nodes, tasks)
    with standard_output_closed():
        solver = highspy.Highs()
        solver.silent()
        begun = time.monotonic()
        solver.setOptionValue("threads", options.cores)
        solver.setOptionValue("random_seed", options.seed)
        columns = time_indexed(solver, nodes, tasks, span, slots, rounded)
        solver.setOptionValue("time_limit", max(0.1, seconds - (time.monotonic() - begun)))
        solver.run()
        info = solver.getInfo()
        infeasible = solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible
        values = solver.getSolution().col_value
    if infeasible or info.primal_solution_status != 2:
        return None, span if infeasible else info.mip_dual_bound
    started = []
    for slot, size, devices, length, y in sorted(columns, key=lambda column: column[0]):
        started += [(size, devices, length)] * round(values[y.index])
    return started, info.mip_dual_bound


def highs(nodes, tasks, options):
    least = area_bound(nodes, tasks)
    end = time.monotonic() + options.time_limit
    best, bound, slots = None, least, FIRST_SLOTS
    left = lambda: end - time.monotonic()
    while left() > 1 and (best is None or math.ceil(bound - 1e-6) < best):
        for rounded in math.floor, math.ceil:
            started, proven = solve_time_indexed(nodes, tasks, options, slots, rounded, left() / 2)
            if rounded is math.floor:
                bound = max(bound, min(SPAN * least, proven))
            if started:
                makespan = list_schedule(nodes, started)
                best = min(best or makespan, makespan)
        slots *= 2
    return best, bound


def saturn(path, options):
    command = [str(pathlib.Path(__file__).with_name("planner.sh")), "--time-limit", str(options.time_limit), "--seed", str(options.seed)]
    if options.build:
        command += ["--build", options.build]
    answer = subprocess.run([*command, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if answer.returncode != 0:
        sys.exit(answer.stderr)
    fields = answer.stdout.split("\t")
    return float(fields[1]), float(fields[2]), float(fields[4])


def timed(solve, nodes, tasks, options):
    begun = time.monotonic()
    return *solve(nodes, tasks, options), time.monotonic() - begun


def worse(ours, peers):
    """Where Saturn is worse: a second is what instances count in, bounds are real numbers."""
    found = []
    for name, (makespan, bound, _) in peers.items():
        if makespan is not None and ours[0] > makespan + 1e-6:
            found.append(f"makespan than {name}")
        # Run times are whole seconds, so is the optimum: 99.2 proves 100.
        if bound is not None and math.ceil(ours[1] - 1e-6) < math.ceil(bound - 1e-6):
            found.append(f"bound than {name}")
    return found


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("--time-limit", type=float, default=20)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", default="cp-sat,highs")
    parser.add_argument("instances", nargs="+")
    return parser.parse_args()


def main():
    options = parse()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])  # Saturn takes as many threads
    solvers = {name: {"cp-sat": cp_sat, "highs": highs}[name] for name in options.peers.split(",")}
    print("instance", *(f"{name}: {what}" for name in ["saturn", *solvers] for what in ["makespan", "bound", "seconds"]), "saturn is worse", sep="\t")
    places = []
    for path in options.instances:
        nodes, tasks = read(path)
        results = {"saturn": saturn(path, options)}
        for name, solve in solvers.items():
            results[name] = timed(solve, nodes, tasks, options)
        ours = results.pop("saturn")
        found = worse(ours, results)
        places += [f"{pathlib.Path(path).stem}: {place}" for place in found]
        cells = [f"{value:.10g}" if value is not None else "-" for result in [ours, *results.values()] for value in
                 (result[0], result[1] if result[1] is None else round(result[1], 3), round(result[2], 2))]
        print(pathlib.Path(path).stem, *cells, ", ".join(found) or "-", sep="\t", flush=True)
    print(f"# saturn is worse in {len(places)} places" + "".join(f"\n# {place}" for place in places) if places else "# saturn is worse nowhere")


if __name__ == "__main__":
    main()
