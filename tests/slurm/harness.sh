# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests that run saturn on a Slurm: what every shell test has, and a cluster that goes with the test.
# usage of a test: TEST.sh BIN_DIRECTORY ROOT
# shellcheck shell=bash
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/../cli/harness.sh"
cluster=$2/scripts/slurm/test-cluster
unset CUDA_VISIBLE_DEVICES
end_slurm() { # before the folder goes
  local code=$?
  "$cluster" stop || true
  (exit $code)
  end
}
# start_slurm NODES: as test-cluster has them; ends the test as skipped (77) where there is no Slurm.
start_slurm() {
  local environment
  environment=$(TMPDIR=$work "$cluster" start --until-pid $$ "$1")
  eval "$environment"
  trap end_slurm EXIT
}
