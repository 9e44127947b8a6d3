// SPDX-License-Identifier: Apache-2.0
#include "planner_instance.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <random>
#include <stdexcept>

namespace saturn {
namespace {

constexpr double kShortest = 1000;  ///< seconds on one device
constexpr double kLongest = 40000;
constexpr double kNoise = 0.03;
constexpr int kMostTwins = 5;

template <class T>
T next(std::ifstream& stream, const std::filesystem::path& file, const char* what) {
  T value;
  if (!(stream >> value)) throw std::runtime_error(fmt::format("{}: expected {}", file.string(), what));
  return value;
}

ProblemNode make_node(size_t index, int devices) {
  return {fmt::format("n{}", index), "gpu", std::vector<double>(static_cast<size_t>(devices), 0.0)};
}

Configuration make_configuration(int devices, double seconds) {
  return {"any", {}, "gpu", devices, seconds};
}

/// The share of the work that does not get faster with more devices.
double serial_share(const std::string& family, std::mt19937_64& random) {
  const auto within = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  if (family == "good") return within(0.0, 0.05);
  if (family == "poor") return within(0.2, 0.5);
  if (family == "mixed" || family == "mem")
    return within(0.0, 1.0) < 0.5 ? within(0.0, 0.05) : within(0.05, 0.4);
  throw std::runtime_error(fmt::format("family '{}': it is good, poor, mixed or mem", family));
}

}  // namespace

Problem read_instance(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw std::runtime_error(fmt::format("{}: cannot be read", file.string()));
  Problem problem;
  const int nodes = next<int>(stream, file, "the number of nodes");
  for (int n = 0; n < nodes; ++n)
    problem.nodes.push_back(make_node(static_cast<size_t>(n), next<int>(stream, file, "a node's devices")));
  const int tasks = next<int>(stream, file, "the number of tasks");
  for (int t = 0; t < tasks; ++t) {
    ProblemTask task;
    task.name = next<std::string>(stream, file, "a task's name");
    next<int>(stream, file, "a task's class");
    const int configurations = next<int>(stream, file, "the number of configurations");
    for (int c = 0; c < configurations; ++c) {
      const int devices = next<int>(stream, file, "a number of devices");
      task.configurations.push_back(
          make_configuration(devices, next<double>(stream, file, "a run time in seconds")));
    }
    problem.tasks.push_back(std::move(task));
  }
  return problem;
}

std::string to_instance_text(const Problem& problem) {
  std::string text = fmt::format("{}\n", problem.nodes.size());
  for (size_t n = 0; n < problem.nodes.size(); ++n)
    text += fmt::format("{}{}", n == 0 ? "" : " ", problem.nodes[n].free_at_seconds.size());
  text += fmt::format("\n{}\n", problem.tasks.size());
  for (const ProblemTask& task : problem.tasks) {
    text += fmt::format("{} {} {}", task.name, task.name.substr(1, task.name.find('_') - 1),
                        task.configurations.size());
    for (const Configuration& configuration : task.configurations)
      text += fmt::format(" {} {:.0f}", configuration.devices, configuration.duration_seconds);
    text += '\n';
  }
  return text;
}

Problem generate_instance(const Family& family) {
  std::mt19937_64 random(family.seed);
  Problem problem;
  for (size_t n = 0; n < family.node_sizes.size(); ++n)
    problem.nodes.push_back(make_node(n, family.node_sizes[n]));
  const int widest = *std::max_element(family.node_sizes.begin(), family.node_sizes.end());
  std::uniform_real_distribution<double> log_duration(std::log(kShortest), std::log(kLongest));
  std::uniform_real_distribution<double> noise(1 - kNoise, 1 + kNoise);
  for (int c = 0; static_cast<int>(problem.tasks.size()) < family.tasks; ++c) {
    const double serial = serial_share(family.name, random);
    const double alone = std::exp(log_duration(random));
    const int smallest =
        family.name == "mem" ? std::uniform_int_distribution<int>(1, std::max(1, widest - 2))(random) : 1;
    const int twins = std::uniform_int_distribution<int>(1, kMostTwins)(random);
    ProblemTask task;
    for (int devices = smallest; devices <= widest; ++devices) {
      const double seconds = alone * (serial + (1 - serial) / devices) * (devices > 1 ? noise(random) : 1);
      task.configurations.push_back(make_configuration(devices, std::round(seconds)));
    }
    for (int twin = 0; twin < twins && static_cast<int>(problem.tasks.size()) < family.tasks; ++twin) {
      task.name = fmt::format("c{}_lr{}", c, twin);
      problem.tasks.push_back(task);
    }
  }
  return problem;
}

}  // namespace saturn
