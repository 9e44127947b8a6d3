// SPDX-License-Identifier: Apache-2.0
#include "run/journal.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "run/state.h"
#include "temporary_directory.h"

namespace saturn::journal_test {
namespace {

std::vector<Record> examples() {
  return {SessionStarted{"2026-01-01T00:00:00Z", "host", 42, {{"n0", 4}, {"n1", 1}}},
          PlanAdopted{0, "first plan", 0, 12.5},
          GangStarted{0.25, "a", "ddp", {{"bucket_mb", "25"}}, "n0", {0, 1}, 6.25},
          GangReleased{1.5, "a", 0, 1.25},
          CheckpointWritten{4, "a", 100, 0.025},
          ValidationDone{4.5, "a", 100, 2.5},
          TaskFinished{6, "a", 200, 2.25, 2.375, "/w.safetensors", 0.025},
          TaskFinished{6, "c", 80, 2.25, 2.375, "", 0.025, 200, "2 h of training are used up", "{}"},
          GangEnded{6.5, "a", "finished", false},
          GangEnded{6.5, "a", "stopped", false, 6.25},
          TaskFailed{7, "b", "a \"quoted\" reason\nover two lines"},
          TaskReopened{7.5, "b"},
          RungPassed{7.51, "a", 100, 1, 3},
          TaskPaused{7.52, "b", 100, 2, 3},
          TasksChanged{7.55, {"new"}, {"gone", "too"}, {}},
          PlanKept{7.6, "interval", 100.5, 99.25},
          ConfigurationRuledOut{7.7, "b", "ddp", {{"bucket_mb", "25"}}, "cpu", 2, "out of memory: 2 over 1"},
          DevicesWentAway{7.8, "n0", {0, 3}, "NVML: GPU is lost"},
          DevicesCameBack{7.9, "n0", {3}},
          MeasuringStarted{7.92, "n0", {1, 2}},
          MeasuringEnded{7.95, "3 trials measured"},
          SessionEnded{8, "done"}};
}

TEST_CASE("every record is one line that reads back the same") {
  for (const Record& record : examples()) {
    const std::string line = to_line(record);
    CAPTURE(line);
    CHECK(line.find('\n') == line.size() - 1);
    const auto read = parse_record(line);
    REQUIRE(read.has_value());
    CHECK(to_line(*read) == line);
  }
}

TEST_CASE("of a gang across nodes all parts are in the journal") {
  const std::string page = read_file(SATURN_JOURNAL_PAGE);
  const std::vector<Record> records = {
      GangStarted{0.5, "b", "ddp", {}, "n0", {2}, 6.25, {{"n1", {0}}, {"n2", {3}}}},
      ConfigurationRuledOut{7.75, "b", "ddp", {}, "cpu", 4, "out of memory", 2}};
  for (const Record& record : records) {
    const auto read = parse_record(to_line(record));
    REQUIRE(read.has_value());
    CHECK(to_line(*read) == to_line(record));
  }
  CHECK(std::get<GangStarted>(*parse_record(to_line(records[0]))).further ==
        std::vector<NodeDevices>{{"n1", {0}}, {"n2", {3}}});
  CHECK(std::get<ConfigurationRuledOut>(*parse_record(to_line(records[1]))).nodes == 2);
  for (const char* key : {"`further`", "`nodes`"}) CHECK(page.find(key) != std::string::npos);
}

TEST_CASE("a task that finished before there were stop rules ended at its last step") {
  const std::string line = to_line(TaskFinished{6, "a", 200, 2.25, 2.375, "/w", 0.025, 200});
  CHECK(line.find("why") == std::string::npos);
  const auto read = parse_record(line);
  REQUIRE(read.has_value());
  CHECK(std::get<TaskFinished>(*read).why.empty());
}

TEST_CASE("the page about the journal names every record and every key") {
  const std::string page = read_file(SATURN_JOURNAL_PAGE);
  std::set<std::string> kinds;
  for (const Record& record : examples()) {
    const auto json = nlohmann::json::parse(to_line(record));
    kinds.insert(json.at("record").get<std::string>());
    CAPTURE(json.dump());
    for (const auto& [key, value] : json.items()) CHECK(page.find("`" + key + "`") != std::string::npos);
    CHECK(page.find("| `" + json.at("record").get<std::string>() + "` |") != std::string::npos);
  }
  CHECK(kinds.size() == std::variant_size_v<Record>);
}

TEST_CASE("a record in which one character is changed is not read") {
  const std::string line = to_line(examples()[2]);
  for (size_t i = 0; i + 1 < line.size(); ++i) {
    std::string changed = line;
    changed[i] = changed[i] == 'x' ? 'y' : 'x';
    CAPTURE(changed);
    CHECK_FALSE(parse_record(changed).has_value());
  }
}

TEST_CASE("a journal recovers from any prefix of its bytes") {
  const test::TemporaryDirectory directory;
  std::string text;
  std::vector<size_t> ends{0};
  for (const Record& record : examples()) {
    text += to_line(record);
    ends.push_back(text.size());
  }
  for (size_t length = 0; length <= text.size(); ++length) {
    write_file_atomically(directory / "journal", text.substr(0, length));
    size_t whole = 0;
    while (whole + 1 < ends.size() && ends[whole + 1] <= length) ++whole;
    CHECK(read_journal(directory / "journal").size() == whole);
    Journal journal(directory / "journal");
    CHECK(journal.past().size() == whole);
    journal.append(SessionEnded{9, "again"});
    const auto records = read_journal(directory / "journal");
    REQUIRE(records.size() == whole + 1);
    CHECK(std::get<SessionEnded>(records.back()).why == "again");
  }
}

TEST_CASE("a journal is followed while it is written, whole records only") {
  const test::TemporaryDirectory directory;
  const std::string file = directory / "journal";
  JournalReader reader(file);
  CHECK(reader.more().empty());  // not there yet
  std::string text;
  size_t seen = 0;
  for (const Record& record : examples()) {
    const std::string line = to_line(record);
    write_file_atomically(file, text + line.substr(0, line.size() / 2));
    CHECK(reader.more().empty());
    text += line;
    write_file_atomically(file, text);
    const auto more = reader.more();
    REQUIRE(more.size() == 1);
    CHECK(to_line(more.front()) == line);
    ++seen;
  }
  CHECK(seen == read_journal(file).size());
  CHECK(reader.more().empty());
}

TEST_CASE("what is damaged in a followed journal is named, and so is one that was removed or replaced") {
  const test::TemporaryDirectory directory;
  const std::string file = directory / "journal";
  const std::string first = to_line(examples()[0]);
  write_file_atomically(file, first);
  JournalReader reader(file);
  CHECK(reader.more().size() == 1);
  write_file_atomically(file, first + "{\"record\":\"?\"}\n" + to_line(examples()[1]));
  try {
    (void)reader.more();
    FAIL("a damaged record was read");
  } catch (const InputError& error) {
    CHECK(std::string(error.what()).starts_with(file + ":2:1: error: this record of the journal is damaged"));
  }
  const std::string replaced = file +
                               ": error: the journal is shorter than what was read of it: the run directory "
                               "was removed or replaced";
  write_file_atomically(file, "");
  CHECK_THROWS_WITH_AS((void)reader.more(), replaced.c_str(), InputError);
  std::filesystem::remove(file);
  CHECK_THROWS_WITH_AS((void)reader.more(), replaced.c_str(), InputError);
}

TEST_CASE("a damaged record with others behind it is an error that names the line") {
  const test::TemporaryDirectory directory;
  const std::string file = directory / "journal";
  write_file_atomically(file, to_line(examples()[0]) + "{\"record\":\"?\"}\n" + to_line(examples()[1]));
  CHECK_THROWS_WITH_AS(Journal{file},
                       (file + ":2:1: error: this record of the journal is damaged, and others follow it: "
                               "the disk or an editor changed it; "
                               "restore the file, or delete the line if you know what it said\n     2 | "
                               "{\"record\":\"?\"}\n       | ^")
                           .c_str(),
                       InputError);
}

TEST_CASE("a whole record that only another version knows is refused, not cut off") {
  const test::TemporaryDirectory directory;
  const std::string file = directory / "journal";
  const std::string text = R"({"record":"device_lost")";
  const std::string foreign = text + R"(,"sum":")" + content_hash(text) + "\"}\n";
  CHECK(is_intact(foreign));
  write_file_atomically(file, to_line(examples()[0]) + foreign);
  CHECK_THROWS_WITH_AS(Journal{file},
                       (file +
                        ":2:1: error: this record was written by another version of saturn: go on with "
                        "that version, or start a new run in another directory\n     2 | " +
                        foreign.substr(0, foreign.size() - 1) + "\n       | ^")
                           .c_str(),
                       InputError);
  CHECK(read_file(file) == to_line(examples()[0]) + foreign);
}

TEST_CASE("a session that was killed leaves its tasks waiting at their last checkpoint, its time counted") {
  std::vector<Record> records = examples();
  records.resize(5);  // killed after the checkpoint
  RunState state = replay(records);
  CHECK(state.tasks["a"].holds_devices);
  apply(state, SessionStarted{"later", "host", 43});
  const TaskState& task = state.tasks["a"];
  CHECK(task.phase == TaskState::Phase::kWaiting);
  CHECK_FALSE(task.holds_devices);
  CHECK(task.step == 100);
  CHECK(task.busy_seconds == doctest::Approx(3.75));
  CHECK(task.device_seconds == doctest::Approx(7.5));
  CHECK(state.earlier_seconds == 4);
  CHECK(state.sessions == 2);
}

}  // namespace
}  // namespace saturn::journal_test
