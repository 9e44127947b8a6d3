// SPDX-License-Identifier: Apache-2.0
#include "plan/baselines/paper.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "plan/baselines/baselines.h"
#include "plan/model/instance.h"
#include "plan/model/pins.h"
#include "plan/pinned_lines.h"

namespace saturn {
namespace {

using Terms = std::vector<std::pair<int, double>>;

/// CBC's tolerance on the objective, relative: what it calls optimal may be that far from it.
constexpr double kTolerance = 1e-6;

/// Names as in the paper: t, u tasks; s a configuration of t with G_ts devices and duration R_ts; n a node; g
/// a device of it. Variables: C the makespan; B_ts = 1: t runs as s; O_tn = 1: on n; P_tng = 1: on g of n;
/// I_tng its start there; A_tu = 1: t before u. Times are divided by the horizon H, so the paper's large
/// constant U is 1 for times (no start and no difference of two is more than H), and the node's size for
/// counts.
class PaperBuilder {
 public:
  PaperBuilder(const Problem& problem, double horizon) : problem_(problem) {
    model_.horizon_seconds = horizon;
    add_columns();
  }

  PaperModel build() && {
    for (size_t t = 0; t < problem_.tasks.size(); ++t) {
      add_selection(t);
      for (size_t n = 0; n < problem_.nodes.size(); ++n) {
        add_apportioning(t, n);
        add_gang_start(t, n);
      }
      add_completion(t);
      if (problem_.tasks[t].pin) add_pin(t, *problem_.tasks[t].pin);
      for (size_t u = 0; u < t; ++u) add_isolation(u, t);
    }
    return std::move(model_);
  }

 private:
  int binary() { return model_.milp.add_column({0, 1, 0, true}); }
  double scaled(double seconds) const { return seconds / model_.horizon_seconds; }
  double duration(size_t t, size_t s) const {
    const double seconds = problem_.tasks[t].configurations[s].duration_seconds;
    return scaled(static_cast<double>(duration_millis(seconds)) / 1000);
  }
  size_t devices(size_t n) const { return problem_.nodes[n].free_at_seconds.size(); }

  void add_columns() {
    Milp& milp = model_.milp;
    model_.makespan = milp.add_column({0, 1, 1, false});
    for (const ProblemTask& task : problem_.tasks) {
      auto& b = model_.configuration.emplace_back();
      for (size_t s = 0; s < task.configurations.size(); ++s) b.push_back(binary());
      auto& o = model_.node.emplace_back();
      auto& p = model_.occupied.emplace_back(problem_.nodes.size());
      auto& i = model_.start.emplace_back(problem_.nodes.size());
      for (size_t n = 0; n < problem_.nodes.size(); ++n) {
        o.push_back(binary());
        for (size_t g = 0; g < devices(n); ++g) {
          p[n].push_back(binary());
          i[n].push_back(milp.add_column({0, 1, 0, false}));
        }
      }
    }
  }

  void add_selection(size_t t) {
    // sum_s B_ts = 1: one configuration.
    Terms configurations;
    for (const int column : model_.configuration[t]) configurations.emplace_back(column, 1);
    model_.milp.add_equal(std::move(configurations), 1);
    // sum_n O_tn = 1: one node.
    Terms nodes;
    for (const int column : model_.node[t]) nodes.emplace_back(column, 1);
    model_.milp.add_equal(std::move(nodes), 1);
    // B_ts + O_tn <= 1 where s does not fit n: the paper's nodes are of one kind and take every
    // configuration.
    for (size_t s = 0; s < problem_.tasks[t].configurations.size(); ++s)
      for (size_t n = 0; n < problem_.nodes.size(); ++n)
        if (!fits_on(problem_.tasks[t].configurations[s], problem_.nodes[n]))
          model_.milp.add_at_most({{model_.configuration[t][s], 1}, {model_.node[t][n], 1}}, 1);
  }

  void add_apportioning(size_t t, size_t n) {
    const auto size = static_cast<double>(devices(n));
    Terms occupied;
    for (const int column : model_.occupied[t][n]) occupied.emplace_back(column, 1);
    for (size_t s = 0; s < problem_.tasks[t].configurations.size(); ++s) {
      if (!fits_on(problem_.tasks[t].configurations[s], problem_.nodes[n])) continue;
      const double wanted = problem_.tasks[t].configurations[s].devices;
      // sum_g P_tng >= G_ts - U (1 - B_ts) - U (1 - O_tn), with U = G_ts.
      Terms least = occupied;
      least.emplace_back(model_.configuration[t][s], -wanted);
      least.emplace_back(model_.node[t][n], -wanted);
      model_.milp.add_at_least(std::move(least), -wanted);
      // sum_g P_tng <= G_ts + U (1 - B_ts) + U (1 - O_tn), with U = G_n - G_ts.
      const double spare = size - wanted;
      if (spare <= 0) continue;
      Terms most = occupied;
      most.emplace_back(model_.configuration[t][s], spare);
      most.emplace_back(model_.node[t][n], spare);
      model_.milp.add_at_most(std::move(most), wanted + 2 * spare);
    }
    // sum_g P_tng <= U O_tn, with U = G_n: no devices of other nodes.
    occupied.emplace_back(model_.node[t][n], -size);
    model_.milp.add_at_most(std::move(occupied), 0);
  }

  void add_gang_start(size_t t, size_t n) {
    const std::vector<int>& starts = model_.start[t][n];
    for (size_t g = 0; g < devices(n); ++g) {
      // I_tng <= U P_tng: devices that are not used add nothing to the sum below.
      model_.milp.add_at_most({{starts[g], 1}, {model_.occupied[t][n][g], -1}}, 0);
      // I_tng >= F_ng P_tng: the device is free from F_ng on (0 in the paper).
      const double free = scaled(problem_.nodes[n].free_at_seconds[g]);
      if (free > 0) model_.milp.add_at_least({{starts[g], 1}, {model_.occupied[t][n][g], -free}}, 0);
      for (size_t s = 0; s < problem_.tasks[t].configurations.size(); ++s) {
        // |sum_h I_tnh / G_ts - I_tng| <= U (1 - P_tng) + U (1 - B_ts) + U (1 - O_tn): all devices of a gang
        // start at once, at their mean. On g the mean is at most H G_n / G_ts, hence U.
        if (!fits_on(problem_.tasks[t].configurations[s], problem_.nodes[n])) continue;
        const double count = problem_.tasks[t].configurations[s].devices;
        if (count == 1) continue;  // its one start is its mean
        for (const double sign : {1.0, -1.0}) {
          const double relax = sign > 0 ? static_cast<double>(devices(n)) / count : 1;
          Terms terms;
          for (size_t h = 0; h < devices(n); ++h)
            terms.emplace_back(starts[h], sign * (1 / count - (h == g ? 1 : 0)));
          terms.emplace_back(model_.occupied[t][n][g], relax);
          terms.emplace_back(model_.configuration[t][s], relax);
          terms.emplace_back(model_.node[t][n], relax);
          model_.milp.add_at_most(std::move(terms), 3 * relax);
        }
      }
    }
  }

  void add_completion(size_t t) {
    // C >= I_tng + sum_s R_ts B_ts for all n, g.
    for (const std::vector<int>& starts : model_.start[t])
      for (const int start : starts) {
        Terms terms{{model_.makespan, 1}, {start, -1}};
        for (size_t s = 0; s < model_.configuration[t].size(); ++s)
          terms.emplace_back(model_.configuration[t][s], -duration(t, s));
        model_.milp.add_at_least(std::move(terms), 0);
      }
  }

  /// I_bng >= I_ang + sum_s R_as B_as - U (1 - P_ang) - U (1 - P_bng) - U [b before a]: on a device that both
  /// use, a ends before b starts. U = H + the longest R_as, as I_ang may be H where P_bng = 0. The paper has
  /// a row per configuration, relaxed by U (1 - B_as); their sum says the same. `order` is A's column; `when`
  /// = 1: the row holds for A = 1.
  void add_order(size_t a, size_t b, int order, double when) {
    double longest = 0;
    for (size_t s = 0; s < model_.configuration[a].size(); ++s) longest = std::max(longest, duration(a, s));
    const double relax = 1 + longest;
    for (size_t n = 0; n < problem_.nodes.size(); ++n)
      for (size_t g = 0; g < devices(n); ++g) {
        Terms terms{{model_.start[b][n][g], 1},
                    {model_.start[a][n][g], -1},
                    {model_.occupied[a][n][g], -relax},
                    {model_.occupied[b][n][g], -relax},
                    {order, when > 0 ? -relax : relax}};
        for (size_t s = 0; s < model_.configuration[a].size(); ++s)
          terms.emplace_back(model_.configuration[a][s], -duration(a, s));
        model_.milp.add_at_least(std::move(terms), when > 0 ? -3 * relax : -2 * relax);
      }
  }

  void add_isolation(size_t t, size_t u) {
    const int order = binary();  // A_tu
    add_order(t, u, order, 1);
    add_order(u, t, order, 0);
  }

  /// Columns of what is pinned are fixed (an extension: the paper has no pins).
  void add_pin(size_t t, const Pin& pin) {
    const auto fix = [&](int column, double value) {
      model_.milp.columns[static_cast<size_t>(column)].lower = value;
      model_.milp.columns[static_cast<size_t>(column)].upper = value;
    };
    if (pin.configuration) fix(model_.configuration[t][static_cast<size_t>(*pin.configuration)], 1);
    if (pin.node) fix(model_.node[t][static_cast<size_t>(*pin.node)], 1);
    for (size_t n = 0; n < problem_.nodes.size(); ++n)
      for (size_t g = 0; g < devices(n); ++g) {
        const bool here = static_cast<int>(n) == pin.node.value_or(0);
        if (here &&
            std::find(pin.devices.begin(), pin.devices.end(), static_cast<int>(g)) != pin.devices.end())
          fix(model_.occupied[t][n][g], 1);
        // I_tng = start * P_tng.
        if (pin.start_seconds)
          model_.milp.add_equal(
              {{model_.start[t][n][g], 1}, {model_.occupied[t][n][g], -scaled(*pin.start_seconds)}}, 0);
      }
  }

  const Problem& problem_;
  PaperModel model_;
};

/// What the columns say of each task. Times are whole again: the order is CBC's, `complete` times it.
Plan plan_of(const Problem& problem, const PaperModel& model, const std::vector<double>& values) {
  const auto is_set = [&](int column) { return values[static_cast<size_t>(column)] > 0.5; };
  Plan plan;
  for (size_t t = 0; t < problem.tasks.size(); ++t) {
    Assignment line;
    line.task = problem.tasks[t].name;
    if (problem.tasks[t].pin) line.pinned = pinned_parts(*problem.tasks[t].pin);
    line.duration_known = false;
    for (size_t s = 0; s < model.configuration[t].size(); ++s) {
      if (!is_set(model.configuration[t][s])) continue;
      line.parallelism = problem.tasks[t].configurations[s].parallelism;
      line.knobs = problem.tasks[t].configurations[s].knobs;
    }
    for (size_t n = 0; n < problem.nodes.size(); ++n)
      for (size_t g = 0; g < model.occupied[t][n].size(); ++g) {
        if (!is_set(model.occupied[t][n][g])) continue;
        line.node = problem.nodes[n].name;
        line.devices.push_back(static_cast<int>(g));
        line.start_seconds = values[static_cast<size_t>(model.start[t][n][g])] * model.horizon_seconds;
      }
    const bool fixed = problem.tasks[t].pin && problem.tasks[t].pin->start_seconds;
    if (fixed) line.start_seconds = *problem.tasks[t].pin->start_seconds;
    plan.assignments.push_back(std::move(line));
  }
  sort_assignments(plan);
  for (Assignment& line : plan.assignments) {
    const auto task = std::find_if(problem.tasks.begin(), problem.tasks.end(),
                                   [&](const ProblemTask& candidate) { return candidate.name == line.task; });
    line.start_known = task->pin && task->pin->start_seconds;
  }
  complete(problem, plan);
  sort_assignments(plan);
  return plan;
}

/// Some plan's makespan. Baselines know no pins.
double horizon_of(const Problem& problem, const Plan& quick) {
  const bool pins = std::any_of(problem.tasks.begin(), problem.tasks.end(),
                                [](const ProblemTask& task) { return task.pin.has_value(); });
  if (pins) return quick.makespan_seconds;
  double best = whole_node_baseline(problem).makespan_seconds;
  for (const Baseline& baseline : baselines(problem, 0))
    best = std::min(best, baseline.plan.makespan_seconds);
  return best;
}

void set_bound(Plan& plan, double bound, const std::string& method) {
  plan.lower_bound_seconds = std::min(bound, plan.makespan_seconds);
  plan.bound_method = method;
  plan.gap = plan.makespan_seconds > 0 ? 1 - plan.lower_bound_seconds / plan.makespan_seconds : 0;
}

}  // namespace

size_t paper_rows(const Problem& problem) {
  size_t devices = 0;
  for (const ProblemNode& node : problem.nodes) devices += node.free_at_seconds.size();
  size_t rows = 0;
  for (size_t t = 0; t < problem.tasks.size(); ++t) {
    const size_t configurations = problem.tasks[t].configurations.size();
    rows += 2 + problem.nodes.size() * (3 * configurations + 1) + devices * (3 + 2 * configurations);
    rows += 2 * t * devices;
  }
  return rows;
}

PaperModel make_paper_model(const Problem& problem, double horizon_seconds) {
  return PaperBuilder(problem, horizon_seconds).build();
}

std::optional<Plan> solve_paper(const Problem& problem, const SolveOptions& options) {
  if (has_gangs_across_nodes(problem)) return std::nullopt;
  // It also finds what makes a problem unsolvable.
  SolveOptions quickly;
  quickly.time_limit = Seconds(0);
  const Plan quick = solve(problem, quickly);
  if (problem.tasks.empty()) return quick;
  if (paper_rows(problem) > kMostPaperRows) return std::nullopt;
  const PaperModel model = make_paper_model(problem, horizon_of(problem, quick));
  MilpOptions limits;
  limits.time_limit = options.time_limit;
  limits.cancel = options.cancel;
  limits.use = options.solver_use;
  const MilpResult result = solve_milp(model.milp, limits);
  if (result.status != MilpStatus::kOptimal && result.status != MilpStatus::kFeasible) return std::nullopt;
  Plan plan = plan_of(problem, model, result.values);
  plan.method = "the paper's MILP (CBC)";
  set_bound(plan, quick.lower_bound_seconds, quick.bound_method);
  const double proven = result.objective * model.horizon_seconds * (1 - kTolerance);
  if (result.status == MilpStatus::kOptimal && proven > plan.lower_bound_seconds)
    set_bound(plan, proven, plan.method);
  plan.baseline_seconds = whole_node_baseline(problem).makespan_seconds;
  const std::vector<Diagnostic> wrong = check_plan(problem, plan);
  if (!wrong.empty())
    throw std::logic_error("the paper's program made a plan that is none: " + to_text(wrong.front()));
  return plan;
}

}  // namespace saturn
