#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# replan --cluster: a run, going on or stopped, is given other devices; what stays the same is not restarted.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 6000 'run: {introspection_interval: 0}'

"$saturn" run sweep.yaml >run.out 2>run.err </dev/null &
pid=$!
journal=runs/sweep/journal.jsonl
# shellcheck disable=SC2317 # until_true calls it
training() { [ "$(grep -c '"record":"gang_released"' $journal)" -ge 2 ]; }
until_true 120 training
task_on() { grep '"record":"gang_started"' $journal | grep -F "\"devices\":[$1]" | tail -n1 | sed 's/.*"task":"\([^"]*\)".*/\1/'; }
kept=$(task_on 0)
moved=$(task_on 1)

# Wrong ones change nothing.
cp runs/sweep/run.json before.json
expect 2 "$saturn" replan runs/sweep --cluster '{slts: 1}'
says err "--cluster:1:2: error: cluster: unknown key 'slts' (did you mean 'slots'?)"
expect 2 "$saturn" replan runs/sweep --cluster 'many'
says err "--cluster:1:1: error: 'cluster' must be auto, local, slurm, {gpus}, {slots, slot_memory} or {nodes}, not the text 'many'"
expect 2 "$saturn" replan runs/sweep --cluster ''
says err "--cluster"
expect 2 "$saturn" replan runs/sweep --cluster '{slots: 100000}'
says err 'error: cluster: 100000 slots are asked for, but this process may use'
expect 2 "$saturn" replan runs/sweep --cluster '{slots: 1, slot_memory: 200MiB}' # another budget: nothing is measured
says err 'not been measured, and the devices are in use:'
expect 0 "$saturn" replan runs/sweep --cluster '{slots: 1}' --dry-run
says err 'device 1 of local is taken out of the cluster'
cmp before.json runs/sweep/run.json || fail 'a dry run changed the run'
grep -q devices_went_away $journal && fail 'a refused change is in the journal'

# One slot fewer.
expect 0 "$saturn" replan runs/sweep --cluster '{slots: 1}'
says err 'device 1 of local is taken out of the cluster'
says out "$moved"
# shellcheck disable=SC2317 # until_true calls it
left() { grep -q "\"record\":\"gang_ended\".*\"task\":\"$moved\",\"why\":\"stopped\"" $journal; }
until_true 60 left
grep -q '"record":"devices_went_away".*"devices":\[1\],"why":"taken out of the cluster"' $journal || fail 'the journal does not say so'
kill -0 $pid || fail "the run has ended: $(cat run.err)"
[ "$(grep -c "\"record\":\"gang_started\".*\"task\":\"$kept\"" $journal)" -eq 1 ] || fail 'the other gang was restarted'
expect 0 "$saturn" replan runs/sweep --cluster '{slots: 1}'
says err 'nothing has changed'

# The next session has it, too; the account adds up; the workload still says two.
kill -INT $pid
wait $pid || true
expect 0 "$saturn" show --json runs/sweep
python3 - out <<'EOF' || fail 'the account does not add up'
import json, sys
time = json.load(open(sys.argv[1]))["device_seconds"]
parts = sum(value for key, value in time.items() if key != "all")
assert abs(parts - time["all"]) < 1e-6 * time["all"], time
assert time["away"] > 0, time
EOF
expect 0 "$saturn" run --dry-run sweep.yaml
says err 'the cluster is that of '
grep -q ' devices 1$' out && fail 'the plan uses a device that was taken out'

# Back to what the workload says, of a run that is stopped.
sed -i 's/steps: 6000/steps: 300/' sweep.yaml
expect 0 "$saturn" replan runs/sweep --cluster workload
says err 'device 1 of local is new in the cluster'
expect 0 "$saturn" run sweep.yaml
expect 0 "$saturn" show --json runs/sweep
[ "$(grep -c '"state": "finished"' out)" -eq 4 ] || fail 'not every task is finished'
grep '"record":"session_started"' $journal | tail -n1 | grep -qF '"devices":{"local":2}' || fail 'the last session had not two devices'
no_workers || fail 'a worker is left'
