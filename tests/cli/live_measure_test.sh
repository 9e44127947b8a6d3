#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A task that has not been measured comes to a run that goes on: its tasks make room, it is measured, planned and trained.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 4000 'run: {introspection_interval: 0}'
cat >more.yaml <<EOF
name: more
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: 1, heads: 2, width: 40, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
tasks:
  - {name: unknown, steps: 50}
profile: {trial_time: 200ms, max_steps: 30}
EOF
sed -e 's/name: unknown/name: later/' -e 's/width: 40/width: 24/' more.yaml >later.yaml
journal=runs/sweep/journal.jsonl

"$saturn" run sweep.yaml >run.out 2>run.err </dev/null &
pid=$!
# shellcheck disable=SC2317 # until_true calls it
training() { [ "$(grep -c '"record":"gang_released"' "$journal")" -ge 2 ]; }
until_true 120 training
expect 0 "$saturn" replan runs/sweep --add more.yaml --dry-run
says err '2 trials have not been measured; the run measures them first'
grep -q measuring_started $journal && fail 'a dry run has something measured'
expect 0 "$saturn" replan runs/sweep --add more.yaml
says err "task 'unknown' is new"
says err 'what has not been measured is measured first, on node local'
says out 'unknown'
[ "$(grep -c '"record":"measuring_started"' $journal)" -eq 1 ] || fail 'nothing was measured, or more than once'
grep -q '"record":"measuring_ended".*"why":"2 trials measured"' $journal || fail 'not both trials were measured'
kill -0 $pid || fail "the run has ended: $(cat run.err)"
grep -q '"record":"task_failed"' $journal && fail 'a task failed for it'
grep '"record":"gang_ended"' $journal | grep -vq '"why":"\(stopped\|finished\)"' && fail 'somebody did not leave well'

# Killed in the middle of it: the next session measures what is missing, and takes the task in.
"$saturn" replan runs/sweep --add later.yaml >replan.out 2>replan.err </dev/null &
asking=$!
# shellcheck disable=SC2317 # until_true calls it
measuring() { [ "$(grep -c '"record":"measuring_started"' "$journal")" -eq 2 ]; }
until_true 60 measuring
kill -KILL $pid
wait $pid || true
wait $asking || true
until_true 30 no_workers
expect 0 "$saturn" run sweep.yaml
expect 0 "$saturn" show --json runs/sweep
[ "$(grep -c '"state": "finished"' out)" -eq 6 ] || fail 'not every task has finished'
says out '"task": "later"'
parts=$(awk -F'[:,]' '/"device_seconds"/ { on = 1 } on && /"(training|starting|switching|stopping|lost|away|measuring|idle)"/ { s += $2 }
  on && /"all"/ { printf "%d", (s - $2) * 1000; exit }' out)
[ "$parts" -eq 0 ] || fail "the parts of the device time are $parts ms off"
grep -q '"measuring": 0.0' out && fail 'measuring took no time'
no_workers || fail 'a worker is left'
exit 0
