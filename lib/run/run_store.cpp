// SPDX-License-Identifier: Apache-2.0
#include "run/run_store.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/file.h"
#include "run/journal.h"

namespace saturn {
namespace {

class DirectoryStore final : public RunStore {
 public:
  DirectoryStore(RunDirectory directory, Journal& journal)
      : directory_(std::move(directory)), journal_(journal) {}

  void append(const Record& record) override { journal_.append(record); }
  void prepare(const Job& job) override {
    make_directories(job.directory);
    remove_temporary_files(job.directory);  // this run has no other writer
    write_file_atomically(job.directory / "job.json", to_json(job).dump(2) + "\n");
  }
  std::filesystem::path prepare_ahead(const Job& job) override {
    make_directories(job.directory);
    const std::filesystem::path file = job.directory / "next-job.json";
    write_file_atomically(file, to_json(job).dump(2) + "\n");
    return file;
  }
  void keep(const Plan& plan) override {
    // The plan that the session began with may have been edited by hand.
    if (!std::exchange(first_kept_, true) && std::filesystem::exists(directory_.plan_file()))
      write_file_atomically(directory_.previous_plan_file(), read_file(directory_.plan_file()));
    write_file_atomically(directory_.plan_file(), to_text(plan));
  }
  void keep(const RunIdentity& run) override { write_file_atomically(directory_.run_file(), to_text(run)); }
  std::filesystem::path log_file(const std::string& task) const override { return directory_.log_file(task); }
  std::string log_tail(const std::string& task, int lines) const override {
    return tail_of_file(directory_.log_file(task), lines);
  }

 private:
  RunDirectory directory_;
  Journal& journal_;
  bool first_kept_ = false;
};

}  // namespace

std::unique_ptr<RunStore> make_directory_store(RunDirectory directory, Journal& journal) {
  return std::make_unique<DirectoryStore>(std::move(directory), journal);
}

}  // namespace saturn
