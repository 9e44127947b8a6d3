#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# batch_test.sh BIN_DIRECTORY ROOT: the template of a batch script on a real Slurm: a sweep on one node, killed by its time
# limit's signal and by a requeue, goes on to its end.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/../cli/harness.sh"
cluster=$2/scripts/slurm/test-cluster
unset CUDA_VISIBLE_DEVICES
environment=$(TMPDIR=$work "$cluster" start --until-pid $$ 1x2,1x1) # 77: skipped
eval "$environment"
end_slurm() { # before the folder goes
  local code=$?
  "$cluster" stop || true
  (exit $code)
  end
}
trap end_slurm EXIT
export SATURN=$saturn

sweep w.yaml 40000 'run: {checkpoint_interval: 1s}'
sed -i 's/^cluster: .*/cluster: slurm/' w.yaml
batch=(sbatch --gpus-per-node=0 -w n1 --output=saturn.log "$2/scripts/slurm/saturn.sbatch" w.yaml)
state_is() { [ "$(scontrol show job "$job" -o | sed -nE 's/.*JobState=([A-Z]+).*/\1/p')" = "$1" ]; }
trains() { grep -q checkpointed runs/sweep/journal.jsonl; }

expect 0 "${batch[@]}"
job=$(awk '{ print $4 }' out)
until_true 60 trains
says saturn.log 'Slurm job 1: 1 node with 2 CPUs, 23:59:'
says saturn.log 'local  cpu'

# As Slurm does before the time is up (--signal=B:TERM@120): all write a checkpoint and leave.
scancel --batch --signal=TERM "$job"
until_true 30 state_is FAILED
says saturn.log 'stopped; the same command goes on'
until_true 10 no_workers
