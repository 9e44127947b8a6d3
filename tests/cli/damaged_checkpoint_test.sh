#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The last checkpoint is cut off, has a flipped bit, or is another model's: the one before is used, and said so, and the task
# ends with the weights of an undisturbed one, bit for bit.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
cat >small.yaml <<'EOF'
name: small
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
tasks:
  - {name: it, model: {layers: 1, heads: 2, width: 32, context: 32}, data: {files: corpus.txt}, batch_size: 8, devices: [1], steps: 2000, checkpoint_every_steps: 100}
profile: {trial_time: 200ms, max_steps: 30}
run: {introspection_interval: 0}
EOF
expect 0 "$saturn" run small.yaml
weights runs/small >undisturbed
rm -r runs/small/tasks runs/small/journal.jsonl runs/small/run.json
sed 's/^name: small/name: other/; s/heads: 2/heads: 4/; s/steps: 2000/steps: 1999/' small.yaml >other.yaml
expect 0 "$saturn" run other.yaml

checkpoints=$work/runs/small/tasks/it/checkpoints
newest() { find "$checkpoints" -name 'step-????????' | sort | tail -1; }
two_more() { [ "$(find "$checkpoints" -name 'step-????????' -newer mark | wc -l)" -ge 2 ]; }
# stopped: goes on until there are two checkpoints more, and stops.
stopped() {
  local code=0
  touch mark && sleep 0.02
  "$saturn" run small.yaml >out 2>err </dev/null &
  local pid=$!
  until_true 60 two_more
  kill -INT $pid
  wait $pid || code=$?
  [ "$code" -eq 130 ] || fail "stopped by INT it ended with $code"
}
# skipped WHY: goes on, says so of the newest checkpoint (WHY: a regular expression), and stops again.
skipped() {
  local damaged
  damaged=$(newest)
  stopped
  grep -qE "warning: task 'it': the checkpoint $damaged is damaged: model-00000-of-00001.safetensors: $1; it is skipped\$" err ||
    fail "what is wrong with $damaged is not said"
}
stopped
! grep -q skipped err || fail 'a whole checkpoint is skipped'
shard() { echo "$(newest)/model-00000-of-00001.safetensors"; }

truncate -s -100 "$(shard)"
skipped 'the tensors need [0-9]+ bytes and the file has [0-9]+'

middle=$(($(stat -c %s "$(shard)") / 2))
printf '\377\377\377\377' | dd of="$(shard)" bs=1 seek=$middle conv=notrunc status=none
skipped ".*'.*' does not have its checksum"

cp -r runs/other/tasks/it/checkpoints/step-00001999 "$checkpoints"
expect 0 "$saturn" run small.yaml
says err "warning: task 'it': the checkpoint $checkpoints/step-00001999 was written with the model 'gpt layers=1 heads=4 width=32 \
context=32 vocabulary=256'; the task has 'gpt layers=1 heads=2 width=32 context=32 vocabulary=256'; it is skipped"
weights runs/small >again
diff undisturbed again || fail 'the weights differ'

# No checkpoint that can be used: the task fails, and starts over only when it is told to.
rm -r runs/small/journal.jsonl runs/small/tasks/it/model.safetensors
for damaged in "$checkpoints"/step-*; do : >"$damaged/checkpoint.json"; done
expect 1 "$saturn" run small.yaml
says err "task 'it' failed: no checkpoint in $checkpoints can be used: the checkpoint "
says err "; repair one, or move that folder away to start over"
