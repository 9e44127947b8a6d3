// SPDX-License-Identifier: Apache-2.0
#include "script/progress.h"

#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace saturn {
namespace {

using Json = nlohmann::json;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Python writes numbers that JSON does not have.
std::string without_foreign_numbers(std::string_view line) {
  std::string text(line);
  for (const char* word : {"-Infinity", "Infinity", "NaN"}) {
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos;) {
      const size_t before = text.find_last_not_of(" \t", at == 0 ? 0 : at - 1);
      const bool is_value = before != std::string::npos && text[before] == ':';
      if (is_value) text.replace(at, std::string_view(word).size(), "null");
      ++at;
    }
  }
  return text;
}

std::optional<std::int64_t> whole(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  if (found->is_number_integer()) return found->get<std::int64_t>();
  const double number = found->is_number() ? found->get<double>() : kNaN;
  if (number != std::floor(number) || std::abs(number) > 9e15) return {};  // a NaN is never equal
  return static_cast<std::int64_t>(number);
}

/// A number; null stands for one that is not finite.
std::optional<double> number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  if (found->is_null()) return kNaN;
  return found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::map<std::string, double> other_numbers(const Json& object) {
  std::map<std::string, double> values;
  for (const auto& [key, value] : object.items()) {
    if (value.is_number() && key != "step" && key != "loss") values[key] = value.get<double>();
  }
  return values;
}

std::optional<double> as_double(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end == text.c_str() ? std::nullopt : std::optional(value);
}

std::optional<std::int64_t> as_whole(const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  return end == text.c_str() ? std::nullopt : std::optional<std::int64_t>(value);
}

}  // namespace

ProgressReader::ProgressReader(const std::vector<std::string>& patterns)
    : patterns_(patterns.begin(), patterns.end()) {}

std::vector<ScriptNews> ProgressReader::read(std::string_view line) {
  complaint_.clear();
  std::vector<ScriptNews> news = read_event(line);
  return news.empty() ? read_patterns(line) : news;
}

std::vector<ScriptNews> ProgressReader::read_event(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos || line[begin] != '{' ||
      line.find("\"event\"") == std::string_view::npos)
    return {};
  const Json json = Json::parse(without_foreign_numbers(line), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    complaint_ = "it is no JSON";
    return {};
  }
  const std::string event = text(json, "event");
  const auto step = whole(json, "step");
  if (event == "started" && whole(json, "steps")) return {ScriptLength{*whole(json, "steps")}};
  if (event == "started") return {ScriptLength{0}};
  if (event == "step" && step) return {ScriptStep{*step, number(json, "loss"), other_numbers(json)}};
  if (event == "validated" && number(json, "loss")) return {ScriptValidated{step, *number(json, "loss")}};
  if (event == "checkpointed" && !text(json, "path").empty())
    return {ScriptCheckpoint{step, text(json, "path")}};
  if (event == "finished") return {ScriptFinished{text(json, "weights")}};
  const char* lacks = event == "step"           ? "a whole number as 'step'"
                      : event == "validated"    ? "a number as 'loss'"
                      : event == "checkpointed" ? "a text as 'path'"
                                                : "an event that there is";
  complaint_ = fmt::format("event '{}' lacks {}", event, lacks);
  return {};
}

std::vector<ScriptNews> ProgressReader::read_patterns(std::string_view line) const {
  std::vector<ScriptNews> news;
  for (const ProgressPattern& pattern : patterns_) {
    const auto found = pattern.match(line);
    const auto group = [&](const char* name) {
      const auto it = found.find(name);
      return it == found.end() ? std::string() : it->second;
    };
    const auto step = as_whole(group("step"));
    const auto loss = as_double(group("loss"));
    if (const auto steps = as_whole(group("steps"))) news.emplace_back(ScriptLength{*steps});
    if (step) std::get<ScriptStep>(news.emplace_back(std::in_place_type<ScriptStep>)).step = *step;
    if (step && loss) std::get<ScriptStep>(news.back()).loss = loss;
    if (const auto validation = as_double(group("validation_loss")))
      news.emplace_back(ScriptValidated{step, *validation});
    if (const std::string path = group("checkpoint"); !path.empty())
      news.emplace_back(ScriptCheckpoint{step, path});
  }
  return news;
}

}  // namespace saturn
