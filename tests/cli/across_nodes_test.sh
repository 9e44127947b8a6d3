#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gangs across nodes: measured, planned from round figures, shown, edited, run in simulated time, and for real. The nodes are
# parts of this machine.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

[ -x "$bin/saturn-worker" ] || { echo 'skipped: saturn-worker is not built' && exit 77; }
text text.txt
cat >w.yaml <<'EOF2'
name: w
cluster: {nodes: [{name: n0, devices: 2, memory: 64MiB}, {name: n1, devices: 2, memory: 64MiB}]}
parallelisms: [ddp]
tasks:
  - name: t{batch_size}
    steps: 10
    across_nodes: 2
    batch_size: 12
    model: {layers: 1, heads: 1, width: 8, context: 8}
    data: {files: text.txt, validation_fraction: 0.2}
    sweep: {grid: {batch_size: [12, 24, 72]}}
profile: {trial_time: 50ms}
EOF2
expect 0 "$saturn" profile w.yaml
# A task of batch 12 s takes 10 s seconds on one device, 6 s on two, and 2 s on two of each node.
python3 - <<'EOF2'
import json, re
profile = json.load(open("runs/w/profile.json"))
rows = {}
for row in profile["trials"]:
    key = (row["signature"], row["devices"], row.get("nodes", 1))
    if row["outcome"] != "measured" or key in rows: continue
    size = int(re.search(r"batch=(\d+)", row["signature"])[1]) / 12
    for name in ("startup_seconds", "checkpoint_seconds", "checkpoint_held_seconds", "validation_seconds"):
        row[name] = 0.0
    row["step_seconds"] = size * (0.2 if key[2] == 2 else {1: 1.0, 2: 0.6}[key[1]])
    rows[key] = row
profile["trials"] = list(rows.values())
assert len(rows) == 9, rows.keys()
json.dump(profile, open("runs/w/profile.json", "w"), indent=2)
EOF2
expect 0 "$saturn" show runs/w/profile.json
[ "$(grep -c ' 2 x 2 ' out)" -eq 3 ] || fail 'the table does not show three rows across nodes'

# All three across nodes, one after another, are the best there is.
expect 0 "$saturn" plan w.yaml
says out 'makespan 18 s'
says out 'n0 | n1'
says out '0,1 | 0,1'
says out 'n0:0 - n1:1 [t72'
says out 'a whole node each, one after another'
cp runs/w/plan.json first.json
[ "$(grep -c '"further": \[{"node": "n[01]", "devices": \[0, 1\]}\]' first.json)" -eq 3 ] || fail 'not three lines across nodes'
expect 0 "$saturn" plan w.yaml --check first.json
expect 0 "$saturn" plan w.yaml --check first.json --json
says out '"further"'
expect 0 "$saturn" plan w.yaml --baselines
expect 0 env COLUMNS=200 "$saturn" plan w.yaml --explain t12 # a narrow table cuts what is looked for
grep -q '^t12: ddp .* on n0:0,1 n1:0,1' out || fail 'the explained place is not on two nodes'
grep -q '^ddp .* on 4 x cpu over 2 nodes' out || fail 'no alternative over two nodes'
expect 2 "$saturn" plan w.yaml --method paper --force
says err 'knows no gangs across nodes'

# Lines edited by hand: t12 and t24 on one node each beside each other, behind t72.
cat >lines <<'EOF2'
    {"task": "t72", "parallelism": "ddp", "node": "n1", "devices": [0, 1], "further": [{"node": "n0", "devices": [0, 1]}], "start_seconds": 0.0, "duration_seconds": 12.0, "pinned": false},
    {"task": "t24", "parallelism": "ddp", "node": "n0", "devices": [0, 1], "pinned": false},
    {"task": "t12", "parallelism": "ddp", "node": "n1", "devices": [0], "pinned": false}
EOF2
edited() {
  sed '/^    {"task"/d; /^  "tasks": \[/r lines' first.json | sed -E "$1" >edited.json
}
edited ''
expect 0 "$saturn" plan w.yaml --complete edited.json -o whole.json
says out 'makespan 24 s'
grep -q '"task": "t24".*"start_seconds": 12.0' whole.json || fail 't24 does not follow t72 on the other node'
expect 0 env COLUMNS=200 "$saturn" plan --compare first.json whole.json
grep -q '^t72 *node, devices .* on n1:0,1 n0:0,1' out || fail 'no difference in place'
edited '/"t72"/ s/"n0", "devices": \[0, 1\]/"n1", "devices": [0, 7]/; /"t24"/ s/"node": "n0"/"node": "n2"/'
expect 2 "$saturn" plan w.yaml --check edited.json
says err "edited.json:8:5: error: task 't72' has two parts on node 'n1'"
says err "edited.json:8:5: error: task 't72': node 'n1' has no device 7; it has 2"
says err "edited.json:9:5: error: task 't24': there is no node 'n2'"
edited '/"t72"/ s/"further": \[/"further": [3, /'
expect 2 "$saturn" plan w.yaml --check edited.json
says err 'edited.json:8:'
# A pinned gang stays where it is, whatever is planned anew.
edited '/"t72"/ { s/"start_seconds": 0.0/"start_seconds": 6.0/; s/"pinned": false/"pinned": true/ }'
cp edited.json runs/w/plan.json
expect 0 "$saturn" plan w.yaml --force
grep -q '"task": "t72".*"node": "n1", "devices": \[0, 1\], "further": \[{"node": "n0".*"start_seconds": 6.0.*"pinned": true' \
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
# And for real, stopped on the way.
expect 0 "$saturn" run first.json
says out '3 tasks: 3 finished'
grep '"record":"gang_started"' runs/w/journal.jsonl | grep -q '"further":' || fail 'no gang across nodes was started'
no_workers || fail 'a worker is left'
