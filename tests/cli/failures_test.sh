#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong in a task, and what does not fit: the rest of the sweep goes on, and the message says what to change.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

# A loss that is no number: that task fails, the other one is trained, the exit code is 1.
cat >nan.yaml <<'EOF'
name: nan
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
  steps: 80
tasks:
  - {name: wild, optimizer: {lr: 1000}}
  - {name: tame, optimizer: {lr: 1e-3}}
profile: {trial_time: 200ms, max_steps: 30}
EOF
expect 1 "$saturn" run nan.yaml
says err "task 'wild' failed: "
[ -f runs/nan/tasks/tame/model.safetensors ] || fail 'the other task was not trained'
[ ! -f runs/nan/tasks/wild/model.safetensors ] || fail 'weights that are no numbers were kept'
expect 1 "$saturn" run nan.yaml # tried again, with the same end

# A task that fits on nothing: said before anything is trained, with the limit.
sed 's/slot_memory: 1GiB/slot_memory: 200KiB/; s/^name: nan/name: small/' nan.yaml >small.yaml
expect 2 "$saturn" plan small.yaml
says err 'not tried: by its cost model it needs '
says err ", and the device has 200 KiB"
[ ! -e runs/small/plan.json ] || fail 'a plan was written'
grep -v '^[0-9p]' err >first-err # without the progress
expect 2 "$saturn" plan small.yaml # deterministic, and from the cache
diff first-err <(grep -v '^[0-9p]' err)

# A run directory in use.
sweep sweep.yaml 2000
"$saturn" run sweep.yaml >first.out 2>first.err </dev/null &
pid=$!
until_true 60 test -s runs/sweep/journal.jsonl
expect 2 "$saturn" run sweep.yaml
says err "error: the run directory $work/runs/sweep is in use by process $pid on "
expect 0 "$saturn" replan runs/sweep # asks the run, which finds nothing to do
says err 'nothing has changed'
kill -INT $pid
wait $pid || true

# Another workload in the same directory.
sweep sweep.yaml 3000
expect 2 "$saturn" run sweep.yaml
says err "task 'w32-lr1e-3' has changed: steps 2000 -> 3000"
says err "saturn replan $work/runs/sweep"

# A worker that is not there; a directory that cannot be written; a disk that is full.
sed -i 's/^name: sweep/name: other/' sweep.yaml
mkdir -p lonely/bin && cp "$saturn" lonely/bin/
SATURN_PARALLELISM_PATH=$(realpath "$bin/../parallelisms") expect 3 lonely/bin/saturn run sweep.yaml
says err "cannot find $work/lonely/bin/saturn-worker: there is no such program"
sed "s|^name: other|name: other\nrun: {directory: /proc/nowhere}|" sweep.yaml >unwritable.yaml
expect 3 "$saturn" run unwritable.yaml
says err 'cannot create directory /proc/nowhere'
if [ "$(id -u)" -eq 0 ] && mkdir full && mount -t tmpfs -o size=400k none full 2>/dev/null; then
  sed "s|^name: other|name: other\nrun: {directory: full/run}|; s/steps: 3000/steps: 50/" sweep.yaml >full.yaml
  head -c 1M /dev/zero >full/filler 2>/dev/null || true
  expect 3 "$saturn" run full.yaml
  says err 'No space left on device'
  umount full
else
  echo 'not root: the full disk is not tried'
fi
no_workers || fail 'a worker is still there'
