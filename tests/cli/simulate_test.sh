#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What if: a run in simulated time, which leaves no trace.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 200000
expect 0 "$saturn" plan sweep.yaml
cp -r runs before
SECONDS=0
expect 0 "$saturn" run --simulate sweep.yaml
says out '4 tasks: 4 finished'
says out 'makespan '
says err 'simulated; the plan was looked at '
[ "$SECONDS" -le 60 ] || fail "a simulation took $SECONDS s"
grep -q 'best:' out && fail 'a simulated run has no losses'

# Same seed, same run; noise and a slow task make another one.
expect 0 "$saturn" run --simulate --noise 20% --seed 7 --json sweep.yaml
cp out first
expect 0 "$saturn" run --simulate --noise 20% --seed 7 --json sweep.yaml
cmp -s out first || fail 'the same seed gave another run'
expect 0 "$saturn" run --simulate --noise 20% --seed 8 --json sweep.yaml
cmp -s out first && fail 'another seed gave the same run'
expect 0 "$saturn" run --simulate --speed w32-lr1e-3=0.25 sweep.yaml
says err 'a better plan for what is left ('

# A device is lost, and comes back; a node that does not come back takes the rest with it.
expect 0 "$saturn" run --simulate --fail local:1@10s+30s sweep.yaml
says err '[10 s] warning: lost device 1 of local: simulated'
says err 'another plan for what is left (lost device 1 of local): '
says err 'device 1 of local can be used again'
expect 1 "$saturn" run --simulate --fail local@10s sweep.yaml
says err 'can run in no way that was tried'
says out '4 tasks: 4 failed'

expect 2 "$saturn" run --simulate --noise 300% --speed nobody=1 --speed w32-lr1e-3=fast --fail locl@1h --fail local:7@1h \
  --fail local sweep.yaml
is err "error: --noise 300%: expected a share from 0 to 100 %, as 5% or 0.05
error: --speed nobody=1: the workload has no task 'nobody'
error: --speed w32-lr1e-3=fast: expected TASK=FACTOR, as big-model=0.8 (from 0.001 to 1000)
error: --fail locl@1h: the cluster has no node 'locl' (did you mean 'local'?)
error: --fail local:7@1h: node 'local' has no device '7' (it has 2, counted from 0)
error: --fail local: expected NODE@TIME, as node3@2h, node3:0,1@2h for some of its devices, node3@2h+30m when it comes back"
expect 2 "$saturn" run --noise 5% sweep.yaml
says err 'requires --simulate'
diff -r before runs || fail 'a simulated run left a trace'
exit 0
