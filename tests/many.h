// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string_view>

namespace saturn::test {

/// How many random cases a test looks at: of `count` a third, of many an eighth; all of them where
/// SATURN_RANDOM_CASES is "all"; a small share with sanitizers, under which a case takes many times as long.
inline int many(int count) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return count < 400 ? count / 10 + 1 : count / 50;
#else
  const char* told = std::getenv("SATURN_RANDOM_CASES");
  return told != nullptr && std::string_view(told) == "all" ? count
         : count < 400                                      ? (count + 2) / 3
                                                            : count / 8;
#endif
}

}  // namespace saturn::test
