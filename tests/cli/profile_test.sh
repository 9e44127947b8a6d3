#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C while trials run keeps what was measured; the same command measures the rest.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 60
sed -i 's/trial_time: 200ms, max_steps: 30/trial_time: 2s, max_steps: 100000/' sweep.yaml

measured() { [ -n "$(find cache -name '*.json' 2>/dev/null | head -1)" ]; }
"$saturn" profile sweep.yaml >first.out 2>first.err </dev/null &
pid=$!
until_true 30 measured
expect 2 "$saturn" plan sweep.yaml -o elsewhere.json # two that measure at once would disturb each other
says err "error: the run directory $work/runs/sweep/trials is in use by process $pid on "
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "interrupted it ended with $code"
until_true 10 no_workers
[ -f runs/sweep/profile.json ] || fail 'what was measured is not in profile.json'
known=$(find cache -name '*.json' | wc -l)
[ "$known" -lt 4 ] || fail 'everything had been measured before the interrupt'
expect 0 "$saturn" profile sweep.yaml
says err "profile: $((4 - known)) trials measured, $known known already; "
