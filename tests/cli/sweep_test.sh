#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A sweep is profiled, planned and trained; every stage runs once and its artifacts are read back.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 60

expect 0 "$saturn" profile sweep.yaml
says err 'profile: 4 trials measured, 0 known already; '
[ -f runs/sweep/profile.json ] || fail 'no profile.json'
cp runs/sweep/profile.json first-profile.json

expect 0 "$saturn" profile sweep.yaml # nothing is left to measure
cmp first-profile.json runs/sweep/profile.json
rm runs/sweep/profile.json
expect 0 "$saturn" profile sweep.yaml # the cache knows everything
says err 'profile: 0 trials measured, 4 known already; '
cmp first-profile.json runs/sweep/profile.json

expect 0 "$saturn" plan sweep.yaml
says out 'proven optimal'
expect 0 "$saturn" plan sweep.yaml --check runs/sweep/plan.json

expect 0 "$saturn" run sweep.yaml --dry-run
[ "$(grep -c '^# w' out)" -eq 4 ] || fail 'not every task has its commands'
says out "$bin/saturn-worker --job $work/runs/sweep/tasks/w32-lr1e-3/job.json --rank 0 --rendezvous {rendezvous}"
[ ! -e runs/sweep/journal.jsonl ] || fail 'a dry run has started something'

expect 0 "$saturn" run sweep.yaml
for task in w32-lr1e-3 w32-lr3e-3 w48-lr1e-3 w48-lr3e-3; do
  says out "$task"
  [ -f "runs/sweep/tasks/$task/model.safetensors" ] || fail "$task has no weights"
  [ "$(grep -c '"step":60[,}]' "runs/sweep/tasks/$task/metrics.jsonl")" -ge 1 ] || fail "$task has no metrics of its last step"
  [ "$(find "runs/sweep/tasks/$task/checkpoints" -mindepth 1 -maxdepth 1 | wc -l)" -le 2 ] || fail 'too many checkpoints'
done
no_workers || fail 'a worker is still there'

expect 0 "$saturn" run sweep.yaml # everything is done already
expect 0 "$saturn" show runs/sweep
says out 'w48-lr3e-3'
expect 0 "$saturn" show --json runs/sweep
[ "$(grep -c '"state": "finished"' out)" -eq 4 ] || fail 'not every task is finished'
expect 0 "$saturn" show runs/sweep/plan.json
expect 0 "$saturn" show runs/sweep/profile.json
