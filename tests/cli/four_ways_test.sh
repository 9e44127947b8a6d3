#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Budgets and sizes decide how a model is trained: each of the four parallelisms is planned for the task that only it can do, or
# that it does with half the work, and everything is trained to its end.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
cat >ways.yaml <<'EOF'
name: ways
cluster: {slots: 2, slot_memory: 24MiB}
defaults:
  steps: 4
tasks:
  # Fits its device. A row a step is little to compute; to stream the weights for it doubles the time, so long that no disturbance
  # of the trials makes up for it.
  - {name: fits, model: {kind: mlp, inputs: 64, layers: 4, width: 512, classes: 8}, data: {kind: synthetic}, batch_size: 1, steps: 3000, devices: [1]}
  # More than a device has, and nine rows that two devices cannot share.
  - {name: in-stages, model: {layers: 8, heads: 4, width: 128, context: 32}, data: &text {files: corpus.txt, validation_batches: 1}, batch_size: 9, devices: [2]}
  # Nearly three times what its one device has.
  - {name: streamed, model: {layers: 20, heads: 4, width: 128, context: 32}, data: *text, batch_size: 4, devices: [1]}
  # The same size in two halves, by data parallelism or in stages.
  - {name: in-halves, model: {layers: 8, heads: 4, width: 128, context: 32}, data: *text, batch_size: 8, devices: [2], parallelisms: [ddp, fsdp]}
profile: {trial_time: 200ms, warmup_steps: 1, min_steps: 2, max_steps: 100}
EOF
expect 0 "$saturn" plan ways.yaml
planned() { grep -qF "\"task\": \"$1\", \"parallelism\": \"$2\"" runs/ways/plan.json || fail "$1 is not planned with $2"; }
planned fits ddp
planned in-stages pipeline
planned streamed spill
planned in-halves fsdp

expect 0 "$saturn" run ways.yaml
for task in fits in-stages streamed in-halves; do
  [ -f "runs/ways/tasks/$task/model.safetensors" ] || fail "$task has no weights"
done
no_workers || fail 'a worker is still there'
