// SPDX-License-Identifier: Apache-2.0
#include "plan/milp/milp.h"

#include <cmath>
#include <coin/Cbc_C_Interface.h>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "base/isolated.h"

namespace saturn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-5;
constexpr double kPatience = 2;  ///< CBC keeps to its time limit within about 10 %
constexpr Seconds kSlowestFork{1};

struct DeleteModel {
  void operator()(Cbc_Model* model) const { Cbc_deleteModel(model); }
};
using Model = std::unique_ptr<Cbc_Model, DeleteModel>;

double cbc_bound(double value) {
  return std::isinf(value) ? std::copysign(std::numeric_limits<double>::max(), value) : value;
}

/// Column-wise, in one call: adding rows one by one makes CBC copy its matrix again and again.
void load(Cbc_Model* model, const Milp& milp) {
  const size_t columns = milp.columns.size();
  std::vector<CoinBigIndex> starts(columns + 1, 0);
  for (const Milp::Row& row : milp.rows)
    for (const auto& [column, coefficient] : row.terms) ++starts[static_cast<size_t>(column) + 1];
  for (size_t c = 0; c < columns; ++c) starts[c + 1] += starts[c];
  std::vector<CoinBigIndex> next(starts.begin(), starts.end() - 1);
  std::vector<int> indices(static_cast<size_t>(starts[columns]));
  std::vector<double> values(indices.size());
  std::vector<double> row_lower, row_upper, lower, upper, cost;
  for (size_t r = 0; r < milp.rows.size(); ++r) {
    for (const auto& [column, coefficient] : milp.rows[r].terms) {
      const auto at = static_cast<size_t>(next[static_cast<size_t>(column)]++);
      indices[at] = static_cast<int>(r);
      values[at] = coefficient;
    }
    row_lower.push_back(cbc_bound(milp.rows[r].lower));
    row_upper.push_back(cbc_bound(milp.rows[r].upper));
  }
  for (const Milp::Column& column : milp.columns) {
    lower.push_back(cbc_bound(column.lower));
    upper.push_back(cbc_bound(column.upper));
    cost.push_back(column.cost);
  }
  Cbc_loadProblem(model, static_cast<int>(columns), static_cast<int>(milp.rows.size()), starts.data(),
                  indices.data(), values.data(), lower.data(), upper.data(), cost.data(), row_lower.data(),
                  row_upper.data());
  for (size_t c = 0; c < columns; ++c)
    if (milp.columns[c].integer) Cbc_setInteger(model, static_cast<int>(c));
}

void set_up(Cbc_Model* model, const MilpOptions& options) {
  Cbc_setLogLevel(model, 0);
  Cbc_setParameter(model, "timeMode", "elapsed");  // otherwise the limit is CPU time of the whole process
  Cbc_setMaximumSeconds(model, std::max(0.01, options.time_limit.count()));
  if (options.most_nodes > 0) Cbc_setMaximumNodes(model, options.most_nodes);
  if (options.first_solution) Cbc_setMaximumSolutions(model, 1);
  if (options.start.empty()) return;
  std::vector<int> columns;
  std::vector<double> values;
  for (const auto& [column, value] : options.start) {
    columns.push_back(column);
    values.push_back(value);
  }
  Cbc_setMIPStartI(model, static_cast<int>(columns.size()), columns.data(), values.data());
}

/// What CBC says, as it says it.
struct Answer {
  bool infeasible = false;
  bool optimal = false;
  bool finished = false;
  std::vector<double> values;  ///< empty: no solution
};

Answer ask_cbc(const Milp& milp, const MilpOptions& options) {
  const Model model(Cbc_newModel());
  load(model.get(), milp);
  set_up(model.get(), options);
  Cbc_solve(model.get());
  Answer answer;
  answer.infeasible = Cbc_isProvenInfeasible(model.get()) != 0;
  answer.optimal = Cbc_isProvenOptimal(model.get()) != 0;
  answer.finished = Cbc_status(model.get()) == 0;
  const double* solution = Cbc_bestSolution(model.get());
  // Without integers there is no search, and no best one of it.
  if (solution == nullptr && answer.optimal) solution = Cbc_getColSolution(model.get());
  if (solution != nullptr) answer.values.assign(solution, solution + milp.columns.size());
  return answer;
}

/// Three bytes, then the values: read by the process that wrote it, or one forked from it.
std::string to_bytes(const Answer& answer) {
  std::string bytes{static_cast<char>(answer.infeasible), static_cast<char>(answer.optimal),
                    static_cast<char>(answer.finished)};
  bytes.append(reinterpret_cast<const char*>(answer.values.data()), answer.values.size() * sizeof(double));
  return bytes;
}

Answer from_bytes(const std::string& bytes) {
  Answer answer{bytes.at(0) != 0, bytes.at(1) != 0, bytes.at(2) != 0, {}};
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
std::optional<Answer> ask_isolated(const Milp& milp, const MilpOptions& options) {
  const IsolationLimits limits{kPatience * options.time_limit + kSlowestFork, options.cancel};
  const auto bytes = run_isolated([&] { return to_bytes(ask_cbc(milp, options)); }, limits);
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
  std::optional<Answer> answer = ask_isolated(milp, options);
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
  deadline.spend(static_cast<std::int64_t>(program.rows.size() * program.columns.size()));
  MilpResult result = solve_milp(program, options);
  if (result.status != MilpStatus::kOptimal) return std::nullopt;
  return std::move(result.values);
}

}  // namespace saturn
