#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A budget over the sweep: a deadline that is held, device-hours that are not overdrawn, and a larger one that goes on.
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
sweep sweep.yaml 200000 'run: {budget: {deadline: 100d, device_hours: 1000}}'
expect 0 "$saturn" plan sweep.yaml
says out '4 of 4 tasks are to end within it'
grep -q beyond runs/sweep/plan.json && fail 'a plan within its budget leaves something out'

# In simulated time: half of what the sweep takes. Some end, the others come as far as they can.
expect 0 "$saturn" plan --json sweep.yaml
makespan=$(sed -n 's/.*"makespan_seconds": \([0-9]*\).*/\1/p' out)
sed -i "s/deadline: 100d, device_hours: 1000/deadline: $((makespan * 55 / 100))s/" sweep.yaml
expect 0 "$saturn" plan sweep.yaml
says err 'the budget is another one: planned again'
says out 'beyond the budget'
says out 'to end within it; the others use what they leave, and a larger one goes on'
expect 4 "$saturn" run --simulate sweep.yaml
says out 'not finished'
says err 'the budget is spent (deadline '
grep -Eq '4 tasks: [1-3] finished, [1-3] stopped' out || fail 'not some tasks finished and the others stopped'
expect 4 "$saturn" run --simulate --noise 10% sweep.yaml
expect 4 "$saturn" run --simulate --json sweep.yaml
says out '"of_steps": 200000'

# Wrong ones.
for wrong in 'soon' '2020-01-01T00:00' '25:00'; do
  sed "s/deadline: [^}]*/deadline: \"$wrong\"/" sweep.yaml >wrong.yaml
  expect 2 "$saturn" run wrong.yaml
  grep -Eq "^wrong.yaml:13:[0-9]+: error: run.budget: |^$work/wrong.yaml:13:[0-9]+: error: run.budget: " err ||
    fail "no place for the deadline '$wrong'"
done
says err "'deadline' must be a time as 12h"

# With processes: a deadline a few seconds away ends a sweep that would take minutes.
sweep real.yaml 2000000 'run: {introspection_interval: 1s, stop_grace: 10s, budget: {deadline: 12s}}'
sed -i 's/^name: sweep/name: real/' real.yaml
expect 0 "$saturn" profile real.yaml
expect 0 "$saturn" plan real.yaml
began=$(date +%s%N)
expect 4 "$saturn" run real.yaml
took=$((($(date +%s%N) - began) / 1000000))
[ "$took" -le 14000 ] || fail "a run with a deadline of 12 s took $took ms"
[ "$took" -ge 6000 ] || fail "a run with a deadline of 12 s took only $took ms"
says err 'the budget is spent (deadline 12s): 0 of 4 tasks have finished'
says out 'not finished'
no_workers || fail 'a worker is left'
tail -n1 runs/real/journal.jsonl | grep -q '"why":"the budget is spent"' || fail 'the journal does not say why it ended'
grep -q '"record":"checkpoint_written"' runs/real/journal.jsonl || fail 'nobody wrote a checkpoint'
grep -q 'without a checkpoint' runs/real/journal.jsonl && fail 'somebody left without a checkpoint'
starts=$(grep -c gang_started runs/real/journal.jsonl)
steps() { "$saturn" show --json runs/real 2>/dev/null | sed -n 's/.*"steps": \([0-9]*\),/\1/p' | awk '{ s += $1 } END { print s }'; }
before=$(steps)

# It has passed: the same command says so again and starts nothing.
expect 4 "$saturn" run real.yaml
says err 'the budget is spent (deadline 12s)'
[ "$(grep -c gang_started runs/real/journal.jsonl)" -eq "$starts" ] || fail 'something was started after the deadline'
# A larger one, of device time now: 10 s of the two devices more.
used=$("$saturn" show --json runs/real 2>/dev/null | awk -F'[:,]' '/"device_seconds"/ { on = 1 } on && /"(training|starting|switching|stopping|lost)"/ { s += $2 } /"all"/ { exit } END { printf "%d", s + 1 }')
sed -i "s/budget: {deadline: 12s}/budget: {device_hours: $(awk "BEGIN { print ($used + 20) / 3600 }")}/" real.yaml
expect 4 "$saturn" run real.yaml
says err 'device-hours): 0 of 4 tasks have finished'
[ "$(steps)" -gt "$before" ] || fail 'a larger budget did not go on'
"$saturn" show --json runs/real 2>/dev/null | awk -v most="$((used + 20))" -F'[:,]' '/"device_seconds"/ { on = 1 }
  on && /"(training|starting|switching|stopping|lost)"/ { s += $2 } /"all"/ { exit } END { exit s > most }' ||
  fail 'device time was overdrawn'
no_workers || fail 'a worker is left'
exit 0
