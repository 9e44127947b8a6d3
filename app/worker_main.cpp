// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "train/worker.h"

int main(int argc, char** argv) {
  CLI::App app("One rank of a gang that saturn started: trains one task on one device.", "saturn-worker");
  saturn::WorkerOptions options;
  app.add_option("--job", options.job, "the job file that saturn wrote")->required();
  app.add_option("--rank", options.rank, "this process's number in the gang, from 0");
  app.add_option("--rendezvous", options.rendezvous, "the file that all ranks of the gang map");
  CLI11_PARSE(app, argc, argv);
  return saturn::run_worker(options);
}
