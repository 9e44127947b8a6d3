#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpus_test.sh BIN_DIRECTORY FAKE_NVML: what becomes of a machine's GPUs, as a made-up driver tells of them.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
export SATURN_NVML_LIBRARY=$2
unset CUDA_VISIBLE_DEVICES
text words.txt
workload() { # CLUSTER
  cat >w.yaml <<YAML
cluster: $1
profile: {trial_time: 50ms, max_steps: 5}
tasks:
  - {name: a, steps: 3, batch_size: 4, model: {layers: 1, heads: 1, width: 8, context: 8}, data: {files: words.txt}}
YAML
}
h100='NVIDIA H100 80GB HBM3' l4='NVIDIA L4'

# A machine whose driver has no GPU is divided into slots as before.
workload auto
SATURN_FAKE_NVML='status 9' expect 0 "$saturn" profile w.yaml --json
says out '"device_kind": "cpu"'

# Without the module for them GPUs are left alone, and that is said.
mkdir -p bare/bin
cp "$saturn" bare/bin/
SATURN_FAKE_NVML="$h100|GPU-1|81559" expect 3 bare/bin/saturn plan w.yaml --parallelism-path "$bin/../parallelisms"
says err 'warning: 1 GPU is not used: saturn-cuda.so, by which the worker uses them, is not built'
says err '/saturn-worker: there is no such program'
workload '{gpus: 1}'
SATURN_FAKE_NVML="$h100|GPU-1|81559" expect 2 bare/bin/saturn plan w.yaml --parallelism-path "$bin/../parallelisms"
says err 'error: cluster: 1 GPU is asked for, but this machine has none: saturn-cuda.so, by which'

# All that follows asks for the module.
[[ -e $bin/../lib/train/saturn-cuda.so ]] || { echo "skipped: saturn-cuda.so is not built here" && exit 77; }

# Wishes that cannot be met end before anything is begun.
workload '{gpus: 4}'
SATURN_FAKE_NVML="$h100|GPU-1|81559;$l4|GPU-2|23034" expect 2 "$saturn" plan w.yaml
says err 'error: cluster: 4 GPUs are asked for, but this machine has 1 h100-80gb and 1 l4'
SATURN_FAKE_NVML='status 18' expect 2 "$saturn" plan w.yaml
says err 'warning: no GPUs: '
says err 'does not work: Driver/library version mismatch'
workload '{nodes: [{name: left, devices: 2, kind: h200}]}'
SATURN_FAKE_NVML="$h100|GPU-1|81559;lost" expect 2 "$saturn" plan w.yaml
says err "warning: GPU 1 is left out: the driver says 'GPU is lost'"
says err "error: cluster: node 'left' asks for 2 GPUs of kind 'h200'; free is 1 h100-80gb"

# GPUs that the driver tells of and CUDA does not find: every trial has failed with the reason.
workload auto
SATURN_FAKE_NVML="$h100|GPU-1|81559;$h100|GPU-2|81559" expect 2 "$saturn" plan w.yaml
says runs/w/profile.json '; h100-80gb: 2 devices of '
says runs/w/profile.json ' and 77 GiB (NVIDIA H100 80GB HBM3, driver 580.65.06)"'
says err 'ddp on 2 x h100-80gb: failed: cannot '
says runs/w/trials/trial-0001/job.json '"uuid": "GPU-1"'
