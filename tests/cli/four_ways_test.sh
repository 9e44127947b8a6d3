#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Budgets and sizes decide how a model can be trained: what only one parallelism can do is planned with it, and everything is
# trained to its end. (Which of several is faster depends on the machine; workloads/four-ways.yaml shows that.)
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
cat >ways.yaml <<'EOF'
name: ways
cluster: {slots: 2, slot_memory: 24MiB}
defaults:
  data: {files: corpus.txt, validation_batches: 1}
  steps: 4
tasks:
  - {name: fits, model: {layers: 1, heads: 2, width: 32, context: 32}, batch_size: 8}
  # More than a device has, and nine rows that two devices cannot share.
  - {name: in-stages, model: {layers: 8, heads: 4, width: 128, context: 32}, batch_size: 9, devices: [2]}
  # Nearly three times what its one device has.
  - {name: streamed, model: {layers: 20, heads: 4, width: 128, context: 32}, batch_size: 4, devices: [1]}
  # The same size in two halves, by data parallelism or in stages.
  - {name: in-halves, model: {layers: 8, heads: 4, width: 128, context: 32}, batch_size: 8, devices: [2], parallelisms: [ddp, fsdp]}
profile: {trial_time: 50ms, warmup_steps: 1, min_steps: 2, max_steps: 3}
EOF
expect 0 "$saturn" plan ways.yaml
planned() { grep -qF "\"task\": \"$1\", \"parallelism\": \"$2\"" runs/ways/plan.json || fail "$1 is not planned with $2"; }
planned in-stages pipeline
planned streamed spill
planned in-halves fsdp

expect 0 "$saturn" run ways.yaml
for task in fits in-stages streamed in-halves; do
  [ -f "runs/ways/tasks/$task/model.safetensors" ] || fail "$task has no weights"
done
no_workers || fail 'a worker is still there'
