// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>

#include "base/file.h"

namespace saturn::test {

/// The text must equal tests/report/golden/NAME.txt. SATURN_UPDATE_GOLDEN=1 writes that file instead: read
/// the difference before it is committed.
inline void check_golden(const std::string& name, const std::string& text) {
  const auto file = std::filesystem::path(SATURN_GOLDEN) / (name + ".txt");
  if (std::getenv("SATURN_UPDATE_GOLDEN") != nullptr) write_file_atomically(file, text);
  CHECK(text == read_file(file));
}

}  // namespace saturn::test
