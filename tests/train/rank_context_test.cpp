// SPDX-License-Identifier: Apache-2.0
#include "train/rank_context.h"

#include <doctest/doctest.h>
#include <new>

#include "train/gang.h"

namespace saturn::rank_context_test {
namespace {

Failed failure_in(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return failure_of(error);
  }
  return {Failed::Reason::kError, "nothing thrown"};
}

TEST_CASE("memory that the machine refuses is out of memory, on the rank and on its peers") {
  const auto results = run_as_threads(2, [](Communicator& communicator) {
    const Mesh mesh{&communicator, communicator.rank(), 2, "cpu", 0};
    const Failed failed = failure_in([&] {
      with_abort(mesh, [&] {
        if (mesh.rank == 1) throw std::bad_alloc();
        communicator.barrier();
      });
    });
    CHECK(failed.reason == Failed::Reason::kOutOfMemory);
    return failed.message;
  });
  CHECK(results == std::vector<std::string>{"rank 1: out of memory: the machine gives this process no more",
                                            "out of memory: the machine gives this process no more"});
}

}  // namespace
}  // namespace saturn::rank_context_test
