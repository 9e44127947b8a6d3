// SPDX-License-Identifier: Apache-2.0
//
// Plans instances of the text format (README.md) and prints one line each; or makes one.
//   bench_planner solve SECONDS SEED WORK TRACE INSTANCE   (WORK in steps of the planner, 0 = any number;
//   TRACE: a file
//                                                           that every better plan and bound is added to, - =
//                                                           none)
//   bench_planner generate FAMILY TASKS NODES SEED         (NODES as 4x8 or 2+2+4+8)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "plan/solve.h"
#include "planner_instance.h"

namespace {

using namespace saturn;

std::vector<int> parse_nodes(const std::string& text) {
  const size_t times = text.find('x');
  if (times != std::string::npos)
    return std::vector<int>(static_cast<size_t>(std::stoi(text)), std::stoi(text.substr(times + 1)));
  std::vector<int> sizes;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('+', at), text.size());
    sizes.push_back(std::stoi(text.substr(at, end - at)));
    at = end + 1;
  }
  return sizes;
}

/// Of this process or of one that CBC ran in, whichever took more.
double peak_megabytes() {
  double most = 0;
  for (const auto whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    struct rusage usage {};
    ::getrusage(whose, &usage);
    most = std::max(most, static_cast<double>(usage.ru_maxrss) / 1024);
  }
  return most;
}

struct Solved {
  Plan plan;
  std::vector<SolveProgress> steps;
  double seconds = 0;
  double cbc_seconds = 0;
};

Solved solve_and_follow(const Problem& problem, SolveOptions options) {
  Solved result;
  SolverUse cbc;
  options.solver_use = &cbc;
  options.on_progress = [&](const SolveProgress& now) { result.steps.push_back(now); };
  const auto begin = std::chrono::steady_clock::now();
  result.plan = solve(problem, options);
  result.seconds = Seconds(std::chrono::steady_clock::now() - begin).count();
  result.cbc_seconds = 1e-6 * static_cast<double>(cbc.microseconds);
  return result;
}

double first_plan_seconds(const Solved& solved) {
  for (const SolveProgress& step : solved.steps)
    if (step.value) return step.elapsed.count();
  return solved.seconds;
}

/// A line for each step and one for the end: instance, seconds, makespan (- before the first plan), lower
/// bound.
void write_trace(const std::string& trace, const std::string& file, const Solved& solved) {
  std::ofstream out(trace, std::ios::app);
  for (const SolveProgress& step : solved.steps)
    out << fmt::format("{}\t{:.6f}\t{}\t{:.10g}\n", file, step.elapsed.count(),
                       step.value ? fmt::format("{:.10g}", *step.value) : "-", step.bound);
  out << fmt::format("{}\t{:.6f}\t{:.10g}\t{:.10g}\n", file, solved.seconds, solved.plan.makespan_seconds,
                     solved.plan.lower_bound_seconds);
  if (!out.flush()) throw std::runtime_error(fmt::format("{}: cannot be written", trace));
}

void solve_file(const std::string& file, const SolveOptions& options, const std::string& trace) {
  const Solved solved = solve_and_follow(read_instance(file), options);
  const Plan& plan = solved.plan;
  const double thread_seconds = std::max(1e-9, solved.seconds * options.threads);
  fmt::print("{}\t{:.10g}\t{:.10g}\t{:.4f}\t{:.3f}\t{}; {}\t{:.1f}\t{:.2f}\t{:.1f}\t{:.0f}\n", file,
             plan.makespan_seconds, plan.lower_bound_seconds, 100 * plan.gap, solved.seconds, plan.method,
             plan.bound_method, 1000 * first_plan_seconds(solved), solved.cbc_seconds,
             100 * solved.cbc_seconds / thread_seconds, peak_megabytes());
  if (trace != "-") write_trace(trace, file, solved);
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 6 && arguments[0] == "solve") {
    SolveOptions options;
    options.time_limit = Seconds(std::stod(arguments[1]));
    options.seed = std::stoull(arguments[2]);
    options.work = std::stoll(arguments[3]);
    options.threads =
        options.work > 0 ? 1 : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    solve_file(arguments[5], options, arguments[4]);
    return 0;
  }
  if (arguments.size() == 5 && arguments[0] == "generate") {
    const Family family{arguments[1], std::stoi(arguments[2]), parse_nodes(arguments[3]),
                        std::stoull(arguments[4])};
    fmt::print("{}", to_instance_text(generate_instance(family)));
    return 0;
  }
  fmt::print(stderr,
             "bench_planner solve SECONDS SEED WORK TRACE INSTANCE | generate FAMILY TASKS NODES SEED\n");
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_planner: {}\n", error.what());
    return 1;
  }
}
