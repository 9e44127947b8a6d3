// SPDX-License-Identifier: Apache-2.0
#include "plan/methods/enumerate.h"

#include <algorithm>
#include <numeric>

#include "plan/model/index.h"

namespace saturn {
namespace {

/// Windows [a, C - a] with a = C * kWindow / kWindows.
constexpr Millis kWindows = 24;
constexpr std::int64_t kVisitSteps = 20;  ///< about what a step of the walk takes (deadline.h)

}  // namespace

Enumeration::Enumeration(const Instance& instance, const Master& master, Millis target,
                         const std::vector<Cut>& cuts)
    : instance_(instance),
      master_(master),
      cuts_(cuts),
      columns_(instance.classes.size()),
      in_rows_(master.columns.size()),
      counts_(master.columns.size(), 0) {
  for (size_t c = 0; c < master.columns.size(); ++c)
    columns_[at(master.columns[c].task_class)].push_back(static_cast<int>(c));
  for (std::vector<int>& columns : columns_)
    std::stable_sort(columns.begin(), columns.end(), [&](int a, int b) {
      return master.columns[at(a)].shape.area() < master.columns[at(b)].shape.area();
    });
  // The classes with the most work first: they leave the least choice to the rest.
  classes_.resize(instance.classes.size());
  std::iota(classes_.begin(), classes_.end(), size_t{0});
  const auto least_area = [&](size_t c) {
    return columns_[c].empty() ? 0
                               : master.columns[at(columns_[c].front())].shape.area() *
                                     static_cast<Millis>(instance.classes[c].members.size());
  };
  std::stable_sort(classes_.begin(), classes_.end(),
                   [&](size_t a, size_t b) { return least_area(a) > least_area(b); });
  least_.assign(classes_.size() + 1, 0);
  for (size_t i = classes_.size(); i-- > 0;) least_[i] = least_[i + 1] + least_area(classes_[i]);
  for (const MasterPlace& place : master.places)
    for (const Millis free : place.free) room_ += std::max<Millis>(0, target - free);
  add_rows(target);
}

void Enumeration::add_row(Row row) {
  for (const auto& [column, coefficient] : row.terms)
    in_rows_[at(column)].emplace_back(static_cast<int>(rows_.size()), coefficient);
  if (!row.terms.empty()) rows_.push_back(std::move(row));
}

void Enumeration::add_rows(Millis target) {
  for (size_t p = 0; p < master_.places.size(); ++p) {
    const MasterPlace& place = master_.places[p];
    for (Millis window = 0; 2 * window < kWindows; ++window) {  // (2) and (3)
      const Millis from = target * window / kWindows;
      const Millis length = target - 2 * from;
      Row row;
      for (const Millis free : place.free)
        row.limit += std::max<Millis>(0, target - from - std::max(from, free));
      for (size_t c = 0; c < master_.columns.size(); ++c) {
        const MasterColumn& y = master_.columns[c];
        const Millis inside = std::min(y.shape.duration - from, length);
        if (at(y.place) == p && inside > 0)
          row.terms.emplace_back(static_cast<int>(c), inside * y.shape.devices);
      }
      add_row(std::move(row));
    }
    Row middle;  // (4)
    middle.limit = static_cast<Millis>(place.free.size());
    for (size_t c = 0; c < master_.columns.size(); ++c) {
      const MasterColumn& y = master_.columns[c];
      if (at(y.place) == p && 2 * y.shape.duration > target)
        middle.terms.emplace_back(static_cast<int>(c), y.shape.devices);
    }
    add_row(std::move(middle));
  }
  sums_.assign(rows_.size(), 0);
}

/// Cuts that came up since the last call, spelled out for each place they hold on.
void Enumeration::take_cuts() {
  for (; taken_ < cuts_.size(); ++taken_) {
    for (size_t p = 0; p < master_.places.size(); ++p) {
      if (!cut_applies(cuts_[taken_], master_.places[p])) continue;
      BoundCut bound;
      for (const Literal& literal : cuts_[taken_].literals) {
        bound.needed.push_back(literal.count);
        bound.columns.emplace_back();
        for (size_t c = 0; c < master_.columns.size(); ++c) {
          const MasterColumn& y = master_.columns[c];
          if (at(y.place) == p && counts_for(literal, y)) bound.columns.back().push_back(static_cast<int>(c));
        }
      }
      bound_cuts_.push_back(std::move(bound));
    }
  }
}

bool Enumeration::keeps_cuts(size_t from) const {
  for (size_t b = from; b < bound_cuts_.size(); ++b) {
    const BoundCut& cut = bound_cuts_[b];
    bool all_hold = true;
    for (size_t l = 0; all_hold && l < cut.needed.size(); ++l) {
      int count = 0;
      for (const int column : cut.columns[l]) count += counts_[at(column)];
      all_hold = count >= cut.needed[l];
    }
    if (all_hold) return false;
  }
  return true;
}

/// Counts so many more of the column; false when a row is broken then (they count all the same).
bool Enumeration::add(int column, int by) {
  counts_[at(column)] += by;
  area_ += by * master_.columns[at(column)].shape.area();
  bool kept = true;
  for (const auto& [row, coefficient] : in_rows_[at(column)])
    kept &= (sums_[at(row)] += by * coefficient) <= rows_[at(row)].limit;
  return kept;
}

/// (5): of places alike the first has the most work; only complete solutions can be asked.
bool Enumeration::keeps_order() const {
  std::vector<Millis> work(master_.places.size(), 0);
  for (size_t c = 0; c < counts_.size(); ++c)
    work[at(master_.columns[c].place)] += counts_[c] * master_.columns[c].shape.area();
  return std::all_of(master_.alike.begin(), master_.alike.end(),
                     [&](const auto& pair) { return work[pair.first] >= work[pair.second]; });
}

bool Enumeration::leaf() {
  if (!keeps_order()) return true;
  const bool go_on = (*visit_)(counts_);
  take_cuts();
  if (go_on && !deadline_->passed()) return true;
  end_ = go_on ? End::kOutOfWork : End::kStopped;
  return false;
}

bool Enumeration::walk_class(size_t position) {
  if (position == classes_.size()) return leaf();
  return walk(position, 0, static_cast<int>(instance_.classes[classes_[position]].members.size()));
}

/// Places the class's `left` tasks on columns from the given one on. False = stop everything.
bool Enumeration::walk(size_t position, size_t from, int left) {
  if (left == 0) return walk_class(position + 1);
  // Looking through the cuts is most of a step's time.
  const std::int64_t cost = 1 + static_cast<std::int64_t>(bound_cuts_.size()) / 32;
  work_ -= cost;
  deadline_->spend(cost * kVisitSteps);
  if (work_ < 0 || (++steps_ % 64 == 0 && deadline_->passed())) {
    end_ = End::kOutOfWork;
    return false;
  }
  const std::vector<int>& columns = columns_[classes_[position]];
  for (size_t c = from; c < columns.size(); ++c) {
    // Columns are in order of area: what does not fit now will not later.
    const Millis area = master_.columns[at(columns[c])].shape.area();
    if (area_ + area * left + least_[position + 1] > room_) return true;
    const size_t known = bound_cuts_.size();
    const bool go_on = !(add(columns[c], 1) && keeps_cuts(0)) || walk(position, c, left - 1);
    add(columns[c], -1);
    if (!go_on) return false;
    // A cut learned below may exclude what stands above: then all of this level is done.
    if (bound_cuts_.size() > known && !keeps_cuts(known)) return true;
  }
  return true;
}

Enumeration::End Enumeration::run(std::int64_t work, const Deadline& deadline, const Visit& visit) {
  work_ = work;
  deadline_ = &deadline;
  visit_ = &visit;
  end_ = End::kExhausted;
  take_cuts();
  if (!master_.impossible) walk_class(0);
  return end_;
}

}  // namespace saturn
