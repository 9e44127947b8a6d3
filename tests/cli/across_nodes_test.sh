#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gangs across nodes: planned from a profile with rows of more than one node, shown, edited, and run in simulated
# time. No worker is needed: the tasks are shell scripts, and their measured figures are replaced by round ones.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

cat >run.sh <<'EOF2'
for i in $(seq 1 40); do echo "{\"event\":\"step\",\"step\":$i}"; sleep 0.01; done
EOF2
printf 'name: sh\nkind: command\ncommand: [sh, run.sh]\ndevices: [1, 2]\n' >parallelism.yaml
cat >w.yaml <<'EOF2'
name: w
cluster: {nodes: [{name: n0, devices: 2, memory: 64MiB}, {name: n1, devices: 2, memory: 64MiB}]}
tasks:
  - name: t{arguments.size}
    steps: 10
    arguments: {size: 0}
    sweep: {grid: {arguments.size: [1, 2, 6]}}
profile: {trial_time: 50ms}
EOF2
expect 0 "$saturn" profile w.yaml
# A task of size s takes 10 s seconds on one device, 6 s on two, and 2 s on two of each node.
awk '/"signature": "script/ { match($0, /size=\\"[0-9]/); size = substr($0, RSTART + RLENGTH - 1, 1) }
     /"devices":/ { devices = $2 + 0 }
     /"step_seconds":/ { sub(/: .*/, ": " size * (devices == 1 ? 1.0 : 0.6) ",") }
     /"(startup|checkpoint|checkpoint_held|validation)_seconds":/ { sub(/: .*/, ": 0.0,") }
     { print }' runs/w/profile.json >round.json
awk '/^    \{/ { row = ""; across = 0 }
     { row = row $0 "\n" }
     /"devices": 2,/ { across = 1 }
     /"step_seconds":/ { step = $2 + 0 }
     /^    \}/ { if (across) {
                   copy = row
                   sub(/"devices": 2,/, "\"devices\": 4,\n      \"nodes\": 2,", copy)
                   sub(/"step_seconds": [0-9.]*/, "\"step_seconds\": " step / 3, copy)
                   sub(/\n    \},?\n$/, "\n    },\n", copy)
                   printf "%s", copy
                 }
                 printf "%s", row; row = ""; next }
     !/^    / { printf "%s", row; row = "" }' round.json >across.json
mv across.json runs/w/profile.json
expect 0 "$saturn" show runs/w/profile.json
[ "$(grep -c ' 2 x 2 ' out)" -eq 3 ] || fail 'the table does not show three rows across nodes'

# All three across nodes, one after another, are the best there is.
expect 0 "$saturn" plan w.yaml
says out 'makespan 18 s'
says out 'n0 | n1'
says out '0,1 | 0,1'
says out 'n0:0 - n1:1 [t6'
says out 'a whole node each, one after another'
cp runs/w/plan.json first.json
[ "$(grep -c '"further": \[{"node": "n[01]", "devices": \[0, 1\]}\]' first.json)" -eq 3 ] || fail 'not three lines across nodes'
expect 0 "$saturn" plan w.yaml --check first.json
expect 0 "$saturn" plan w.yaml --check first.json --json
says out '"further"'
expect 0 "$saturn" plan w.yaml --baselines
expect 0 "$saturn" plan w.yaml --explain t1
says out 't1: sh on n0:0,1 n1:0,1'
says out 'sh on 4 x cpu over 2 nodes'
expect 2 "$saturn" plan w.yaml --method paper --force
says err 'knows no gangs across nodes'

# Lines edited by hand: t1 and t2 on one node each beside each other, behind t6.
cat >lines <<'EOF2'
    {"task": "t6", "parallelism": "sh", "knobs": {}, "node": "n1", "devices": [0, 1], "further": [{"node": "n0", "devices": [0, 1]}], "start_seconds": 0.0, "duration_seconds": 12.0, "pinned": false},
    {"task": "t2", "parallelism": "sh", "knobs": {}, "node": "n0", "devices": [0, 1], "pinned": false},
    {"task": "t1", "parallelism": "sh", "knobs": {}, "node": "n1", "devices": [0], "pinned": false}
EOF2
edited() {
  sed '/^    {"task"/d; /^  "tasks": \[/r lines' first.json | sed -E "$1" >edited.json
}
edited ''
expect 0 "$saturn" plan w.yaml --complete edited.json -o whole.json
says out 'makespan 24 s'
grep -q '"task": "t2".*"start_seconds": 12.0' whole.json || fail 't2 does not follow t6 on the other node'
expect 0 "$saturn" plan --compare first.json whole.json
says out 'sh on n1:0,1 n0:0,1'
edited '/"t6"/ s/"n0", "devices": \[0, 1\]/"n1", "devices": [0, 7]/; /"t2"/ s/"node": "n0"/"node": "n2"/'
expect 2 "$saturn" plan w.yaml --check edited.json
says err "edited.json:8:5: error: task 't6' has two parts on node 'n1'"
says err "edited.json:8:5: error: task 't6': node 'n1' has no device 7; it has 2"
says err "edited.json:9:5: error: task 't2': there is no node 'n2'"
edited '/"t6"/ s/"further": \[/"further": [3, /'
expect 2 "$saturn" plan w.yaml --check edited.json
says err 'edited.json:8:'
# A pinned gang stays where it is, whatever is planned anew.
edited '/"t6"/ { s/"start_seconds": 0.0/"start_seconds": 6.0/; s/"pinned": false/"pinned": true/ }'
cp edited.json runs/w/plan.json
expect 0 "$saturn" plan w.yaml --force
grep -q '"task": "t6".*"node": "n1", "devices": \[0, 1\], "further": \[{"node": "n0".*"start_seconds": 6.0.*"pinned": true' \
  runs/w/plan.json || fail 'the pinned line has changed'
says out 'makespan 18 s'

# The plan in simulated time: all devices of a gang are its own until it ends.
expect 0 "$saturn" run --simulate first.json
says out '3 tasks: 3 finished'
says out 'makespan 18 s'
expect 0 "$saturn" run --simulate whole.json
says out '3 tasks: 3 finished'
# One device of its second node is lost: the gang ends with it, and what is left is planned on the other ones.
expect 0 "$saturn" run --simulate --fail n1:1@4s first.json
says err 'lost device 1 of n1'
says out '3 tasks: 3 finished'
# It cannot be started yet.
expect 2 "$saturn" run first.json
says err 'gangs across nodes cannot be started yet'
exit 0
