#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A plan that leaves a device idle is found out while it runs: what waits moves, what trains is left alone.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 2500 'run: {introspection_interval: 1s, introspection_threshold: 0.15}'
sed -i 's/^  steps: 2500/  steps: 2500\n  devices: 1/' sweep.yaml
expect 0 "$saturn" plan sweep.yaml
# By hand: everything on device 0, one after another.
sed -E 's/"devices": \[1\]/"devices": [0]/; s/"start_seconds": [0-9.]+, //' runs/sweep/plan.json >bad.json
expect 0 "$saturn" run bad.json
says err 'a better plan for what is left ('
[ "$(grep -c '"record":"plan_adopted"' runs/sweep/journal.jsonl)" -ge 2 ] || fail 'no plan was adopted while it ran'
grep -q '"record":"gang_started".*"devices":\[1\]' runs/sweep/journal.jsonl || fail 'device 1 stayed idle'
first=$(grep -m1 -o '"record":"gang_started","at":[0-9.e-]*,"task":"[^"]*"' runs/sweep/journal.jsonl | sed 's/.*"task"://')
[ "$(grep -c "\"record\":\"gang_started\".*$first" runs/sweep/journal.jsonl)" -eq 1 ] || fail 'the training task was restarted'
expect 0 "$saturn" show --json runs/sweep
[ "$(grep -c '"state": "finished"' out)" -eq 4 ] || fail 'not every task is finished'
[ "$(grep -c '"devices": \[0\]' runs/sweep/plan.previous.json)" -eq 4 ] || fail 'the plan edited by hand is lost'
cmp -s bad.json runs/sweep/plan.json && fail 'plan.json is not the plan in force'
exit 0
