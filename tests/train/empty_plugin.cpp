// SPDX-License-Identifier: Apache-2.0
// A shared object that is no parallelism.
extern "C" int nothing_to_see();
int nothing_to_see() {
  return 0;
}
