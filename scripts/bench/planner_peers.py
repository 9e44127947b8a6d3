#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same planning instances by OR-Tools' CP-SAT and by HiGHS: planner_peers.py [--time-limit S] [--workers N] INSTANCE...

Needs `pip install ortools highspy`. Prints, tab-separated: file, solver, makespan, lower bound, gap in %, seconds.
CP-SAT: optional intervals per task, configuration and node, one cumulative resource per node; tasks of one class in order of
their starts. HiGHS: the same choice as a time-indexed program by class, with as many slots as --slots says; its makespan
is that of the tasks started in the order of their slots with true run times, and it proves no bound of the true problem
but that of the relaxation with run times rounded down.
"""
import argparse
import time


def read(path):
    words = iter(open(path).read().split())
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


def cp_sat(nodes, tasks, limit, workers):
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    horizon = sum(max(seconds for _, seconds in options) for _, _, options in tasks)
    makespan = model.new_int_var(0, horizon, "makespan")
    per_node = [[] for _ in nodes]
    last_of_class = {}
    for name, kind, options in tasks:
        start = model.new_int_var(0, horizon, f"start {name}")
        chosen = []
        for node, size in enumerate(nodes):
            for devices, seconds in pareto(options, size):
                present = model.new_bool_var("")
                interval = model.new_optional_fixed_size_interval_var(start, seconds, present, "")
                per_node[node].append((interval, devices))
                model.add(start + seconds <= makespan).only_enforce_if(present)
                chosen.append(present)
        model.add_exactly_one(chosen)
        if kind in last_of_class:
            model.add(last_of_class[kind] <= start)
        last_of_class[kind] = start
    for intervals, size in zip(per_node, nodes):
        model.add_cumulative([i for i, _ in intervals], [d for _, d in intervals], size)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit
    solver.parameters.num_workers = workers
    status = solver.solve(model)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return (solver.objective_value if found else None), solver.best_objective_bound


def highs(nodes, tasks, limit, workers, slots):
    import highspy
    import math

    classes = {}
    for _, kind, options in tasks:
        classes.setdefault(kind, [0, options])[0] += 1
    sizes = sorted(set(nodes))
    lower = max(min(seconds for devices, seconds in pareto(options, max(nodes))) for _, options in classes.values())
    area = sum(n * min(d * s for d, s in pareto(options, max(nodes))) for n, options in classes.values())
    horizon = 1.15 * max(lower, area / sum(nodes))
    length = horizon / slots
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("time_limit", float(limit))
    solver.setOptionValue("threads", workers)
    columns = []
    ends = {}
    usage = {(size, slot): [] for size in sizes for slot in range(slots)}
    makespan = solver.addVariable(lb=lower, ub=horizon * 4, obj=1)
    for kind, (count, options) in classes.items():
        for size in sizes:
            for devices, seconds in pareto(options, size):
                width = max(1, math.floor(seconds / length))
                for slot in range(slots - width + 1):
                    y = solver.addIntegral(lb=0, ub=count)
                    columns.append((kind, size, devices, seconds, slot, y))
                    for at in range(slot, slot + width):
                        usage[size, at].append((y, devices))
                    ends.setdefault(slot + width, []).append((kind, y))
    for kind, (count, _) in classes.items():
        solver.addConstr(sum(y for k, *_, y in columns if k == kind) == count)
    for (size, _), terms in usage.items():
        if terms:
            solver.addConstr(sum(d * y for y, d in terms) <= size * nodes.count(size))
    used = {}
    for end, terms in ends.items():
        used[end] = solver.addBinary()
        for _, y in terms:
            solver.addConstr(y <= len(tasks) * used[end])
        solver.addConstr(makespan >= end * length * used[end])
    solver.run()
    info = solver.getInfo()
    if info.primal_solution_status != 2:
        return None, None
    values = solver.getSolution().col_value
    order = []
    for kind, size, devices, seconds, slot, y in sorted(columns, key=lambda c: c[4]):
        order += [(size, devices, seconds)] * round(values[y.index])
    # Concrete nodes of each size: the one on which the task starts first, as early as its devices allow.
    free = {node: [0] * size for node, size in enumerate(nodes)}
    end = 0
    for size, devices, seconds in order:
        node = min((n for n, s in enumerate(nodes) if s == size), key=lambda n: sorted(free[n])[devices - 1])
        lanes = sorted(free[node])
        start = lanes[devices - 1]
        usable = [t for t in lanes if t <= start]
        free[node] = usable[:-devices] + lanes[len(usable):] + [start + seconds] * devices
        end = max(end, start + seconds)
    return end, None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--time-limit", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=60)
    parser.add_argument("--solver", choices=["cp-sat", "highs", "both"], default="both")
    parser.add_argument("instances", nargs="+")
    options = parser.parse_args()
    for path in options.instances:
        nodes, tasks = read(path)
        for solver in ["cp-sat", "highs"] if options.solver == "both" else [options.solver]:
            begun = time.monotonic()
            if solver == "cp-sat":
                makespan, bound = cp_sat(nodes, tasks, options.time_limit, options.workers)
            else:
                makespan, bound = highs(nodes, tasks, options.time_limit, options.workers, options.slots)
            seconds = time.monotonic() - begun
            gap = 100 * (makespan - bound) / makespan if makespan and bound is not None else None
            show = lambda x, form: "-" if x is None else format(x, form)
            print(path, solver, show(makespan, ".0f"), show(bound, ".0f"), show(gap, ".3f"), f"{seconds:.1f}", sep="\t", flush=True)


if __name__ == "__main__":
    main()
