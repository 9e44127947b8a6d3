#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a person gets wrong: exit 2, all of it at once with its place, and nothing is changed.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

expect 2 "$saturn"
expect 2 "$saturn" dance
expect 0 "$saturn" --help
expect 0 "$saturn" --version

cat >bad.yaml <<'EOF'
tasks:
  - name: a
    model: {layers: 2, heads: 3, width: 64, context: 32}
    data: {files: corpus.txt}
    batchsize: 8
    steps: -1
EOF
expect 2 "$saturn" run bad.yaml
says err "bad.yaml:5:5: error: task: unknown key 'batchsize' (did you mean 'batch_size'?)"
says err 'bad.yaml:6:12: error: '
[ ! -e runs ] || fail 'something was written'

: >empty.yaml
expect 2 "$saturn" plan empty.yaml
says err 'empty.yaml'
expect 3 "$saturn" plan missing.yaml
is err 'error: cannot read missing.yaml: No such file or directory'

# Artifacts that were cut off or edited.
sweep sweep.yaml 40
expect 0 "$saturn" plan sweep.yaml
plan=runs/sweep/plan.json
cp $plan good.json
head -c 300 good.json >$plan
expect 2 "$saturn" run sweep.yaml
says err "$plan:"
sed 's/"ddp"/"dpp"/' good.json >$plan
expect 2 "$saturn" run sweep.yaml
says err 'dpp'
sed -E 's/"devices": \[[0-9, ]*\]/"devices": [7]/' good.json >$plan
expect 2 "$saturn" run sweep.yaml
says err '7'
cp good.json $plan
head -c 200 runs/sweep/profile.json >torn.json && mv torn.json runs/sweep/profile.json
expect 2 "$saturn" plan sweep.yaml
says err 'runs/sweep/profile.json:'
[ ! -e runs/sweep/journal.jsonl ] || fail 'something was run'
rm runs/sweep/profile.json

# A plan of another workload is stale.
cp good.json mine.json
sed -i 's/steps: 40/steps: 50/' sweep.yaml
expect 2 "$saturn" run mine.json
says err "mine.json: error: the plan is stale: the workload $work/sweep.yaml has changed since it was made; \`saturn plan\` makes it again"
expect 0 "$saturn" plan sweep.yaml
says err "the workload $work/sweep.yaml has changed: planned again"
cmp runs/sweep/plan.previous.json good.json
sed 's|"workload_file": ".*"|"workload_file": "/gone.yaml"|' runs/sweep/plan.json >moved.json
expect 2 "$saturn" run moved.json
is err "$work/moved.json: error: the workload that it is a plan of, '/gone.yaml', is not there: correct workload_file, or run the workload itself"
mkdir plain
expect 2 "$saturn" show plain
is err "error: plain is no run directory (it has no run.json): name the one that \`saturn run\` told"
expect 2 "$saturn" replan nowhere
is err "error: nowhere is no run directory (it has no run.json): name the one that \`saturn run\` told"
