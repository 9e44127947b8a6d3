#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `saturn plan --cluster`: plans for devices that need not be there, by what was measured elsewhere. No worker is needed:
# the tasks are shell scripts, and their measured figures are replaced by round ones.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

cat >run.sh <<'EOF2'
for i in $(seq 1 40); do echo "{\"event\":\"step\",\"step\":$i}"; sleep 0.01; done
EOF2
printf 'name: sh\nkind: command\ncommand: [sh, run.sh]\ndevices: [1, 2, 4]\n' >parallelism.yaml
cat >w.yaml <<'EOF2'
name: w
cluster: {nodes: [{name: n0, devices: 2, memory: 64MiB}]}
tasks:
  - name: t{arguments.size}
    steps: 10
    arguments: {size: 0}
    sweep: {grid: {arguments.size: [1, 2, 3, 4]}}
profile: {trial_time: 50ms}
EOF2

# Nothing was measured yet: what to do is said, and nothing begun.
expect 2 "$saturn" plan w.yaml --cluster 1x4
says err "profile.json: error: there is no such profile: \`saturn profile w.yaml\` measures on this machine"
[ ! -e runs ] || fail 'something was begun'

expect 0 "$saturn" profile w.yaml
# A task of size s takes 10 s seconds on one device and 6 s on two.
awk '/"signature": "script/ { match($0, /size=\\"[0-9]/); size = substr($0, RSTART + RLENGTH - 1, 1) }
     /"devices":/ { devices = $2 + 0 }
     /"step_seconds":/ { sub(/: .*/, ": " size * (devices == 1 ? 1.0 : 0.6) ",") }
     /"(startup|checkpoint|checkpoint_held|validation)_seconds":/ { sub(/: .*/, ": 0.0,") }
     { print }' runs/w/profile.json >cpu.json
cp cpu.json runs/w/profile.json
before=$(find runs -type f | sort | xargs sha256sum)

# Other sizes of what was measured; what was not is said.
expect 0 "$saturn" plan w.yaml --cluster 1x8
says out 'makespan 24 s, lower bound 24 s: proven optimal'
says out 'n1:6-7'
says err 'never measured, so not planned with: sh on 4 x cpu (4 kinds of task)'
expect 0 "$saturn" plan w.yaml --cluster 2x1,1 --json -o other.json
is out "$(cat other.json)"
says out '"makespan_seconds": 40.0'

# Another kind, of a profile of its own, by a shorter name.
awk '/"device_kind":/ { sub(/"cpu"/, "\"h100-80gb\"") }
     /"step_seconds":/ { sub(/: .*/, ": " $2 / 10 ",") }
     { print }' cpu.json >h100.json
expect 0 "$saturn" plan w.yaml --cluster 1x2:h100 --profile h100.json --json
says out '"makespan_seconds": 5.0'
expect 0 "$saturn" plan w.yaml --cluster 1x1,1x1:h100 --profile h100.json --profile cpu.json --json
says out '"node": "n2"'
expect 2 "$saturn" plan w.yaml --cluster 1x2:a100,1x2:h100
says err "error: nothing was measured on 'a100' (only on cpu): run \`saturn profile\`"
says err "error: nothing was measured on 'h100' (only on cpu): run \`saturn profile\`"

# Several clusters are compared.
expect 0 "$saturn" plan w.yaml --cluster 1x1 --cluster 1x2 --cluster 4x2
is out "cluster  devices  makespan  lower bound  device time held   used
1x1            1      1:40         1:40              1:40  100 %
1x2            2      50 s         50 s              1:40  100 %
4x2            8      24 s         24 s              3:12   59 %"
expect 0 "$saturn" plan w.yaml --cluster 1x1 --cluster 1x2 --json
says out '"schema": "saturn.cluster_plans/1"'
says out '"cluster": "1x2"'

# What does not go together, and what is no cluster, all at once.
expect 2 "$saturn" plan w.yaml --cluster 8xh100 --cluster 2x
says err "error: --cluster: a cluster is written like 2x8:h100,1x4:a100 (NODESxDEVICES:KIND; at most 1024 devices a node, 100000 nodes), not '8xh100'"
says err "not '2x'"
expect 2 "$saturn" plan w.yaml --cluster 1x2 --check cpu.json
says err 'error: --cluster plans for devices that need not be there'
expect 2 "$saturn" plan w.yaml --profile cpu.json
expect 2 "$saturn" plan w.yaml --cluster 1x2 --profile none.json
says err 'none.json: error: there is no such profile'

# A task that was never measured.
sed -i 's/\[1, 2, 3, 4\]/[1, 9]/' w.yaml
expect 2 "$saturn" plan w.yaml --cluster 1x2
says err "error: task 't9' was measured on no kind of device of the cluster"

[ "$before" = "$(find runs -type f | sort | xargs sha256sum)" ] || fail 'the run directory has changed'
