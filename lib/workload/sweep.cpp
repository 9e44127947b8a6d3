// SPDX-License-Identifier: Apache-2.0
#include "workload/sweep.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>

#include "workload/random_sweep.h"
#include "workload/sweep_paths.h"
#include "workload/tree.h"

namespace saturn {
namespace {

/// Settings of which a task gets one.
using Dimension = std::vector<Setting>;

/// The values of a swept path; reports what is no list, or empty.
const std::vector<Value>* values_of(const Value::Member& member, const std::string& what,
                                    Diagnostics& diagnostics) {
  const Value& list = member.value;
  if (list.kind != Value::Kind::kList) {
    diagnostics.error(list.mark, fmt::format("{}: '{}' must be a list of values, not {}", what, member.key,
                                             describe(list)));
    return nullptr;
  }
  if (list.items.empty()) {
    diagnostics.error(list.mark, fmt::format("{}: '{}' has no values", what, member.key));
    return nullptr;
  }
  return &list.items;
}

std::vector<Dimension> read_grid(const Value& grid, Diagnostics& diagnostics) {
  std::vector<Dimension> dimensions;
  for (const Value::Member& member : grid.members) {
    const std::vector<Value>* values = values_of(member, "sweep.grid", diagnostics);
    if (values == nullptr) continue;
    Dimension& dimension = dimensions.emplace_back();
    for (const Value& value : *values) dimension.push_back({{member.key, member.mark, value}});
  }
  return dimensions;
}

/// The first of every list together, the second of every list, ...
Dimension read_zip(const Value& zip, Diagnostics& diagnostics) {
  Dimension dimension;
  const Value::Member* first = nullptr;
  for (const Value::Member& member : zip.members) {
    const std::vector<Value>* values = values_of(member, "sweep.zip", diagnostics);
    if (values == nullptr) continue;
    if (first == nullptr) first = &member, dimension.resize(values->size());
    if (values->size() != dimension.size()) {
      diagnostics.error(member.value.mark,
                        fmt::format("sweep.zip: '{}' has a list of {}, but '{}' one of {}: they go in pairs",
                                    member.key, values->size(), first->key, dimension.size()));
      continue;
    }
    for (size_t i = 0; i < values->size(); ++i)
      dimension[i].push_back({member.key, member.mark, (*values)[i]});
  }
  return dimension;
}

/// A path may be swept once: in two places, one would silently lose.
void check_swept_once(const std::vector<Dimension>& dimensions, Diagnostics& diagnostics) {
  std::map<std::string, Mark> seen;
  for (const Dimension& dimension : dimensions) {
    if (dimension.empty()) continue;
    for (const SweptField& assignment : dimension.front()) {
      const auto [first, fresh] = seen.emplace(assignment.path, assignment.mark);
      if (!fresh)
        diagnostics.error(assignment.mark, fmt::format("sweep: '{}' is swept twice (first on line {})",
                                                       assignment.path, first->second.line));
    }
  }
}

std::vector<Setting> product(const std::vector<Dimension>& dimensions) {
  std::vector<Setting> settings{{}};
  for (const Dimension& dimension : dimensions) {
    std::vector<Setting> longer;
    for (const Setting& setting : settings) {
      for (const Setting& more : dimension) {
        longer.push_back(setting);
        longer.back().insert(longer.back().end(), more.begin(), more.end());
      }
    }
    settings = std::move(longer);
  }
  return settings;
}

bool too_many(const std::vector<Dimension>& dimensions) {
  size_t count = 1;
  for (const Dimension& dimension : dimensions) {
    count *= dimension.size();
    if (count > kMostTasks) return true;
  }
  return false;
}

/// The first value of everything that could be read: with it, the rest of the task is checked too.
Setting first_known(const std::vector<Dimension>& dimensions, const std::vector<std::string>& paths) {
  Setting setting;
  for (const Dimension& dimension : dimensions) {
    if (dimension.empty()) continue;
    for (const SweptField& assignment : dimension.front()) {
      if (is_task_path(assignment.path, paths)) setting.push_back(assignment);
    }
  }
  return setting;
}

std::vector<Dimension> read_dimensions(const Value& sweep, const std::vector<std::string>& paths,
                                       std::uint64_t seed, Diagnostics& diagnostics) {
  MapReader reader(sweep, "sweep", diagnostics);
  std::vector<Dimension> dimensions;
  const Value* grid = reader.value("grid");
  const Value* zip = reader.value("zip");
  const Value* random = reader.value("random");
  if (grid != nullptr && check_paths(*grid, "sweep.grid", paths, diagnostics))
    dimensions = read_grid(*grid, diagnostics);
  if (zip != nullptr && check_paths(*zip, "sweep.zip", paths, diagnostics))
    dimensions.push_back(read_zip(*zip, diagnostics));
  if (random != nullptr) dimensions.push_back(draw_settings(*random, paths, seed, diagnostics));
  reader.finish();
  if (sweep.kind == Value::Kind::kMap && sweep.members.empty())
    diagnostics.error(sweep.mark, "sweep: give 'grid', 'zip' or 'random'");
  return dimensions;
}

}  // namespace

std::vector<Setting> expand_sweep(const Value& sweep, const std::vector<std::string>& paths,
                                  std::uint64_t seed, Diagnostics& diagnostics) {
  const size_t before = diagnostics.count();
  const std::vector<Dimension> dimensions = read_dimensions(sweep, paths, seed, diagnostics);
  check_swept_once(dimensions, diagnostics);
  if (too_many(dimensions))
    diagnostics.error(sweep.mark, fmt::format("sweep: makes more than {} tasks", kMostTasks));
  if (diagnostics.count() > before) return {first_known(dimensions, paths)};
  return product(dimensions);
}

bool check_paths(const Value& map, const std::string& what, const std::vector<std::string>& paths,
                 Diagnostics& diagnostics) {
  if (map.kind != Value::Kind::kMap || map.members.empty()) {
    diagnostics.error(map.mark, fmt::format("{} must be a map from fields to values, not {}", what,
                                            map.kind == Value::Kind::kMap ? "an empty one" : describe(map)));
    return false;
  }
  for (const Value::Member& member : map.members) {
    if (!is_task_path(member.key, paths))
      diagnostics.error(member.mark, fmt::format("{}: a task has no field '{}'{}", what, member.key,
                                                 suggest_path(member.key, paths)));
  }
  return true;
}

bool has_free_name(std::string_view path) {
  return path.starts_with("arguments.") || path.starts_with("model.options.");
}

bool is_task_path(const std::string& path, const std::vector<std::string>& paths) {
  return has_free_name(path) || std::find(paths.begin(), paths.end(), path) != paths.end();
}

std::string suggest_path(const std::string& path, const std::vector<std::string>& paths) {
  std::string meant = did_you_mean(path, paths);
  if (!meant.empty()) return meant;
  std::vector<std::string> last_words;
  for (const std::string& candidate : paths) last_words.push_back(split_path(candidate).back());
  const std::string word = closest(split_path(path).back(), last_words);
  const auto found = std::find(last_words.begin(), last_words.end(), word);
  if (found != last_words.end())
    return fmt::format(" (did you mean '{}'?)", paths[static_cast<size_t>(found - last_words.begin())]);
  return fmt::format("; its fields: {}", fmt::join(paths, ", "));
}

}  // namespace saturn
