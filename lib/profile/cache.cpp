// SPDX-License-Identifier: Apache-2.0
#include "profile/cache.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace saturn {
namespace {

constexpr const char* kTrialSchema = "saturn.trial/1";
using Json = nlohmann::ordered_json;

/// The first device of the kind: those of a kind are alike (cluster/discover.cpp sees to it).
const Device* sample_of(const Cluster& cluster, const std::string& kind) {
  for (const Node& node : cluster.nodes) {
    if (node.kind == kind && !node.devices.empty()) return &node.devices.front();
  }
  return nullptr;
}

Json device_json(const Device* device) {
  if (device == nullptr) return nullptr;
  Json json = {{"cores", device->cores.size()}, {"memory_bytes", device->memory_bytes}};
  if (!device->name.empty()) json["name"] = device->name;
  return json;
}

/// Raised when what is measured of scripts, or how, changes.
constexpr int kScriptMeasure = 1;
/// Larger files that a command names are data: when they were changed says enough.
constexpr std::uintmax_t kLargestScript = std::uintmax_t{64} << 20;

/// Hashes of the files that make a parallelism, each read once.
class FileHashes {
 public:
  const std::string& operator()(const std::filesystem::path& file) {
    const auto known = hashes_.find(file);
    if (known != hashes_.end()) return known->second;
    return hashes_.emplace(file, file.empty() ? "" : hash(file)).first->second;
  }

 private:
  /// A file that cannot be read costs its own trials, which say why, and not the others.
  static std::string hash(const std::filesystem::path& file) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(file, ignored);
    try {
      if (ignored || size <= kLargestScript) return file_hash(file);
    } catch (const SystemError&) {
      return "cannot be read";
    }
    const auto changed = std::filesystem::last_write_time(file, ignored).time_since_epoch().count();
    return std::to_string(size) + "@" + std::to_string(changed);
  }

  std::map<std::filesystem::path, std::string> hashes_;
};

/// Hashes of the files that the command's words name for this task, as they stand: the script among them.
Json files_json(const PlannedTrial& trial, FileHashes& hash_of) {
  const CommandSpec& command = trial.parallelism.command;
  CommandFields fields{*trial.task, {}, {}, {}, "", ""};
  for (const auto& [knob, values] : trial.parallelism.knobs)
    fields.knobs[knob] = values.empty() ? "" : values.front();
  Json files = Json::array();
  for (const std::string& word : expand_command(command, fields).argv) {
    const auto path = std::filesystem::path(command.working_directory) / word;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(path, ignored)) files.push_back({word, hash_of(path)});
  }
  return files;
}

Json parallelism_json(const PlannedTrial& trial, FileHashes& hash_of) {
  const Manifest& manifest = trial.parallelism;
  Json json = {{"name", manifest.name}, {"knobs", manifest.knobs}};
  if (!manifest.is_command()) {
    json["library"] = hash_of(manifest.library);
  } else {
    json["command"] = to_json(manifest.command);
    json["files"] = files_json(trial, hash_of);
    json["measure"] = kScriptMeasure;
  }
  return json;
}

Json settings_json(const ProfileSettings& settings) {
  return {{"trial_seconds", settings.trial_seconds},
          {"warmup_steps", settings.warmup_steps},
          {"min_steps", settings.min_steps},
          {"max_steps", settings.max_steps},
          {"unstable_spread", settings.unstable_spread}};
}

std::vector<Trial> rows_from(const Document& document, const std::string& key) {
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "cached trial", diagnostics);
  reader.choice("schema", "", {kTrialSchema});
  // Two keys may share a hash, and so a file.
  if (reader.text("key") != key) reader.error("key", "another key");
  std::vector<Trial> rows;
  if (const Value* trials = reader.value("trials")) {
    for (const Value& item : trials->items) rows.push_back(trial_from_value(item, diagnostics));
  }
  reader.finish();
  diagnostics.throw_if_any();
  return rows;
}

std::string key_of(const PlannedTrial& trial, const Cluster& cluster, const TrialConditions& conditions,
                   FileHashes& hash_of) {
  Json json = {{"signature", trial.signature},
               {"parallelism", parallelism_json(trial, hash_of)},
               {"devices", trial.devices},
               {"device_kind", trial.device_kind},
               {"device", device_json(sample_of(cluster, trial.device_kind))},
               {"devices_of_cluster", cluster.device_count()},
               {"processor", conditions.cpu_model},
               {"worker", trial.parallelism.is_command() ? "" : conditions.worker},
               {"settings", settings_json(conditions.settings)}};
  if (trial.nodes > 1) json["nodes"] = trial.nodes;
  if (!is_cpu_kind(trial.device_kind)) json["gpu_driver"] = conditions.gpu_driver;
  return json.dump();
}

}  // namespace

std::string trial_key(const PlannedTrial& trial, const Cluster& cluster, const TrialConditions& conditions) {
  FileHashes hash_of;
  return key_of(trial, cluster, conditions, hash_of);
}

std::string trials_key(const TrialPlan& plan, const Cluster& cluster, const TrialConditions& conditions) {
  std::string all;
  for (const Profile::TaskEntry& entry : plan.tasks) all += entry.task + "\n" + entry.signature + "\n";
  FileHashes hash_of;
  for (const PlannedTrial& trial : plan.trials) all += key_of(trial, cluster, conditions, hash_of) + "\n";
  return content_hash(all);
}

std::filesystem::path TrialCache::default_directory() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  if (const auto cache = variable("XDG_CACHE_HOME"); cache.is_absolute()) return cache / "saturn" / "trials";
  if (const auto home = variable("HOME"); home.is_absolute()) return home / ".cache" / "saturn" / "trials";
  return {};
}

std::filesystem::path TrialCache::file_of(const std::string& key) const {
  return directory_ / (content_hash(key) + ".json");
}

std::optional<std::vector<Trial>> TrialCache::find(const std::string& key) const {
  std::error_code ignored;
  if (directory_.empty() || !std::filesystem::exists(file_of(key), ignored)) return {};
  try {
    std::vector<Trial> rows = rows_from(read_json(file_of(key).string()), key);
    if (!rows.empty()) return rows;
  } catch (const InputError&) {  // truncated, edited or of an older version
  } catch (const SystemError&) {
  }
  return {};
}

void TrialCache::store(const std::string& key, const std::vector<Trial>& rows) const {
  const bool failed = std::any_of(rows.begin(), rows.end(), [](const Trial& row) {
    return std::holds_alternative<TrialFailed>(row.outcome);
  });
  if (directory_.empty() || rows.empty() || failed) return;
  Json trials = Json::array();
  for (const Trial& row : rows) trials.push_back(to_json(row));
  const Json json = {{"schema", kTrialSchema}, {"key", key}, {"trials", trials}};
  make_directories(directory_);
  write_file_atomically(file_of(key), json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace saturn
