#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Successive halving: of four tasks one trains to its end; stopped and gone on with in between, too.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 2400 'run: {introspection_interval: 1s, halving: {rungs: [400, 1200], reduction_factor: 2}}'
expect 0 "$saturn" plan sweep.yaml
expect 0 "$saturn" run --simulate sweep.yaml
says out 'finished early'
expect 0 "$saturn" run sweep.yaml
says err 'ends early: '
says err 'at step 400: the others go on'
expect 0 "$saturn" show --json runs/sweep
[ "$(grep -c '"state": "finished"' out)" -eq 4 ] || fail 'not every task has finished'
[ "$(grep -c '"steps": 2400' out)" -eq 1 ] || fail 'not exactly one was trained to its end'
[ "$(find runs/sweep -name model.safetensors | wc -l)" -eq 1 ] || fail 'not exactly one has weights'
# The one that went on is the best of those that were compared at the last rung.
grep -q '"record":"rung_passed".*"rung":1200,"place":1' runs/sweep/journal.jsonl || fail 'nobody passed the last rung as its best'
expect 0 "$saturn" run sweep.yaml # nothing is left to do
no_workers || fail 'a worker is left'

sed -i 's/^name: sweep/name: again/' sweep.yaml
"$saturn" run sweep.yaml >out 2>err </dev/null &
pid=$!
# shellcheck disable=SC2317 # until_true calls it
paused() { grep -q '"record":"task_paused"' runs/again/journal.jsonl; }
until_true 120 paused
kill -INT $pid
wait $pid || true
expect 0 "$saturn" run sweep.yaml
[ "$(find runs/again -name model.safetensors | wc -l)" -eq 1 ] || fail 'not exactly one has weights after a stop'

sed -i 's/rungs: \[400, 1200\]/rungs: [1200, 400]/; s/reduction_factor: 2/reduction_factor: 1/' sweep.yaml
expect 2 "$saturn" run sweep.yaml
says err "error: run.halving: 'rungs' must be in ascending order: 400 follows 1200"
says err "error: run.halving: 'reduction_factor' must be at least 2, not 1"
sed -i 's/rungs: \[1200, 400\], reduction_factor: 1/rungs: [400, 2400]/' sweep.yaml
expect 2 "$saturn" run sweep.yaml
says err 'error: run.halving: the rung 2400 is not before the end of any task: the longest has 2400 steps'
exit 0
