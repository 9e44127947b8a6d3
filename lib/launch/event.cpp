// SPDX-License-Identifier: Apache-2.0
#include "launch/event.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace saturn {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no NaN; a loss that is none travels as null.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

double number(const nlohmann::json& object, const char* key) {
  const auto& value = object.at(key);
  return value.is_null() ? std::nan("") : value.get<double>();
}

constexpr std::array<std::pair<Failed::Reason, const char*>, 3> kReasons{
    {{Failed::Reason::kOutOfMemory, "out_of_memory"},
     {Failed::Reason::kNotFinite, "not_finite"},
     {Failed::Reason::kError, "error"}}};

struct Writer {
  Json operator()(const Ready& e) const {
    return {{"event", "ready"}, {"step", e.step}, {"startup_seconds", e.startup_seconds}};
  }
  Json operator()(const StepDone& e) const {
    return {{"event", "step"}, {"step", e.step}, {"loss", number(e.loss)}, {"step_seconds", e.step_seconds}};
  }
  Json operator()(const Validating& e) const {
    return {{"event", "validating"}, {"step", e.step}, {"batch", e.batch}, {"batches", e.batches}};
  }
  Json operator()(const Validated& e) const {
    return {{"event", "validated"}, {"step", e.step}, {"loss", number(e.loss)}, {"seconds", e.seconds}};
  }
  Json operator()(const Checkpointed& e) const {
    return {{"event", "checkpointed"}, {"step", e.step},   {"path", e.path},
            {"seconds", e.seconds},    {"bytes", e.bytes}, {"held_seconds", e.held_seconds}};
  }
  Json operator()(const CheckpointFailed& e) const {
    return {{"event", "checkpoint_failed"}, {"step", e.step}, {"message", e.message}};
  }
  Json operator()(const CheckpointSkipped& e) const {
    return {{"event", "checkpoint_skipped"}, {"message", e.message}};
  }
  Json operator()(const CandidateTried& e) const {
    Json json = {{"event", "candidate"}, {"knobs", e.knobs}};
    json.update(to_json(e.outcome));
    return json;
  }
  Json operator()(const TrialDone&) const { return {{"event", "trial_done"}}; }
  Json operator()(const Stopped& e) const { return {{"event", "stopped"}, {"step", e.step}}; }
  Json operator()(const Finished& e) const {
    Json json = {{"event", "finished"},
                 {"step", e.step},
                 {"training_loss", number(e.training_loss)},
                 {"validation_loss", number(e.validation_loss)},
                 {"weights", e.weights}};
    if (!e.why.empty()) json["why"] = e.why;
    return json;
  }
  Json operator()(const Failed& e) const {
    const char* reason = "error";
    for (const auto& [value, name] : kReasons) {
      if (value == e.reason) reason = name;
    }
    return {{"event", "failed"}, {"reason", reason}, {"message", e.message}};
  }
};

Measured measured_from(const nlohmann::json& j) {
  return {
      .step_seconds = j.at("step_seconds"),
      .spread = j.at("spread"),
      .steps = j.at("steps"),
      .peak_memory_bytes = j.at("peak_memory_bytes"),
      .startup_seconds = j.at("startup_seconds"),
      .checkpoint_seconds = j.at("checkpoint_seconds"),
      .checkpoint_held_seconds = j.value("checkpoint_held_seconds", j.at("checkpoint_seconds").get<double>()),
      .validation_seconds = j.at("validation_seconds"),
      .unstable = j.at("unstable"),
      .total_steps = j.value("total_steps", std::int64_t{0})};
}

Failed failed_from(const nlohmann::json& j) {
  Failed failed{Failed::Reason::kError, j.at("message")};
  const std::string reason = j.at("reason");
  for (const auto& [value, name] : kReasons) {
    if (reason == name) failed.reason = value;
  }
  return failed;
}

std::optional<Event> event_from(const nlohmann::json& j) {
  const std::string name = j.at("event");
  if (name == "ready") return Ready{j.at("step"), j.at("startup_seconds")};
  if (name == "step") return StepDone{j.at("step"), number(j, "loss"), j.at("step_seconds")};
  if (name == "validating") return Validating{j.at("step"), j.at("batch"), j.at("batches")};
  if (name == "validated") return Validated{j.at("step"), number(j, "loss"), j.at("seconds")};
  if (name == "checkpointed") {
    return Checkpointed{j.at("step"), j.at("path"), j.at("seconds"), j.at("bytes"),
                        j.value("held_seconds", 0.0)};
  }
  if (name == "checkpoint_failed") return CheckpointFailed{j.at("step"), j.at("message")};
  if (name == "checkpoint_skipped") return CheckpointSkipped{j.at("message")};
  if (name == "candidate") return CandidateTried{j.at("knobs").get<Knobs>(), outcome_from_json(j)};
  if (name == "trial_done") return TrialDone{};
  if (name == "stopped") return Stopped{j.at("step")};
  if (name == "finished") {
    return Finished{j.at("step"), number(j, "training_loss"), number(j, "validation_loss"), j.at("weights"),
                    j.value("why", "")};
  }
  if (name == "failed") return failed_from(j);
  return {};
}

}  // namespace

Json to_json(const Outcome& outcome) {
  struct OutcomeWriter {
    Json operator()(const Measured& m) const {
      Json json = {{"outcome", "measured"},
                   {"step_seconds", m.step_seconds},
                   {"spread", m.spread},
                   {"steps", m.steps},
                   {"peak_memory_bytes", m.peak_memory_bytes},
                   {"startup_seconds", m.startup_seconds},
                   {"checkpoint_seconds", m.checkpoint_seconds},
                   {"checkpoint_held_seconds", m.checkpoint_held_seconds},
                   {"validation_seconds", m.validation_seconds},
                   {"unstable", m.unstable}};
      if (m.total_steps > 0) json["total_steps"] = m.total_steps;
      return json;
    }
    Json operator()(const OutOfMemory& o) const {
      return {{"outcome", "out_of_memory"}, {"message", o.message}};
    }
    Json operator()(const NotApplicable& n) const { return {{"outcome", "not_applicable"}, {"why", n.why}}; }
    Json operator()(const TrialFailed& f) const {
      return {{"outcome", "failed"}, {"why", f.why}, {"log_tail", f.log_tail}};
    }
  };
  return std::visit(OutcomeWriter{}, outcome);
}

Outcome outcome_from_json(const nlohmann::json& json) {
  const std::string name = json.at("outcome");
  if (name == "measured") return measured_from(json);
  if (name == "out_of_memory") return OutOfMemory{json.at("message")};
  if (name == "not_applicable") return NotApplicable{json.at("why")};
  return TrialFailed{json.at("why"), json.at("log_tail")};
}

std::string to_line(const Event& event) {
  // Messages may quote a file or a log: bytes that are no UTF-8 are replaced, never a reason to fail.
  return std::visit(Writer{}, event).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<Event> parse_event(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("event")) return {};
  try {
    return event_from(json);
  } catch (const nlohmann::json::exception&) {
    return {};  // a field is missing or has another type: not one of ours
  }
}

}  // namespace saturn
