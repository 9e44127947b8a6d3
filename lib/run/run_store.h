// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "launch/job.h"
#include "plan/plan.h"
#include "run/record.h"
#include "run/run_directory.h"

namespace saturn {

/// What an executor keeps of a run, and where a reader finds it. One owner, one thread.
class RunStore {
 public:
  virtual ~RunStore() = default;
  /// The next record of the journal; it is safe when this returns. Errors: SystemError.
  virtual void append(const Record& record) = 0;
  /// Makes room for a gang of the job: what a killed gang of the task left half written is gone then.
  /// Errors: SystemError.
  virtual void prepare(const Job& job) = 0;
  /// The file of a job whose devices are still in use, perhaps by a gang of the same task: nothing of that is
  /// touched. Errors: SystemError.
  virtual std::filesystem::path prepare_ahead(const Job& job) = 0;
  /// The plan in force from now on; the first call keeps the one that was in force before. Errors:
  /// SystemError.
  virtual void keep(const Plan& plan) = 0;
  /// What the run is of from now on. Errors: SystemError.
  virtual void keep(const RunIdentity& run) = 0;
  /// Where the task's processes write, and the last lines of that.
  virtual std::filesystem::path log_file(const std::string& task) const = 0;
  virtual std::string log_tail(const std::string& task, int lines) const = 0;
};

/// In a run directory, whose journal is `journal` (of the same owner, and alive as long).
class Journal;
std::unique_ptr<RunStore> make_directory_store(RunDirectory directory, Journal& journal);

/// In memory, for simulated runs.
class MemoryStore final : public RunStore {
 public:
  void append(const Record& record) override { records_.push_back(record); }
  void prepare(const Job&) override {}
  std::filesystem::path prepare_ahead(const Job&) override { return {}; }
  void keep(const Plan&) override {}
  void keep(const RunIdentity&) override {}
  std::filesystem::path log_file(const std::string&) const override { return {}; }
  std::string log_tail(const std::string&, int) const override { return {}; }

  const std::vector<Record>& records() const { return records_; }

 private:
  std::vector<Record> records_;
};

}  // namespace saturn
