// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <string>

#include "base/error.h"
#include "workload/workload.h"

namespace saturn::test {

/// A workload of one sound task, to which a test adds `task_keys` ("batch_size: 3", joined by commas) and
/// top-level lines.
inline std::string with_task(const std::string& task_keys, const std::string& top_level = "") {
  return top_level +
         "defaults: {model: {layers: 1, heads: 2, width: 8, context: 4}, data: {files: x.txt}}\n"
         "tasks:\n"
         "  - {" +
         task_keys + "}\n";
}

inline Workload parse(const std::string& text) {
  return parse_workload("/w/w.yaml", text);
}

/// Everything that is wrong with a workload, one `line:column message` a line.
inline std::string problems(const std::string& text) {
  try {
    (void)parse(text);
    return "";
  } catch (const InputError& error) {
    std::string all;
    for (const Diagnostic& d : error.diagnostics())
      all += std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.message + "\n";
    return all;
  }
}

/// The names of its tasks, one a line.
inline std::string names(const Workload& workload) {
  std::string all;
  for (const TaskSpec& task : workload.tasks) all += task.name + "\n";
  return all;
}

}  // namespace saturn::test
