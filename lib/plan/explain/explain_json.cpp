// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "plan/explain/explain.h"

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(Consequence::How how) {
  switch (how) {
    case Consequence::How::kPlanned:
      return "planned";
    case Consequence::How::kSolved:
      return "solved";
    case Consequence::How::kRetimed:
      return "retimed";
    case Consequence::How::kImpossible:
      return "impossible";
  }
  return "";
}

const char* name_of(IdleSpan::Why why) {
  switch (why) {
    case IdleSpan::Why::kGang:
      return "gang";
    case IdleSpan::Why::kPinned:
      return "pinned";
    case IdleSpan::Why::kLate:
      return "late";
    case IdleSpan::Why::kNothingLeft:
      return "nothing_left";
    case IdleSpan::Why::kNoneFits:
      return "none_fits";
    case IdleSpan::Why::kNoGain:
      return "no_gain";
  }
  return "";
}

/// Nothing is known: the whole plan of many tasks.
bool is_open(const Consequence& consequence) {
  return consequence.how == Consequence::How::kImpossible && consequence.why_not.empty();
}

void add(Json& json, const Consequence& consequence) {
  if (is_open(consequence)) return;
  json["how"] = name_of(consequence.how);
  if (consequence.how == Consequence::How::kImpossible) {
    json["why_not"] = consequence.why_not;
    return;
  }
  json["makespan_seconds"] = consequence.makespan_seconds;
  json["lower_bound_seconds"] = consequence.lower_bound_seconds;
}

Json to_json(const ConfigurationConsequence& it) {
  Json knobs = Json::object();
  for (const auto& [name, value] : it.configuration.knobs) knobs[name] = value;
  Json json{{"parallelism", it.configuration.parallelism},           {"knobs", std::move(knobs)},
            {"device_kind", it.configuration.device_kind},           {"devices", it.configuration.devices},
            {"duration_seconds", it.configuration.duration_seconds}, {"planned", it.planned}};
  if (it.configuration.nodes > 1) json["nodes"] = it.configuration.nodes;
  if (!it.dominated_by.empty()) json["dominated_by"] = it.dominated_by;
  add(json, it.consequence);
  return json;
}

Json to_json(const TaskExplanation& it) {
  Json json = saturn::to_json(it.line);
  json["critical"] = it.critical;
  json["slack_seconds"] = it.slack_seconds;
  json["waits_for"] = it.waits_for;
  for (const ConfigurationConsequence& configuration : it.configurations)
    json["configurations"].push_back(to_json(configuration));
  for (const NodeConsequence& node : it.nodes) {
    Json added{{"node", node.node}, {"planned", node.planned}};
    add(added, node.consequence);
    json["nodes"].push_back(std::move(added));
  }
  if (it.without_pin) {
    json["without_pin"] = Json::object();
    add(json["without_pin"], *it.without_pin);
  }
  if (!it.not_available.empty()) json["not_available"] = it.not_available;
  return json;
}

Json to_json(const IdleSpan& span) {
  Json json{{"node", span.node},
            {"devices", span.devices},
            {"from_seconds", span.from_seconds},
            {"to_seconds", span.to_seconds},
            {"why", name_of(span.why)}};
  if (!span.task.empty()) json["next_task"] = span.task;
  if (!span.waiting_for.empty()) json["waiting_for"] = span.waiting_for;
  return json;
}

}  // namespace

nlohmann::ordered_json to_json(const Explanation& explanation) {
  Json json{{"schema", "saturn.explanation/1"},
            {"makespan_seconds", explanation.makespan_seconds},
            {"lower_bound_seconds", explanation.lower_bound_seconds},
            {"critical_chain", explanation.chain},
            {"tasks", Json::array()},
            {"idle_device_seconds", explanation.idle_device_seconds},
            {"device_seconds", explanation.device_seconds},
            {"idle", Json::array()}};
  for (const TaskExplanation& task : explanation.tasks) json["tasks"].push_back(to_json(task));
  for (const IdleSpan& span : explanation.idle) json["idle"].push_back(to_json(span));
  for (const WhatIf& what_if : explanation.what_ifs) {
    Json added{{"what", what_if.what}};
    add(added, what_if.consequence);
    json["what_ifs"].push_back(std::move(added));
  }
  return json;
}

}  // namespace saturn
