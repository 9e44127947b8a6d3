#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# discovery_test.sh BIN_DIRECTORY ROOT: what `saturn` makes of allocations of a real Slurm.
# shellcheck source=tests/slurm/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
start_slurm 1x4:h100,1x2:h100+1:a100,1x2
unset SLURM_JOB_ID

workload() { # CLUSTER [MORE LINES]
  cat >w.yaml <<YAML
cluster: $1
tasks:
  - {name: a, steps: 3, batch_size: 4, model: {layers: 1, heads: 1, width: 8, context: 8}, data: {files: corpus.txt}}
YAML
}

# Nodes of mixed sizes and types, from a shell that is on none of them.
expect 0 salloc -w n[1-3] --exclusive --time=90 "$saturn" cluster
is out "node     kind  devices  cores each  host  its GPUs
n1       h100        4           4  n1    0,1,2,3
n2-h100  h100        2           4  n2    0,1
n2-a100  a100        1           4  n2    2"
says err 'Slurm job 1: 3 nodes with 1 a100 and 6 h100, 1:30:00 left'
says err 'n3 has no GPU and is not used'

# What the job has is not what the nodes have; a batch script knows where it is.
expect 0 sbatch -W -N2 -w n[1-2] --gpus-per-node=h100:1 -c3 --mem=3000 --time=10 -o batch.log --wrap "'$saturn' cluster --json"
says batch.log '"job": "2"'
says batch.log '"this_node": "n1"'
grep -qE '"seconds_left": (600|5[5-9][0-9])' batch.log || fail "not ten minutes: $(cat batch.log)"
[ "$(grep -c '"index": 0' batch.log)" -eq 2 ] || fail "not two nodes of a device: $(cat batch.log)"
[ "$(grep -c '"index": 1' batch.log)" -eq 0 ] || fail "more than a device: $(cat batch.log)"

# No GPUs: slots, of the CPUs and the memory that the job has.
expect 0 salloc -w n[1,3] -N2 --ntasks-per-node=2 --mem=1000 "$saturn" cluster
is out "node  kind  devices  cores each  memory each  host
n1    cpu         2           1      450 MiB  n1
n3    cpu         2           1      450 MiB  n3"

# The workload's cluster is held against the allocation.
workload '{nodes: [{name: small, devices: 1, kind: gpu}, {name: n1, devices: 3, kind: h100}]}'
expect 0 salloc -w n[1-2] --exclusive "$saturn" cluster w.yaml
is out "node   kind  devices  cores each  host  its GPUs
small  h100        1           4  n1    0
n1     h100        3           4  n1    1,2,3"
workload '{nodes: [{name: x, devices: 5, kind: h100}, {name: y, devices: 1, kind: h200}]}'
expect 2 salloc -w n[1-2] --exclusive "$saturn" plan w.yaml
says err "error: cluster: node 'x' asks for 5 GPUs of kind 'h100'; free in Slurm job"
says err "error: cluster: node 'y' asks for 1 GPU of kind 'h200'; free in Slurm job"
[ ! -e runs ] || fail "something was begun"

# Not in an allocation; of one that has ended; of one that nobody knows; without scontrol, and with one that fails.
workload slurm
expect 2 "$saturn" cluster w.yaml
says err 'this is no Slurm allocation (SLURM_JOB_ID is not set): submit it by sbatch'
SLURM_JOB_ID=1 expect 2 "$saturn" cluster
says err 'the environment is of Slurm job 1, which does not run (it is COMPLETED): ask for a new allocation'
SLURM_JOB_ID=999 expect 2 "$saturn" cluster
says err 'the environment is of Slurm job 999, which Slurm does not know any more'
SLURM_JOB_ID=1 expect 3 env PATH="$work" "$saturn" cluster
says err 'cannot ask Slurm about job 1: cannot start scontrol: No such file or directory'
mkdir fails
printf '#!/bin/sh\necho "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2\nexit 1\n' >fails/scontrol
chmod +x fails/scontrol
SLURM_JOB_ID=1 expect 3 env PATH="$work/fails:$PATH" "$saturn" cluster
says err 'cannot ask Slurm about job 1: scontrol ended with exit code 1: slurm_load_jobs error: Unable to contact'
workload local
SLURM_JOB_ID=999 expect 0 "$saturn" cluster w.yaml
says out 'local'

# A node without power leaves an allocation that does not end with it.
sbatch -w n[1-2] --exclusive --no-kill -o /dev/null --wrap 'sleep 100' >out
job=$(awk '{ print $4 }' out)
until_true 20 eval "squeue -h -j $job -o %T | grep -q RUNNING"
SLURM_JOB_ID=$job SLURM_JOB_NODELIST='n[1-2]' expect 0 "$saturn" cluster
says err "Slurm job $job: 2 nodes"
"$cluster" power-off n2
until_true 60 eval "scontrol show node n2 | grep -q State=DOWN"
SLURM_JOB_ID=$job SLURM_JOB_NODELIST='n[1-2]' expect 0 "$saturn" cluster
grep -qE "^Slurm job $job: 1 node with 4 h100, .* left; n2 has left it$" err || fail "n2 is still counted"
scancel "$job"
