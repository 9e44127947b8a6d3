// SPDX-License-Identifier: Apache-2.0
#include "workload/glob.h"

#include <algorithm>
#include <fnmatch.h>
#include <set>

namespace saturn {
namespace {

namespace fs = std::filesystem;

/// The names in a directory; none when it cannot be read.
std::vector<fs::directory_entry> entries_of(const fs::path& directory) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    entries.push_back(*at);
  return entries;
}

bool matches(const std::string& pattern, const fs::path& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0;
}

class Walk {
 public:
  explicit Walk(std::vector<std::string> parts) : parts_(std::move(parts)) {}

  /// Everything under `directory` that matches the parts from `part` on.
  void from(const fs::path& directory, size_t part) {
    // `**/**` reaches a directory on several ways: each (directory, part) is walked once.
    if (!done_.emplace(directory.string(), part).second) return;
    if (parts_[part] == "**") return across(directory, part);
    const bool last = part + 1 == parts_.size();
    if (!is_glob(parts_[part])) return step(directory / parts_[part], part);
    std::error_code ignored;
    for (const fs::directory_entry& entry : entries_of(directory)) {
      if (!matches(parts_[part], entry.path().filename())) continue;
      if (last && entry.is_regular_file(ignored)) found_.insert(entry.path());
      if (!last && entry.is_directory(ignored)) from(entry.path(), part + 1);
    }
  }
  std::vector<fs::path> take() { return {found_.begin(), found_.end()}; }

 private:
  void step(const fs::path& path, size_t part) {
    std::error_code ignored;
    if (part + 1 < parts_.size()) {
      from(path, part + 1);
    } else if (fs::is_regular_file(path, ignored)) {
      found_.insert(path);
    }
  }
  void across(const fs::path& directory, size_t part) {
    const bool last = part + 1 == parts_.size();
    if (!last) from(directory, part + 1);
    std::error_code ignored;
    for (const fs::directory_entry& entry : entries_of(directory)) {
      if (entry.path().filename().string()[0] == '.') continue;
      if (entry.is_directory(ignored)) {
        if (!entry.is_symlink(ignored)) from(entry.path(), part);
      } else if (last && entry.is_regular_file(ignored)) {
        found_.insert(entry.path());
      }
    }
  }

  std::vector<std::string> parts_;
  std::set<fs::path> found_;
  std::set<std::pair<std::string, size_t>> done_;
};

}  // namespace

bool is_glob(const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos;
}

std::vector<fs::path> expand_glob(const std::string& pattern) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(pattern).relative_path()) {
    if (!part.empty()) parts.push_back(part.string());
  }
  if (parts.empty()) return {};
  Walk walk(std::move(parts));
  walk.from(fs::path(pattern).root_path(), 0);
  return walk.take();
}

}  // namespace saturn
