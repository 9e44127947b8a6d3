// SPDX-License-Identifier: Apache-2.0
//
// Plans instances of the text format (README.md) and prints one line each; or makes one.
//   bench_planner solve SECONDS SEED WORK INSTANCE...   (WORK in steps of the planner; 0 = any number)
//   bench_planner generate FAMILY TASKS NODES SEED      (NODES as 4x8 or 2+2+4+8)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <stdexcept>
#include <string>
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

void solve_file(const std::string& file, const SolveOptions& options) {
  const Problem problem = read_instance(file);
  const auto begin = std::chrono::steady_clock::now();
  const Plan plan = solve(problem, options);
  const double took = Seconds(std::chrono::steady_clock::now() - begin).count();
  fmt::print("{}\t{:.10g}\t{:.10g}\t{:.4f}\t{:.3f}\t{}; {}\n", file, plan.makespan_seconds,
             plan.lower_bound_seconds, 100 * plan.gap, took, plan.method, plan.bound_method);
  std::fflush(stdout);
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() >= 5 && arguments[0] == "solve") {
    SolveOptions options;
    options.time_limit = Seconds(std::stod(arguments[1]));
    options.seed = std::stoull(arguments[2]);
    options.work = std::stoll(arguments[3]);
    options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    for (size_t i = 4; i < arguments.size(); ++i) solve_file(arguments[i], options);
    return 0;
  }
  if (arguments.size() == 5 && arguments[0] == "generate") {
    const Family family{arguments[1], std::stoi(arguments[2]), parse_nodes(arguments[3]),
                        std::stoull(arguments[4])};
    fmt::print("{}", to_instance_text(generate_instance(family)));
    return 0;
  }
  fmt::print(stderr,
             "bench_planner solve SECONDS SEED WORK INSTANCE... | generate FAMILY TASKS NODES SEED\n");
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
