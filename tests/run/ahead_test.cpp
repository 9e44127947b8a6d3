// SPDX-License-Identifier: Apache-2.0
// Gangs that come up while their devices are still in use.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include "run/executor.h"
#include "run_fixture.h"

namespace saturn::ahead_test {
namespace {

using test::RunFixture;

/// A run whose launcher tells what it is asked to do with gangs.
struct AheadFixture : RunFixture {
  /// "ahead b@91", "admit b@101", "kill b@95"; a gang that is started on free devices: "start a@0".
  std::vector<std::string> asked;
  Launcher* launcher = nullptr;
  std::map<std::string, GangId> gangs;  ///< the last one of each task

  /// The executor expects a gang's end by its task's steps.
  void add_with_steps(const std::string& task, std::vector<int> devices, double start,
                      SimulatedGang behaviour) {
    add(task, std::move(devices), start, behaviour);
    setup.tasks.back().steps = behaviour.steps;
  }
  std::string story() const { return fmt::format("{}", fmt::join(asked, "; ")); }

  struct Telling final : Launcher {
    AheadFixture& fixture;
    Launcher& inner;
    std::map<GangId, std::string> names;

    Telling(AheadFixture& f, Launcher& l) : fixture(f), inner(l) {}
    void tell(const std::string& what, const std::string& task) {
      const auto seconds = static_cast<int>(fixture.clock.now().count());
      fixture.asked.push_back(what + " " + task + "@" + std::to_string(seconds));
    }
    GangId start(const GangSpec& spec) override {
      const GangId id = inner.start(spec);
      names[id] = spec.name;
      fixture.gangs[spec.name] = id;
      tell(spec.ahead ? "ahead" : "start", spec.name);
      return id;
    }
    void admit(GangId id) override {
      tell("admit", names.at(id));
      inner.admit(id);
    }
    void release(GangId id) override { inner.release(id); }
    void stop(GangId id, Seconds grace) override { inner.stop(id, grace); }
    void kill(GangId id) override {
      tell("kill", names.at(id));
      inner.kill(id);
    }
    std::optional<GangNews> wait(Seconds timeout) override { return inner.wait(timeout); }
    void wake() override { inner.wake(); }
  };

  AheadFixture() {
    around = [this](Launcher& inner) {
      auto telling = std::make_unique<Telling>(*this, inner);
      launcher = telling.get();
      return telling;
    };
  }
};

TEST_CASE_FIXTURE(AheadFixture, "the next gang comes up shortly before the one on its devices ends") {
  add_with_steps("a", {0}, 0, {.steps = 100});
  add_with_steps("short", {1}, 0, {.steps = 7});
  add_with_steps("after", {1}, 8, {.steps = 200});
  add_with_steps("b", {0}, 101, {.steps = 10});
  CHECK(run() == RunEnd::kDone);
  CHECK(story() == "start a@0; start short@0; ahead after@6; admit after@8; ahead b@91; admit b@101");
  CHECK(state.tasks["b"].gang->at == 101);  // the journal knows it from when it holds its devices
}

TEST_CASE_FIXTURE(AheadFixture,
                  "a gang that needs several devices comes up when the last of them is about to be free") {
  add_with_steps("a", {0}, 0, {.steps = 40});
  add_with_steps("b", {1}, 0, {.steps = 80});
  add_with_steps("both", {0, 1}, 81, {.steps = 10});
  CHECK(run() == RunEnd::kDone);
  CHECK(story() == "start a@0; start b@0; ahead both@71; admit both@81");
}

TEST_CASE_FIXTURE(AheadFixture, "a gang that has come up and died is started as if there had been none") {
  add_with_steps("a", {0}, 0, {.steps = 100});
  add_with_steps("b", {0}, 101, {.steps = 10});
  on_update = [&](const RunState&, const Plan&) {
    if (asked.size() == 2 && clock.now() > Seconds(95)) launcher->kill(gangs.at("b"));
  };
  CHECK(run() == RunEnd::kDone);
  CHECK(story() == "start a@0; ahead b@91; kill b@96; start b@101");
  CHECK(messages.empty());
  CHECK(state.tasks["b"].starts == 1);
  CHECK(state.tasks["b"].failures == 0);
}

TEST_CASE_FIXTURE(AheadFixture, "an interrupt takes away what waits for its devices") {
  add_with_steps("a", {0}, 0, {.steps = 100});
  add_with_steps("b", {0}, 101, {.steps = 10});
  on_update = [&](const RunState&, const Plan&) {
    if (clock.now() > Seconds(95)) interrupt.signal = SIGTERM, interrupt.count = 1;
  };
  CHECK(run() == RunEnd::kInterrupted);
  CHECK(story() == "start a@0; ahead b@91; kill b@96");
}

}  // namespace
}  // namespace saturn::ahead_test
