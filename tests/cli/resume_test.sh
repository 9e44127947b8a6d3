#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A sweep that is stopped in every way ends with the weights of an undisturbed one, bit for bit.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
steps=3000
# The plan of the first run is used by both: on the same devices the same arithmetic is done.
sweep sweep.yaml $steps 'run: {introspection_interval: 0, checkpoint_interval: 500ms}'
expect 0 "$saturn" run sweep.yaml
compgen -G 'runs/sweep/tasks/*/next-job.json' >/dev/null || fail 'no gang came up while its devices were in use'
losses runs/sweep >undisturbed.losses
weights runs/sweep >undisturbed.weights
mkdir keep && mv runs/sweep keep/first
mkdir -p runs/sweep
cp keep/first/profile.json keep/first/plan.json runs/sweep/

started() { [ "$(workers)" -gt 0 ]; }
# interrupt SIGNAL AFTER CODE: starts the run, and stops it with the signal.
interrupt() {
  local code=0
  "$saturn" run sweep.yaml >out 2>err </dev/null &
  local pid=$!
  until_true 20 started
  sleep "$2"
  kill -"$1" $pid
  wait $pid || code=$?
  [ "$code" -eq "$3" ] || fail "stopped by $1 it ended with $code, not $3"
  until_true 10 no_workers
}
interrupt INT 0.7 130
says err 'every task writes a checkpoint and stops'
interrupt TERM 1.1 143
interrupt KILL 0.9 137
expect 0 "$saturn" show --json runs/sweep
[ "$(grep -c '"state": "training"' out)" -eq 0 ] || fail 'a killed run is shown as training'
interrupt INT 0.1 130

# A rank that is killed while it trains is started again.
"$saturn" run sweep.yaml >out 2>err </dev/null &
pid=$!
until_true 20 started
sleep 0.8
pkill -9 -o -f "saturn-worker --job $work" || true
wait $pid || fail 'the run did not survive a killed worker'
no_workers || fail 'a worker is still there'

losses runs/sweep >stopped.losses
weights runs/sweep >stopped.weights
diff undisturbed.losses stopped.losses || fail 'the losses differ'
diff undisturbed.weights stopped.weights || fail 'the weights differ'
for task in runs/sweep/tasks/*/; do
  [ "$(grep -c '"loss"' "$task/metrics.jsonl")" -ge $steps ] || fail "$task: steps are missing from metrics.jsonl"
  [ -z "$(grep -o '"step":[0-9]*,"loss"' "$task/metrics.jsonl" | sort | uniq -d)" ] || fail "$task: a step is there twice"
done
