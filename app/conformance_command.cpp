// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "commands.h"

namespace saturn {
namespace {

nlohmann::ordered_json subjects_of(const std::vector<Manifest>& manifests) {
  auto subjects = nlohmann::ordered_json::array();
  for (const Manifest& manifest : manifests) {
    subjects.push_back(
        {{"name", manifest.name}, {"library", manifest.library.string()}, {"knobs", manifest.knobs}});
  }
  return subjects;
}

/// Errors: InputError with each name that is none.
std::vector<Manifest> chosen(const std::vector<Manifest>& found, const std::vector<std::string>& names) {
  std::vector<std::string> known;
  std::vector<Manifest> natives;
  for (const Manifest& manifest : found) {
    if (manifest.kind != "native") continue;
    known.push_back(manifest.name);
    if (names.empty() || std::find(names.begin(), names.end(), manifest.name) != names.end())
      natives.push_back(manifest);
  }
  std::vector<Diagnostic> problems;
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    problems.push_back({"conformance", 0, 0,
                        fmt::format("there is no native parallelism '{}'{}; found: {}", name,
                                    did_you_mean(name, known), fmt::join(known, ", ")),
                        ""});
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  return natives;
}

}  // namespace

int run_conformance(const ConformanceCommand& command, const CommonOptions& options) {
  const std::vector<Manifest> subjects = chosen(find_parallelisms(search_path(options, "")), command.names);
  const int file = ::memfd_create("subjects", 0);  // stays open in the worker
  if (file < 0) throw SystemError("create", "a file in memory", errno);
  const int error = write_all(file, subjects_of(subjects).dump());
  if (error != 0) throw SystemError("write", "a file in memory", error);
  const std::string worker = worker_program(), list = fmt::format("/proc/self/fd/{}", file);
  ::execl(worker.c_str(), worker.c_str(), "--conformance", list.c_str(), nullptr);
  throw SystemError("start", worker, errno);
}

}  // namespace saturn
