#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run is watched from another shell: as lines, as JSON, to its end, to Ctrl-C, and when it is killed.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 1500 'run: {introspection_interval: 0, checkpoint_interval: 300ms}'
expect 2 "$saturn" show --follow sweep.yaml
is err 'error: --follow: sweep.yaml is no run directory'
expect 3 "$saturn" show --follow runs/sweep
expect 0 "$saturn" plan sweep.yaml
expect 2 "$saturn" show --follow runs/sweep
says err 'error: runs/sweep is no run directory (it has no run.json)'

# begin: starts the run in the background.
begin() {
  "$saturn" run sweep.yaml >run.out 2>run.err </dev/null &
  run=$!
}
second_session() { [ "$(grep -c session_started runs/long/journal.jsonl)" -eq 2 ]; }
locked() { ! flock -n runs/sweep/lock true; }
training() { grep -q gang_released runs/sweep/journal.jsonl; }

# Ctrl-C ends the watching, not the run.
begin
until_true 10 locked
"$saturn" show --follow --json runs/sweep >followed.json 2>followed.err </dev/null &
json=$!
"$saturn" show --follow runs/sweep >followed 2>>followed.err </dev/null &
lines=$!
until_true 60 training
"$saturn" show --follow runs/sweep >watched 2>&1 </dev/null &
watch=$!
until_true 20 grep -q ' left' watched
kill -INT $watch
code=0
wait $watch || code=$?
[ "$code" -eq 130 ] || fail "Ctrl-C ended the watching with $code"
grep -q 'finished' watched && fail 'a report was shown though the run had not ended'

wait $run || fail 'the run failed'
wait $json || fail 'following as JSON failed'
wait $lines || fail 'following failed'
says followed '0/4 tasks'
says followed '4 tasks: 4 finished'
[ "$(wc -l <followed.json)" -gt 4 ] || fail 'there are too few changes'
python3 - <<'PY' || fail 'the JSON lines are not as they should be'
import json
lines = [json.loads(line) for line in open("followed.json")]
steps = [sum(task["steps"] for task in line["tasks"]) for line in lines]
assert steps == sorted(steps) and steps[-1] == 4 * 1500, steps
for line in lines:
    parts = line["device_seconds"]
    assert abs(sum(v for k, v in parts.items() if k != "all") - parts["all"]) < 1e-6, parts
    assert abs(parts["all"] - 2 * line["real_makespan_seconds"]) < 1e-6, line
    for task in line["tasks"]:
        assert abs(sum(task["seconds"].values()) - line["real_makespan_seconds"]) < 1e-6, task
assert {task["state"] for task in lines[-1]["tasks"]} == {"finished"}
PY

# Over: shown once.
expect 0 "$saturn" show --follow runs/sweep
says out '4 tasks: 4 finished'
says out 'where the device time went'
expect 0 "$saturn" show --follow --json runs/sweep
[ "$(wc -l <out)" -eq 1 ] || fail 'a run that is over is not one line'

# Stopped by a signal, then killed: the watching ends, too, and says so.
sed -i 's/^name: sweep/name: long/; s/steps: 1500/steps: 100000/' sweep.yaml
"$saturn" plan sweep.yaml >out 2>err || fail 'no plan'
begin
until_true 60 grep -q gang_released runs/long/journal.jsonl
"$saturn" show --follow runs/long >out 2>err </dev/null &
watch=$!
until_true 20 grep -q ' left' out
kill -INT $run
wait $run || true
wait $watch || fail 'the end of a stopped run ends the watching badly'
says out '2 stopped'
begin
until_true 60 second_session
"$saturn" show --follow runs/long >out 2>err </dev/null &
watch=$!
until_true 20 grep -q ' left' out
kill -KILL $run
wait $run || true
wait $watch || fail 'the end of a killed run ends the watching badly'
says err 'is gone without a word'
