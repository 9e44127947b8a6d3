// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "train/conformance.h"
#include "train/worker.h"

namespace {

/// `saturn conformance` calls it.
int run_conformance(const std::string& file) {
  try {
    return saturn::run_conformance(saturn::read_conformance_subjects(file), stdout) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

/// Torch is not taken apart: that would take a tenth of a second at the end of every gang, with its devices
/// held.
int leave(int code) {
#ifndef __SANITIZE_ADDRESS__  // which looks for leaks then
  std::fflush(nullptr);
  std::_Exit(code);
#endif
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One rank of a gang that saturn started: trains one task on one device.", "saturn-worker");
  saturn::WorkerOptions options;
  std::string conformance;
  const auto job = app.add_option("--job", options.job, "the job file that saturn wrote");
  app.add_option("--rank", options.rank, "this process's number in the gang, from 0");
  app.add_option("--rendezvous", options.rendezvous, "the file that all ranks of the gang map");
  const auto ahead = app.add_option("--ahead", options.ahead, "the job while its devices are still in use");
  app.add_option("--gate", options.gate, "the descriptor that says when they are free")->needs(ahead);
  app.add_option("--listener", options.listener,
                 "rank 0 of a gang on several nodes: the socket where it meets the others");
  app.add_option("--conformance", conformance, "the list of parallelisms that saturn conformance wrote")
      ->excludes(job);
  CLI11_PARSE(app, argc, argv);
  if (!conformance.empty()) return run_conformance(conformance);
  if (options.job.empty()) return app.exit(CLI::RequiredError("--job"));
  return leave(saturn::run_worker(options));
}
