#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that goes on is changed from another shell: a task dropped, others added; what does not change is not restarted.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 6000 'run: {introspection_interval: 0}'
cat >more.yaml <<EOF
name: more
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
tasks:
  - {name: quick, steps: 50, optimizer.lr: 2e-3}
profile: {trial_time: 200ms, max_steps: 30}
EOF
sed -i 's/, optimizer.lr: 2e-3/, optimizer: {lr: 2e-3}/' more.yaml
sed -e 's/name: quick/name: unknown/' -e 's/width: 32/width: 40/' more.yaml >unknown.yaml

expect 2 "$saturn" replan nowhere --drop x
"$saturn" run sweep.yaml >run.out 2>run.err </dev/null &
pid=$!
# shellcheck disable=SC2317 # until_true calls it
training() { [ "$(grep -c '"record":"gang_released"' runs/sweep/journal.jsonl)" -ge 2 ]; }
until_true 120 training
running=$(grep -o '"record":"gang_started","at":[0-9.e-]*,"task":"[^"]*"' runs/sweep/journal.jsonl | sed 's/.*"task":"\(.*\)"/\1/')
kept=$(head -n1 <<<"$running")
dropped=$(tail -n1 <<<"$running")

# Wrong ones change nothing.
cp runs/sweep/run.json before.json
expect 2 "$saturn" replan runs/sweep --drop "${dropped}x" --drop nobody
says err "error: --drop ${dropped}x: the run has no such task (did you mean '$dropped'?)"
says err 'error: --drop nobody: the run has no such task'
expect 2 "$saturn" replan runs/sweep --add sweep.yaml
says err "error: the run has a task '$kept' already: give this one another name"
expect 0 "$saturn" replan runs/sweep --add unknown.yaml --dry-run
says err '2 trials have not been measured; the run measures them first'
says err 'unknown ddp on 1 device'
says err "task 'unknown' is new"
cmp before.json runs/sweep/run.json || fail 'a dry run changed the run'
expect 0 "$saturn" replan runs/sweep --drop "$dropped" --add more.yaml --dry-run
says err "task '$dropped' is gone"
says err "task 'quick' is new"
cmp before.json runs/sweep/run.json || fail 'a dry run changed the run'

expect 0 "$saturn" replan runs/sweep --drop "$dropped" --add more.yaml
says err "task '$dropped' is gone"
says err "task 'quick' is new"
says out 'quick'
expect 0 "$saturn" replan runs/sweep
says err 'nothing has changed'
# shellcheck disable=SC2317 # until_true calls it
ended() { grep -q "\"record\":\"gang_ended\".*\"task\":\"$dropped\",\"why\":\"dropped\"" runs/sweep/journal.jsonl; }
until_true 60 ended
kill -0 $pid || fail "the run has ended: $(cat run.err)"

# What was changed holds for the next session, too; the workload still says what it said.
kill -INT $pid
wait $pid || true
expect 0 "$saturn" run sweep.yaml
expect 0 "$saturn" show --json runs/sweep
[ "$(grep -c '"state": "finished"' out)" -eq 4 ] || fail 'not every task is finished'
says out '"task": "quick"'
grep -qF "\"task\": \"$dropped\"" out && fail 'the dropped task is back'
[ "$(grep -c "\"record\":\"gang_started\".*\"task\":\"$kept\"" runs/sweep/journal.jsonl)" -le 2 ] ||
  fail 'a task that did not change was started again'
no_workers || fail 'a worker is left'
exit 0
