// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace saturn::test {

/// How many random cases a test looks at: `count`, and a small share of it with sanitizers, under which a
/// case takes many times as long.
constexpr int many(int count) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return count < 400 ? count / 10 + 1 : count / 50;
#else
  return count;
#endif
}

}  // namespace saturn::test
