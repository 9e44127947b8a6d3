// SPDX-License-Identifier: Apache-2.0
#include "launch/job.h"

#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace saturn {
namespace {

constexpr const char* kSchema = "saturn.job/1";
using Json = nlohmann::ordered_json;

/// The members of a map whose values are one scalar or a list of scalars.
std::map<std::string, std::vector<std::string>> lists_from(const Value* value) {
  std::map<std::string, std::vector<std::string>> lists;
  if (value == nullptr) return lists;
  for (const auto& member : value->members) {
    auto& list = lists[member.key];
    if (member.value.kind == Value::Kind::kScalar) list.push_back(member.value.scalar);
    for (const Value& item : member.value.items) list.push_back(item.scalar);
  }
  return lists;
}

void read_nodes(Job& job, MapReader& reader) {
  const Value* nodes = reader.value("nodes");
  if (nodes == nullptr) return;
  std::int64_t ranks = 0;
  for (const Value& item : nodes->items) {
    MapReader node(item, "node", reader.diagnostics());
    job.nodes.push_back({node.text("node"), static_cast<int>(node.integer("ranks", 1, 1, 1 << 20))});
    ranks += job.nodes.back().ranks;
    node.finish();
  }
  if (ranks != job.world_size())
    reader.error("nodes", fmt::format("there are {} ranks on them and {} devices", ranks, job.world_size()));
}

ProfileSettings trial_from(const Value& value, Diagnostics& diagnostics) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  MapReader reader(value, "trial", diagnostics);
  ProfileSettings trial;
  trial.trial_seconds = reader.seconds("trial_seconds", trial.trial_seconds);
  trial.warmup_steps = reader.integer("warmup_steps", trial.warmup_steps, 0, kMost);
  trial.min_steps = reader.integer("min_steps", trial.min_steps, 1, kMost);
  trial.max_steps = reader.integer("max_steps", trial.max_steps, 1, kMost);
  trial.trial_timeout_seconds = reader.seconds("trial_timeout_seconds", trial.trial_timeout_seconds);
  trial.unstable_spread = reader.number("unstable_spread", trial.unstable_spread, 0, 1e9);
  reader.finish();
  return trial;
}

void read_into(Job& job, MapReader& reader) {
  reader.choice("schema", "", {kSchema});
  job.mode =
      reader.choice("mode", "train", {"train", "trial"}) == "trial" ? Job::Mode::kTrial : Job::Mode::kTrain;
  if (reader.require("task")) job.task = task_from_value(*reader.value("task"), reader.diagnostics());
  job.parallelism = reader.text("parallelism");
  job.library = reader.text("library");
  if (const Value* command = reader.value("command"))
    job.command = command_from_value(*command, reader.diagnostics());
  for (const auto& [knob, values] : lists_from(reader.value("knobs"))) {
    if (!values.empty()) job.knobs[knob] = values.front();
  }
  job.knob_candidates = lists_from(reader.value("knob_candidates"));
  job.device_kind = reader.text("device_kind", "cpu");
  if (reader.require("devices")) {
    for (const Value& item : reader.value("devices")->items) {
      job.devices.push_back(device_from_value(item, "device", reader.diagnostics()));
    }
    if (job.devices.empty()) reader.error("devices", "at least one is needed");
  }
  job.directory = reader.text("directory");
  job.checkpoint_interval_seconds = reader.seconds("checkpoint_interval_seconds", 300);
  job.keep_checkpoints = reader.integer("keep_checkpoints", 2, 1, 1000000);
  job.validate_at = reader.integers("validate_at", 1, std::numeric_limits<std::int64_t>::max());
  job.used_seconds = reader.number("used_seconds", 0, 0, 1e12);
  job.stop_grace_seconds = reader.seconds("stop_grace_seconds", job.stop_grace_seconds);
  read_nodes(job, reader);
  if (const Value* trial = reader.value("trial")) job.trial = trial_from(*trial, reader.diagnostics());
}

}  // namespace

nlohmann::ordered_json to_json(const Job& job) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (const Device& device : job.devices) devices.push_back(to_json(device));
  Json json = {{"schema", kSchema},
               {"mode", job.mode == Job::Mode::kTrial ? "trial" : "train"},
               {"task", to_json(job.task)},
               {"parallelism", job.parallelism},
               {"library", job.library.string()}};
  if (job.command) json["command"] = to_json(*job.command);
  json.update({{"knobs", job.knobs},
               {"knob_candidates", job.knob_candidates},
               {"device_kind", job.device_kind},
               {"devices", devices},
               {"directory", job.directory.string()},
               {"checkpoint_interval_seconds", job.checkpoint_interval_seconds},
               {"keep_checkpoints", job.keep_checkpoints},
               {"validate_at", job.validate_at},
               {"used_seconds", job.used_seconds},
               {"stop_grace_seconds", job.stop_grace_seconds},
               {"trial",
                {{"trial_seconds", job.trial.trial_seconds},
                 {"warmup_steps", job.trial.warmup_steps},
                 {"min_steps", job.trial.min_steps},
                 {"max_steps", job.trial.max_steps},
                 {"trial_timeout_seconds", job.trial.trial_timeout_seconds},
                 {"unstable_spread", job.trial.unstable_spread}}}});
  for (const NodeShare& share : job.nodes)
    json["nodes"].push_back({{"node", share.node}, {"ranks", share.ranks}});
  return json;
}

std::vector<std::vector<std::string>> rank_commands(const RankPrograms& programs, const Job& job,
                                                    const std::filesystem::path& job_file) {
  if (job.command) return {{programs.saturn.string(), "script", "--job", job_file.string()}};
  std::vector<std::vector<std::string>> ranks;
  for (int rank = 0; rank < job.world_size(); ++rank) {
    ranks.push_back({programs.worker.string(), "--job", job_file.string(), "--rank", std::to_string(rank),
                     "--rendezvous", "{rendezvous}"});
    if (rank == 0 && job.spans_nodes()) ranks.back().insert(ranks.back().end(), {"--listener", "{listener}"});
  }
  return ranks;
}

CommandLine command_line(const Job& job, const Knobs& knobs, const std::string& checkpoint) {
  CommandFields fields{job.task, knobs, {}, {}, job.directory.string(), checkpoint};
  for (const auto& [knob, values] : job.knob_candidates) {
    if (!values.empty())
      fields.knobs.emplace(knob, values.front());  // what a plan written by hand leaves out
  }
  for (const Device& device : job.devices) {
    fields.devices.push_back(device.uuid.empty() ? std::to_string(device.index) : device.uuid);
    fields.cores.insert(fields.cores.end(), device.cores.begin(), device.cores.end());
  }
  return expand_command(job.command.value(), fields);
}

Job read_job(const std::filesystem::path& file) {
  const Document document = read_json(file.string());
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "job", diagnostics);
  Job job;
  read_into(job, reader);
  reader.finish();
  diagnostics.throw_if_any();
  return job;
}

}  // namespace saturn
