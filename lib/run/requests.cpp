// SPDX-License-Identifier: Apache-2.0
#include "run/requests.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace saturn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRequestSchema = "saturn.request/1";
constexpr const char* kAnswerSchema = "saturn.answer/1";
constexpr std::chrono::milliseconds kPollEvery{50};

void remove_file(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  if (error) throw SystemError("remove", file.string(), error.value());
}

RunChange read_request(const fs::path& file) {
  const Document document = read_json(file.string());
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "request", diagnostics);
  reader.choice("schema", "", {kRequestSchema});
  RunChange change{.id = reader.text("id"), .run = {}, .tasks = {}};
  if (reader.require("run")) {
    MapReader run(*reader.value("run"), "run", diagnostics);
    change.run = run_identity_from(run);
  }
  if (reader.require("tasks")) {
    for (const Value& item : reader.value("tasks")->items)
      change.tasks.push_back(task_from_value(item, diagnostics));
  }
  if (const Value* cluster = reader.value("cluster"))
    change.cluster = cluster_from_value(*cluster, diagnostics);
  if (const Value* limits = reader.value("limits")) {
    MapReader run(*limits, "limits", diagnostics);
    change.budget = read_budget(run);
    run.finish();
  }
  reader.finish();
  diagnostics.throw_if_any();
  return change;
}

/// The map whose key `budget` is read as the same.
nlohmann::ordered_json limits(const BudgetSettings& budget) {
  nlohmann::ordered_json limits = nlohmann::ordered_json::object();
  if (budget.deadline != BudgetSettings::Deadline::kNone) limits["deadline"] = budget.deadline_text;
  if (budget.device_hours > 0) limits["device_hours"] = budget.device_hours;
  return limits.empty() ? limits : nlohmann::ordered_json{{"budget", limits}};
}

std::optional<RunAnswer> read_answer(const fs::path& file) {
  if (!fs::exists(file)) return {};
  const Document document = read_json(file.string());
  Diagnostics diagnostics(document);
  MapReader reader(document.root, "answer", diagnostics);
  reader.choice("schema", "", {kAnswerSchema});
  RunAnswer answer{reader.text("id"), reader.boolean("taken", false), reader.text("text")};
  answer.looks = static_cast<int>(reader.integer("looks", 0, 0, std::numeric_limits<int>::max()));
  reader.finish();
  diagnostics.throw_if_any();
  return answer;
}

class DirectoryRequests final : public RunRequests {
 public:
  explicit DirectoryRequests(RunDirectory directory) : directory_(std::move(directory)) {
    remove_file(directory_.request_file());
    remove_file(directory_.answer_file());
  }

  std::optional<RunChange> take() override {
    const fs::path file = directory_.request_file();
    std::error_code missing;
    if (!fs::exists(file, missing)) return {};
    std::optional<RunChange> change;
    try {
      change = read_request(file);
    } catch (const InputError& error) {
      answer({"", false, error.what()});
    }
    remove_file(file);
    return change;
  }

  void answer(const RunAnswer& answer) override {
    const nlohmann::ordered_json json = {{"schema", kAnswerSchema},
                                         {"id", answer.id},
                                         {"taken", answer.taken},
                                         {"text", answer.text},
                                         {"looks", answer.looks}};
    write_file_atomically(directory_.answer_file(), json.dump(2) + "\n");
  }

 private:
  RunDirectory directory_;
};

/// One asks at a time.
FileDescriptor lock_requests(const RunDirectory& directory) {
  const std::string file = directory.path / "request.lock";
  FileDescriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) throw SystemError("open", file, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    throw InputError(
        fmt::format("another `saturn replan` is asking the run in {}: wait for it", directory.path.string()));
  return fd;
}

}  // namespace

std::unique_ptr<RunRequests> make_directory_requests(RunDirectory directory) {
  return std::make_unique<DirectoryRequests>(std::move(directory));
}

std::optional<RunAnswer> ask_run(const RunDirectory& directory, const RunChange& change, const Clock& clock,
                                 Seconds patience) {
  const FileDescriptor lock = lock_requests(directory);
  remove_file(directory.answer_file());
  nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
  for (const TaskSpec& task : change.tasks) tasks.push_back(to_json(task));
  nlohmann::ordered_json json = {
      {"schema", kRequestSchema}, {"id", change.id}, {"run", to_json(change.run)}, {"tasks", tasks}};
  if (change.cluster) json["cluster"] = to_json(*change.cluster);
  if (change.budget) json["limits"] = limits(*change.budget);
  write_file_atomically(directory.request_file(), json.dump(2) + "\n");
  const Seconds deadline = clock.now() + patience;
  while (clock.now() < deadline) {
    const bool goes_on = in_use(directory);
    const auto answer = read_answer(directory.answer_file());
    if (answer && (answer->id == change.id || answer->id.empty())) return answer;
    if (!goes_on) break;
    std::this_thread::sleep_for(kPollEvery);
  }
  remove_file(directory.request_file());
  return {};
}

}  // namespace saturn
