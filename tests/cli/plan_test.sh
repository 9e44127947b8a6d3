#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `saturn plan` shows of plans: baselines and comparisons. No worker is needed: the tasks are shell
# scripts, and their measured figures are replaced by round ones.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

cat >run.sh <<'EOF2'
for i in $(seq 1 40); do echo "{\"event\":\"step\",\"step\":$i}"; sleep 0.01; done
EOF2
printf 'name: sh\nkind: command\ncommand: [sh, run.sh]\ndevices: [1, 2]\n' >parallelism.yaml
cat >w.yaml <<'EOF2'
name: w
cluster: {nodes: [{name: n0, devices: 2, memory: 64MiB}, {name: n1, devices: 1, memory: 64MiB}]}
tasks:
  - name: t{arguments.size}
    steps: 10
    arguments: {size: 0}
    sweep: {grid: {arguments.size: [1, 2, 3, 4]}}
profile: {trial_time: 50ms}
EOF2
expect 0 "$saturn" profile w.yaml
# A task of size s takes 10 s seconds on one device and 6 s on two.
awk '/"signature": "script/ { match($0, /size=\\"[0-9]/); size = substr($0, RSTART + RLENGTH - 1, 1) }
     /"devices":/ { devices = $2 + 0 }
     /"step_seconds":/ { sub(/: .*/, ": " size * (devices == 1 ? 1.0 : 0.6) ",") }
     /"(startup|checkpoint|checkpoint_held|validation)_seconds":/ { sub(/: .*/, ": 0.0,") }
     { print }' runs/w/profile.json >round.json
mv round.json runs/w/profile.json

expect 0 "$saturn" plan w.yaml
says out 'makespan 40 s, lower bound 40 s: proven optimal'
cp runs/w/plan.json first.json

# The baselines beside the plan.
expect 0 "$saturn" plan w.yaml --baselines
tail -7 out | sed 's/^this plan .*/this plan/; s/^random .* %/random/' >table
is table 'plan              makespan  times  used
this plan
current practice      42 s   1.05  90 %  a whole node each, one after another
max                   40 s   1.00  93 %  as many devices as each can use
min                   40 s   1.00  83 %  as few devices as each needs
random  drawn by lot
Optimus-greedy        40 s   1.00  83 %  each next device to the task that gains most by it'
expect 0 "$saturn" plan w.yaml --baselines --json
says out '"schema": "saturn.plan_report/1"'
[ "$(grep -c '"schema": "saturn.plan/1"' out)" -eq 6 ] || fail 'not the plan and five baselines'

# Two plans compared.
sed '/"task": "t1"/ s/"start_seconds": [0-9.]*/"start_seconds": 50.0/' first.json >late.json
expect 0 "$saturn" plan --compare first.json late.json
says out 'makespan        40 s        1:00 (+50.0 %)'
says out 't1    start  '
says out '3 tasks are the same in both plans'
expect 0 "$saturn" plan --compare first.json late.json --json
says out '"schema": "saturn.comparison/1"'
sed '/"task": "t1"/ s/"start_seconds": [0-9.]*, //' first.json >open.json
expect 2 "$saturn" plan --compare first.json open.json
line=$(grep -n '"task": "t1"' open.json | cut -d: -f1)
is err "open.json:$line:5: error: task 't1' has no start_seconds; \`saturn plan W.yaml --check open.json --json\` fills it in"

# What does not go together on the command line.
expect 2 "$saturn" plan
is err "error: which workload? \`saturn plan W.yaml\` (only --compare needs none)"
expect 2 "$saturn" plan w.yaml --compare first.json late.json --force
is err 'error: --compare goes with no other option but --json
error: --compare takes two plans and no workload'
expect 2 "$saturn" plan w.yaml --check first.json --force -o x.json
is err 'error: --check looks at a plan, --force makes one: give one of them
error: --check writes nothing: leave out --output'
