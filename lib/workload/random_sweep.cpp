// SPDX-License-Identifier: Apache-2.0
#include "workload/random_sweep.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <set>

#include "workload/sweep_paths.h"

namespace saturn {
namespace {

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). The standard library's distributions differ between
/// implementations; a sweep must not.
class Generator {
 public:
  explicit Generator(std::uint64_t seed, const std::string& stream) : state_(seed) {
    for (const char c : stream) state_ = next() ^ static_cast<unsigned char>(c);
  }
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(uniform() * static_cast<double>(n)); }

 private:
  std::uint64_t state_;
};

/// A field of `over`: a choice of values, or a range.
struct Field {
  std::string path;
  Mark mark;
  Value source;
  Generator generator;
  double min = 0, max = 0;
  bool log = false, integer = false;

  bool is_choice() const { return source.kind == Value::Kind::kList; }
};

void read_range(Field& field, Diagnostics& diagnostics) {
  constexpr double kAny = std::numeric_limits<double>::max();
  MapReader reader(field.source, "sweep.random.over", diagnostics);
  if (reader.require("min")) field.min = reader.number("min", 0, -kAny, kAny);
  if (reader.require("max")) field.max = reader.number("max", 0, -kAny, kAny);
  field.log = reader.boolean("log", false);
  field.integer = reader.boolean("integer", false);
  reader.finish();
  if (!reader.has("min") || !reader.has("max")) return;
  if (field.min > field.max)
    reader.error("min", fmt::format("is {}, more than max {}", field.min, field.max));
  if (field.log && field.min <= 0)
    reader.error("min", fmt::format("must be more than 0 where log is true, not {}", field.min));
}

std::vector<Field> read_fields(const Value& over, std::uint64_t seed, Diagnostics& diagnostics) {
  std::vector<Field> fields;
  for (const Value::Member& member : over.members) {
    Field field{member.key, member.mark, member.value, Generator(seed, member.key)};
    if (field.is_choice() && field.source.items.empty()) {
      diagnostics.error(member.value.mark, fmt::format("sweep.random.over: '{}' has no values", member.key));
    } else if (!field.is_choice() && field.source.kind != Value::Kind::kMap) {
      diagnostics.error(
          member.value.mark,
          fmt::format("sweep.random.over: '{}' must be a list of values or {{min, max}}, not {}", member.key,
                      describe(member.value)));
    } else if (!field.is_choice()) {
      read_range(field, diagnostics);
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

/// In [min, end), evenly or evenly in the logarithm.
double draw_between(Field& field, double end) {
  const double u = field.generator.uniform();
  if (!field.log) return field.min + u * (end - field.min);
  return std::exp(std::log(field.min) + u * (std::log(end) - std::log(field.min)));
}

/// Four digits: enough for a search, short in a name, and the same whatever the last bit of exp() is.
std::string draw_number(Field& field) {
  if (field.integer)
    return fmt::format("{:.0f}", std::min(std::floor(draw_between(field, field.max + 1)), field.max));
  const double number = draw_between(field, field.max);
  if (number <= field.min) return fmt::format("{}", field.min);
  return fmt::format("{:.4g}", std::min(number, field.max));
}

Value draw(Field& field) {
  if (field.is_choice()) return field.source.items[field.generator.below(field.source.items.size())];
  Value value;
  value.kind = Value::Kind::kScalar, value.mark = field.source.mark, value.scalar = draw_number(field);
  return value;
}

/// Equal for equal settings.
void write_key(const Value& value, std::string& key) {
  key += fmt::format("{}:{}{}", static_cast<int>(value.kind), value.scalar.size(), value.scalar);
  for (const Value& item : value.items) write_key(item, key);
  for (const Value::Member& member : value.members) key += member.key, write_key(member.value, key);
  key += ';';
}

std::vector<Setting> draw_all(std::vector<Field>& fields, std::size_t count, Mark mark,
                              Diagnostics& diagnostics) {
  constexpr int kTries = 10'000;  // for one more setting that differs from those before
  std::vector<Setting> settings;
  std::set<std::string> seen;
  while (settings.size() < count) {
    int tries = 0;
    Setting setting;
    std::string key;
    do {
      setting.clear(), key.clear();
      for (Field& field : fields) {
        setting.push_back({field.path, field.mark, draw(field)});
        write_key(setting.back().value, key);
      }
    } while (!seen.insert(key).second && ++tries < kTries);
    if (tries == kTries) {
      diagnostics.error(
          mark, fmt::format("sweep.random: 'count' is {}, but there are only {} different settings", count,
                            settings.size()));
      return {};
    }
    settings.push_back(std::move(setting));
  }
  return settings;
}

/// A value of each field that has one, where the sweep itself cannot be used.
Setting first_of(const std::vector<Field>& fields) {
  Setting setting;
  for (const Field& field : fields) {
    const Value* value = field.is_choice() ? field.source.items.data() : field.source.find("min");
    if (value != nullptr && !(field.is_choice() && field.source.items.empty()))
      setting.push_back({field.path, field.mark, *value});
  }
  return setting;
}

}  // namespace

std::vector<Setting> draw_settings(const Value& random, const std::vector<std::string>& paths,
                                   std::uint64_t seed, Diagnostics& diagnostics) {
  const size_t before = diagnostics.count();
  MapReader reader(random, "sweep.random", diagnostics);
  std::int64_t count = 0;
  if (reader.require("count")) count = reader.integer("count", 0, 1, static_cast<std::int64_t>(kMostTasks));
  const std::int64_t own_seed = reader.integer("seed", 0, 0, std::numeric_limits<std::int64_t>::max());
  if (reader.has("seed")) seed = static_cast<std::uint64_t>(own_seed);
  const bool readable =
      reader.require("over") && check_paths(*reader.value("over"), "sweep.random.over", paths, diagnostics);
  std::vector<Field> fields;
  if (readable) fields = read_fields(*reader.value("over"), seed, diagnostics);
  reader.finish();
  if (diagnostics.count() > before) return {first_of(fields)};
  return draw_all(fields, static_cast<std::size_t>(count), reader.mark("count"), diagnostics);
}

}  // namespace saturn
