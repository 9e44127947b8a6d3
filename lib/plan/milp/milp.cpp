// SPDX-License-Identifier: Apache-2.0
#include "plan/milp/milp.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/isolated.h"
#include "plan/milp/cbc.h"

namespace saturn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-5;
constexpr double kCbcPatience = 2;  ///< CBC keeps to its time limit within about 10 %
constexpr Seconds kSlowestFork{1};

/// Three bytes, then the values: read by the process that wrote it, or one forked from it.
std::string to_bytes(const CbcAnswer& answer) {
  std::string bytes{static_cast<char>(answer.infeasible), static_cast<char>(answer.optimal),
                    static_cast<char>(answer.finished)};
  bytes.append(reinterpret_cast<const char*>(answer.values.data()), answer.values.size() * sizeof(double));
  return bytes;
}

CbcAnswer from_bytes(const std::string& bytes) {
  CbcAnswer answer{bytes.at(0) != 0, bytes.at(1) != 0, bytes.at(2) != 0, {}};
  answer.values.resize((bytes.size() - 3) / sizeof(double));
  if (!answer.values.empty())
    std::memcpy(answer.values.data(), bytes.data() + 3, answer.values.size() * sizeof(double));
  return answer;
}

/// In a process of its own, because a library that only one thread may use at a time is no library for a
/// supervisor. Debian builds CBC and Clp with assertions, and some of them fail on harmless programs (seen:
/// ClpSimplexDual.cpp:3626); its command line reader, which the C interface goes through, writes into static
/// buffers; Clp takes over SIGINT while it solves its first relaxation; and nothing but a kill ends a solve
/// early. A jump out of a failed assertion would be undefined: it skips the destructors of CBC's frames.
std::optional<CbcAnswer> ask_isolated(const Milp& milp, const MilpOptions& options) {
  const IsolationLimits limits{kCbcPatience * options.time_limit + kSlowestFork, options.cancel};
  const double begun = steady_seconds();
  open_cbc();  // in this process: every copy finds it open
  const auto bytes = run_isolated([&] { return to_bytes(ask_cbc(milp, options)); }, limits);
  if (options.use != nullptr) {
    ++options.use->solves;
    options.use->microseconds += std::llround(1e6 * (steady_seconds() - begun));
  }
  if (!bytes) return {};
  return from_bytes(*bytes);
}

/// Rounds the integers in place; false when the point is none of the program's.
bool accept(const Milp& milp, std::vector<double>& values) {
  for (size_t c = 0; c < values.size(); ++c) {
    const Milp::Column& column = milp.columns[c];
    if (!std::isfinite(values[c])) return false;
    if (column.integer) {
      const double whole = std::round(values[c]);
      if (std::abs(whole - values[c]) > kTolerance) return false;
      values[c] = whole;
    }
    if (values[c] < column.lower - kTolerance || values[c] > column.upper + kTolerance) return false;
  }
  for (const Milp::Row& row : milp.rows) {
    double sum = 0;
    for (const auto& [column, coefficient] : row.terms)
      sum += coefficient * values[static_cast<size_t>(column)];
    const double slack = kTolerance * (1 + std::abs(sum));
    if (sum < row.lower - slack || sum > row.upper + slack) return false;
  }
  return true;
}

}  // namespace

int Milp::add_column(const Column& column) {
  columns.push_back(column);
  return static_cast<int>(columns.size()) - 1;
}

void Milp::add_at_most(std::vector<std::pair<int, double>> terms, double upper) {
  rows.push_back({std::move(terms), -kInfinity, upper});
}

void Milp::add_at_least(std::vector<std::pair<int, double>> terms, double lower) {
  rows.push_back({std::move(terms), lower, kInfinity});
}

void Milp::add_equal(std::vector<std::pair<int, double>> terms, double value) {
  rows.push_back({std::move(terms), value, value});
}

MilpResult solve_milp(const Milp& milp, const MilpOptions& options) {
  MilpResult result;
  if (options.time_limit.count() <= 0 || milp.columns.empty()) return result;
  std::optional<CbcAnswer> answer = ask_isolated(milp, options);
  if (!answer) return result;
  // Asked first: an infeasible program has a "finished" status, an objective of 1.8e308 and a garbage bound.
  // No cutoff is ever set here, so it means infeasible and not "nothing better".
  if (answer->infeasible) {
    const bool trusted = options.start.empty() && answer->finished;
    result.status = trusted ? MilpStatus::kInfeasible : MilpStatus::kUnknown;
    return result;
  }
  if (answer->values.empty()) return result;  // stopped before the first one: the objective reads 1e50
  result.values = std::move(answer->values);
  if (!accept(milp, result.values)) return {};
  for (size_t c = 0; c < milp.columns.size(); ++c)
    result.objective += milp.columns[c].cost * result.values[c];
  result.status = answer->optimal ? MilpStatus::kOptimal : MilpStatus::kFeasible;
  return result;
}

std::optional<std::vector<double>> solve_linear(const Milp& program, const Deadline& deadline) {
  MilpOptions options;
  options.time_limit = deadline.left();
  options.cancel = deadline.cancel();
  options.use = deadline.solver_use();
  deadline.spend(static_cast<std::int64_t>(program.rows.size() * program.columns.size()));
  MilpResult result = solve_milp(program, options);
  if (result.status != MilpStatus::kOptimal) return std::nullopt;
  return std::move(result.values);
}

}  // namespace saturn
