// SPDX-License-Identifier: Apache-2.0
#include "plan/milp.h"

#include <cmath>
#include <coin/Cbc_C_Interface.h>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>

namespace saturn {
namespace {

/// Where a failed assertion inside CBC goes on this thread; null = none is running.
thread_local std::jmp_buf* escape = nullptr;

}  // namespace
}  // namespace saturn

/// Debian builds CBC and Clp with assertions, and some of them fail on harmless programs, which would end the
/// whole process (seen: ClpSimplexDual.cpp:3626). In a solve they end that solve only; everywhere else they
/// abort as usual.
extern "C" [[noreturn]] void __assert_fail(const char* assertion, const char* file, unsigned int line,
                                           const char* function) noexcept {
  if (saturn::escape != nullptr) std::longjmp(*saturn::escape, 1);
  std::fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, assertion);
  std::abort();
}

namespace saturn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-5;

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

/// False when CBC failed; the model is in no state to be used, not even to be deleted.
bool run(Cbc_Model* model) {
  std::jmp_buf here;
  escape = &here;
  if (setjmp(here) != 0) {
    escape = nullptr;
    return false;
  }
  Cbc_solve(model);
  escape = nullptr;
  return true;
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
  Model model(Cbc_newModel());
  load(model.get(), milp);
  set_up(model.get(), options);
  if (!run(model.get())) {
    (void)model.release();  // leaked on purpose
    return result;
  }
  // Asked first: an infeasible program has a "finished" status, an objective of 1.8e308 and a garbage bound.
  // No cutoff is ever set here, so it means infeasible and not "nothing better".
  if (Cbc_isProvenInfeasible(model.get()) != 0) {
    const bool trusted = options.start.empty() && Cbc_status(model.get()) == 0;
    result.status = trusted ? MilpStatus::kInfeasible : MilpStatus::kUnknown;
    return result;
  }
  const double* solution = Cbc_bestSolution(model.get());
  if (solution == nullptr) return result;  // stopped before the first one: the objective reads 1e50
  result.values.assign(solution, solution + milp.columns.size());
  if (!accept(milp, result.values)) return {};
  for (size_t c = 0; c < milp.columns.size(); ++c)
    result.objective += milp.columns[c].cost * result.values[c];
  result.status = Cbc_isProvenOptimal(model.get()) != 0 ? MilpStatus::kOptimal : MilpStatus::kFeasible;
  return result;
}

}  // namespace saturn
