// SPDX-License-Identifier: Apache-2.0
#include "plan/milp/cbc.h"

#include <algorithm>
#include <cmath>
#include <coin/Cbc_C_Interface.h>
#include <dlfcn.h>
#include <limits>
#include <memory>

#include "base/error.h"

namespace saturn {
namespace {

constexpr const char* kLibrary = "libCbcSolver.so.3";
constexpr const char* kAdvice = "install coinor-libcbc3, the solver that Saturn plans with";

double cbc_bound(double value) {
  return std::isinf(value) ? std::copysign(std::numeric_limits<double>::max(), value) : value;
}

/// A function of the library, of whatever type is asked for.
struct Symbol {
  void* address;
  template <class Function>
  operator Function*() const {
    return reinterpret_cast<Function*>(address);
  }
};

/// The part of CBC's C interface that is used. The library is never closed.
class Cbc {
 public:
  CbcAnswer solve(const Milp& milp, const MilpOptions& options) const;

 private:
  static void* open();
  Symbol found(const char* name) const;
  void load(Cbc_Model* model, const Milp& milp) const;
  void set_up(Cbc_Model* model, const MilpOptions& options) const;

  void* library_ = open();
  decltype(Cbc_newModel)* new_model_ = found("Cbc_newModel");
  decltype(Cbc_deleteModel)* delete_model_ = found("Cbc_deleteModel");
  decltype(Cbc_loadProblem)* load_problem_ = found("Cbc_loadProblem");
  decltype(Cbc_setInteger)* set_integer_ = found("Cbc_setInteger");
  decltype(Cbc_setLogLevel)* set_log_level_ = found("Cbc_setLogLevel");
  decltype(Cbc_setParameter)* set_parameter_ = found("Cbc_setParameter");
  decltype(Cbc_setMaximumSeconds)* set_maximum_seconds_ = found("Cbc_setMaximumSeconds");
  decltype(Cbc_setMaximumNodes)* set_maximum_nodes_ = found("Cbc_setMaximumNodes");
  decltype(Cbc_setMaximumSolutions)* set_maximum_solutions_ = found("Cbc_setMaximumSolutions");
  decltype(Cbc_setMIPStartI)* set_start_ = found("Cbc_setMIPStartI");
  decltype(Cbc_solve)* solve_ = found("Cbc_solve");
  decltype(Cbc_isProvenInfeasible)* is_proven_infeasible_ = found("Cbc_isProvenInfeasible");
  decltype(Cbc_isProvenOptimal)* is_proven_optimal_ = found("Cbc_isProvenOptimal");
  decltype(Cbc_status)* status_ = found("Cbc_status");
  decltype(Cbc_bestSolution)* best_solution_ = found("Cbc_bestSolution");
  decltype(Cbc_getColSolution)* column_solution_ = found("Cbc_getColSolution");
};

void* Cbc::open() {
  void* library = ::dlopen(kLibrary, RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) throw SystemError("open", kLibrary, ::dlerror(), kAdvice);
  return library;
}

Symbol Cbc::found(const char* name) const {
  void* address = ::dlsym(library_, name);
  if (address == nullptr) throw SystemError("use", kLibrary, ::dlerror(), kAdvice);
  return {address};
}

/// Column-wise, in one call: adding rows one by one makes CBC copy its matrix again and again.
void Cbc::load(Cbc_Model* model, const Milp& milp) const {
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
  load_problem_(model, static_cast<int>(columns), static_cast<int>(milp.rows.size()), starts.data(),
                indices.data(), values.data(), lower.data(), upper.data(), cost.data(), row_lower.data(),
                row_upper.data());
  for (size_t c = 0; c < columns; ++c)
    if (milp.columns[c].integer) set_integer_(model, static_cast<int>(c));
}

void Cbc::set_up(Cbc_Model* model, const MilpOptions& options) const {
  set_log_level_(model, 0);
  set_parameter_(model, "timeMode", "elapsed");  // otherwise the limit is CPU time of the whole process
  set_maximum_seconds_(model, std::max(0.01, options.time_limit.count()));
  if (options.most_nodes > 0) set_maximum_nodes_(model, options.most_nodes);
  if (options.first_solution) set_maximum_solutions_(model, 1);
  if (options.start.empty()) return;
  std::vector<int> columns;
  std::vector<double> values;
  for (const auto& [column, value] : options.start) {
    columns.push_back(column);
    values.push_back(value);
  }
  set_start_(model, static_cast<int>(columns.size()), columns.data(), values.data());
}

CbcAnswer Cbc::solve(const Milp& milp, const MilpOptions& options) const {
  const std::unique_ptr<Cbc_Model, decltype(delete_model_)> model(new_model_(), delete_model_);
  load(model.get(), milp);
  set_up(model.get(), options);
  solve_(model.get());
  CbcAnswer answer;
  answer.infeasible = is_proven_infeasible_(model.get()) != 0;
  answer.optimal = is_proven_optimal_(model.get()) != 0;
  answer.finished = status_(model.get()) == 0;
  const double* solution = best_solution_(model.get());
  // Without integers there is no search, and no best one of it.
  if (solution == nullptr && answer.optimal) solution = column_solution_(model.get());
  if (solution != nullptr) answer.values.assign(solution, solution + milp.columns.size());
  return answer;
}

const Cbc& cbc() {
  static const Cbc opened;
  return opened;
}

}  // namespace

void open_cbc() {
  (void)cbc();
}

CbcAnswer ask_cbc(const Milp& milp, const MilpOptions& options) {
  return cbc().solve(milp, options);
}

}  // namespace saturn
