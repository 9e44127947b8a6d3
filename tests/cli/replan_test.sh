#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stopped run takes over an edited workload: a task dropped, one added, one longer. Pinned lines of a plan stay.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

write() {
  cat >edit.yaml <<EOF
name: edit
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
tasks:
$1
profile: {trial_time: 200ms, max_steps: 30}
run: {introspection_interval: 0}
EOF
}
write '  - {name: short, steps: 30}
  - {name: long, steps: 3000}
  - {name: dropped, steps: 3000}'
expect 0 "$saturn" plan edit.yaml
# Pin the short task to device 1.
sed -E '/"task": "short"/ s/"devices": \[[0-9, ]*\]/"devices": [1]/; /"task": "short"/ s/"pinned": false/"pinned": true/; /"task": "short"/ s/"(knobs": \{[^}]*\}|start_seconds": [0-9.]+), //g' \
  runs/edit/plan.json >edited.json
grep -q '"pinned": true' edited.json || fail 'the plan has no line to pin'
cp edited.json runs/edit/plan.json
expect 0 "$saturn" plan edit.yaml --force
# Without a start it is the line's place in the order that is kept.
grep -q '"devices": \[1\].*"pinned": "order"' <<<"$(grep '"task": "short"' runs/edit/plan.json)" || fail 'the pin was not kept'

"$saturn" run edit.yaml >out 2>err </dev/null &
pid=$!
until_true 60 test -f runs/edit/tasks/short/model.safetensors
sleep 1
kill -INT $pid
wait $pid || true

write '  - {name: short, steps: 60}
  - {name: long, steps: 3000}
  - {name: added, steps: 30}'
expect 0 "$saturn" replan runs/edit --dry-run
says err "task 'dropped' is gone"
expect 0 "$saturn" replan runs/edit --dry-run --json
[ "$(head -c 1 out)" = '{' ] || fail 'there is something before the JSON'
says out '"schema": "saturn.plan/1"'
cp -r runs/edit moved
expect 0 "$saturn" replan moved
says err "set run.directory to $work/moved in $work/edit.yaml, then saturn run $work/edit.yaml goes on with this plan"
cp runs/edit/plan.json begun.json
expect 2 "$saturn" plan edit.yaml --force -o runs/edit/plan.json # by another spelling of its name
says err "error: the run in $work/runs/edit has begun: "
cmp begun.json runs/edit/plan.json
cp runs/edit/run.json before.json
[ "$(grep -c '"record":"plan_adopted"' runs/edit/journal.jsonl)" -eq 1 ] || fail 'a plan is recorded that nobody adopted'
expect 0 "$saturn" replan runs/edit
[ "$(grep -c '"record":"plan_adopted"' runs/edit/journal.jsonl)" -eq 2 ] || fail 'the journal does not tell the new plan'
grep -q '"record":"plan_adopted".*"reason":"replan","remaining_seconds_before":[0-9.]*[1-9]' runs/edit/journal.jsonl || fail 'nor what was left of the old one'
says err "task 'short' has changed: steps 30 -> 60"
says err "task 'added' is new"
cmp -s before.json runs/edit/run.json && fail 'run.json still describes the old workload'
! grep -q '"task": "dropped"' runs/edit/plan.json || fail 'a dropped task is planned'
expect 0 "$saturn" run edit.yaml
expect 0 "$saturn" show --json runs/edit
[ "$(grep -c '"state": "finished"' out)" -eq 3 ] || fail 'not everything is finished'
[ "$(grep -c '"step":' runs/edit/tasks/short/metrics.jsonl)" -ge 60 ] || fail 'the longer task was not trained on'
cp runs/edit/plan.json ended.json
expect 0 "$saturn" replan runs/edit
says err 'nothing is left to plan: every task has ended; the plan stays as it is'
cmp ended.json runs/edit/plan.json

# A model that has trained cannot become another one under its name.
write '  - {name: short, steps: 60, batch_size: 4}'
expect 2 "$saturn" replan runs/edit
says err "edit.yaml:9:5: error: task 'short' has changed: batch_size 8 -> 4 since its checkpoints were written: give it another name to train it anew, or move $work/runs/edit/tasks/short away"
rm runs/edit/journal.jsonl # nor when the journal is lost
expect 2 "$saturn" run edit.yaml
says err "task 'short' has changed: batch_size 8 -> 4 since its checkpoints were written"
