// SPDX-License-Identifier: Apache-2.0
#include "script/progress.h"

#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>

namespace saturn::progress_test {

namespace {

std::string to_words(const ScriptNews& news) {
  struct Words {
    static std::string step_of(std::optional<std::int64_t> step) {
      return step ? std::to_string(*step) : "?";
    }
    std::string operator()(const ScriptLength& n) const { return fmt::format("of {}", n.steps); }
    std::string operator()(const ScriptStep& n) const {
      std::string text = fmt::format("step {}", n.step);
      if (n.loss) text += fmt::format(" loss {}", *n.loss);
      for (const auto& [name, value] : n.values) text += fmt::format(" {} {}", name, value);
      return text;
    }
    std::string operator()(const ScriptValidated& n) const {
      return fmt::format("validated {} {}", step_of(n.step), n.loss);
    }
    std::string operator()(const ScriptCheckpoint& n) const {
      return fmt::format("saved {} {}", step_of(n.step), n.path);
    }
    std::string operator()(const ScriptFinished& n) const { return "finished " + n.weights; }
  };
  return std::visit(Words{}, news);
}

/// "step 1, validated 1 2", or the complaint in brackets.
std::string heard(const std::string& line, const std::vector<std::string>& patterns = {}) {
  ProgressReader reader(patterns);
  std::string text;
  for (const ScriptNews& news : reader.read(line)) text += (text.empty() ? "" : ", ") + to_words(news);
  return reader.complaint().empty() ? text : "(" + reader.complaint() + ")";
}

}  // namespace

TEST_CASE("events of the protocol") {
  CHECK(heard(R"({"event": "started", "steps": 100})") == "of 100");
  CHECK(heard(R"({"event": "step", "step": 3, "loss": 2.5, "accuracy": 0.5, "name": "x"})") ==
        "step 3 loss 2.5 accuracy 0.5");
  CHECK(heard(R"( {"event":"step","step":4.0})") == "step 4");
  CHECK(heard(R"({"event":"validated","step":4,"loss":1})") == "validated 4 1");
  CHECK(heard(R"({"event":"validated","loss":1})") == "validated ? 1");
  CHECK(heard(R"({"event":"checkpointed","step":4,"path":"/c"})") == "saved 4 /c");
  CHECK(heard(R"({"event":"finished","weights":"/w"})") == "finished /w");
  CHECK(heard(R"({"event":"finished"})") == "finished ");
}

TEST_CASE("losses that are no numbers, as Python and as JSON write them") {
  CHECK(heard(R"({"event":"step","step":1,"loss":NaN})") == "step 1 loss nan");
  CHECK(heard(R"({"event":"step","step":1,"loss": -Infinity, "text": "Infinity"})") == "step 1 loss nan");
  CHECK(heard(R"({"event":"step","step":1,"loss":null})") == "step 1 loss nan");
}

TEST_CASE("what is no event is no progress; what was meant as one is explained") {
  CHECK(heard("").empty());
  CHECK(heard("epoch 3").empty());
  CHECK(heard(R"({"loss": 3})").empty());
  CHECK(heard(R"({"event":"step")") == "(it is no JSON)");
  CHECK(heard(R"({"event":"step"})") == "(event 'step' lacks a whole number as 'step')");
  CHECK(heard(R"({"event":"step","step":"3"})") == "(event 'step' lacks a whole number as 'step')");
  CHECK(heard(R"({"event":"step","step":1.5})") == "(event 'step' lacks a whole number as 'step')");
  CHECK(heard(R"({"event":"checkpointed","step":1})") == "(event 'checkpointed' lacks a text as 'path')");
  CHECK(heard(R"({"event":"validated"})") == "(event 'validated' lacks a number as 'loss')");
  CHECK(heard(R"({"event":"stepp","step":1})") == "(event 'stepp' lacks an event that there is)");
}

TEST_CASE("progress by patterns") {
  const std::vector<std::string> patterns{R"(step (?<step>\d+)/(?<steps>\d+).* loss (?<loss>\S+))",
                                          R"(val loss (?<validation_loss>[\d.]+))",
                                          R"(saved (?<checkpoint>\S+))"};
  CHECK(heard("[12:00] step 7/90, train loss 2.5,", patterns) == "of 90, step 7 loss 2.5");
  CHECK(heard("step 7/90 loss nan", patterns) == "of 90, step 7 loss nan");
  CHECK(heard("step 7/90 loss -", patterns) == "of 90, step 7");
  CHECK(heard("val loss 1.25", patterns) == "validated ? 1.25");
  CHECK(heard("saved /x/y.pt", patterns) == "saved ? /x/y.pt");
  CHECK(heard("nothing", patterns).empty());
}

}  // namespace saturn::progress_test
