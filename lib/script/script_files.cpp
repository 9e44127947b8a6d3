// SPDX-License-Identifier: Apache-2.0
#include "script/script_files.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "workload/command.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;
constexpr const char* kSchema = "saturn.script_checkpoints/1";
constexpr double kNoLoss = std::numeric_limits<double>::quiet_NaN();

OrderedJson number(double value) {
  return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr);
}

std::vector<SavedCheckpoint> read_list(const fs::path& file) {
  std::error_code missing;
  if (!fs::exists(file, missing)) return {};
  const OrderedJson json = OrderedJson::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  std::vector<SavedCheckpoint> saved;
  try {
    if (json.at("schema") != kSchema) return {};
    for (const OrderedJson& entry : json.at("checkpoints"))
      saved.push_back({entry.at("step"), entry.at("path"), entry.at("failed_starts")});
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return saved;
}

bool is_within(const fs::path& path, const fs::path& directory) {
  const auto [end, at] = std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end() && at != path.end();
}

}  // namespace

ScriptCheckpoints::ScriptCheckpoints(const fs::path& directory, std::int64_t keep)
    : directory_(directory), keep_(keep), saved_(read_list(directory / "checkpoints.json")) {}

SavedCheckpoint ScriptCheckpoints::latest() const {
  SavedCheckpoint best;
  std::error_code ignored;
  for (const SavedCheckpoint& saved : saved_) {
    const bool better = best.path.empty() || saved.failed_starts <= best.failed_starts;
    if (better && fs::exists(saved.path, ignored)) best = saved;
  }
  return best;
}

void ScriptCheckpoints::note_failed_start(const SavedCheckpoint& checkpoint) {
  for (SavedCheckpoint& saved : saved_) {
    if (saved.path == checkpoint.path) ++saved.failed_starts;
  }
  write();
}

void ScriptCheckpoints::add(std::int64_t step, const std::string& path) {
  const fs::path full = (fs::path(checkpoints_directory(directory_)) / path).lexically_normal();
  std::erase_if(saved_, [&](const SavedCheckpoint& saved) {
    if (saved.path == full) return true;
    // Going on from an earlier step makes later ones another training's.
    if (saved.step > step) remove(saved);
    return saved.step > step;
  });
  saved_.push_back({step, full.string()});
  for (; std::ssize(saved_) > keep_; saved_.erase(saved_.begin())) remove(saved_.front());
  write();
}

void ScriptCheckpoints::remove(const SavedCheckpoint& checkpoint) const {
  std::error_code ignored;
  if (is_within(checkpoint.path, checkpoints_directory(directory_))) fs::remove_all(checkpoint.path, ignored);
}

void ScriptCheckpoints::write() const {
  OrderedJson list = OrderedJson::array();
  for (const SavedCheckpoint& saved : saved_)
    list.push_back({{"step", saved.step}, {"path", saved.path}, {"failed_starts", saved.failed_starts}});
  const OrderedJson json = {{"schema", kSchema}, {"checkpoints", list}};
  // A path may have bytes that are no UTF-8.
  write_file_atomically(directory_ / "checkpoints.json",
                        json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
}

ScriptMetrics::ScriptMetrics(const fs::path& file, std::int64_t step)
    : last_loss_(kNoLoss), last_validation_(kNoLoss) {
  read(file, step);
  fd_ = FileDescriptor(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd_) throw SystemError("open", file.string(), errno);
}

void ScriptMetrics::read(const fs::path& file, std::int64_t step) {
  std::error_code missing;
  if (!fs::exists(file, missing)) return;
  const std::string before = read_file(file);
  std::string kept;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = before.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string text = before.substr(begin, end + 1 - begin);
    const OrderedJson line = OrderedJson::parse(text, nullptr, false);
    if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer()) continue;
    const auto at = line["step"].get<std::int64_t>();
    if (at > step) continue;
    kept += text;
    if (line.contains("loss") && line["loss"].is_number()) last_loss_ = line["loss"];
    // A line of its own: a value of that name beside a step's loss is no validation, now as then.
    if (const auto loss = line.find("validation_loss"); loss != line.end() && line.size() == 2)
      note_validation({at, loss->is_number() ? loss->get<double>() : kNoLoss});
  }
  if (kept != before) write_file_atomically(file, kept);
}

void ScriptMetrics::add(std::int64_t step, std::optional<double> loss, double step_seconds,
                        const std::map<std::string, double>& values) {
  OrderedJson line = {{"step", step}};
  if (loss) line["loss"] = number(*loss);
  if (step_seconds > 0) line["step_seconds"] = step_seconds;
  for (const auto& [name, value] : values) line[name] = number(value);
  if (loss) last_loss_ = *loss;
  [[maybe_unused]] const int error = write_all(fd_.get(), line.dump() + "\n");
}

void ScriptMetrics::note_validation(const ValidationPoint& point) {
  last_validation_ = point.loss;
  saturn::add_validation(validations_, point);
}

void ScriptMetrics::add_validation(std::int64_t step, double loss) {
  note_validation({step, loss});
  const OrderedJson line = {{"step", step}, {"validation_loss", number(loss)}};
  [[maybe_unused]] const int error = write_all(fd_.get(), line.dump() + "\n");
}

}  // namespace saturn
