#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `saturn plan` shows of plans, and what it makes of edited ones. No worker is needed: the tasks are shell
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

# Lines edited by hand. The plan they start from, so that every message is known:
cat >lines <<'EOF2'
    {"task": "t4", "parallelism": "sh", "knobs": {}, "node": "n0", "devices": [0], "start_seconds": 0.0, "duration_seconds": 40.0, "pinned": false},
    {"task": "t3", "parallelism": "sh", "knobs": {}, "node": "n0", "devices": [1], "start_seconds": 0.0, "duration_seconds": 30.0, "pinned": false},
    {"task": "t2", "parallelism": "sh", "knobs": {}, "node": "n1", "devices": [0], "start_seconds": 0.0, "duration_seconds": 20.0, "pinned": false},
    {"task": "t1", "parallelism": "sh", "knobs": {}, "node": "n1", "devices": [0], "start_seconds": 20.0, "duration_seconds": 10.0, "pinned": false}
EOF2
# edited SED-SCRIPT: that plan with its lines edited, in edited.json; t4 stands on line 8.
edited() {
  sed '/^    {"task"/d; /^  "tasks": \[/r lines' first.json | sed -E "$1" | sed -E ':a; N; $!ba; s/\},(\n  \])/}\1/' >edited.json
}
edited ''
expect 0 "$saturn" plan w.yaml --check edited.json
[ "$(grep -c 'edited.json' err)" -eq 0 ] || fail 'something is wrong with it'

# Moved to the other device of its node, and to two devices: what follows is timed again.
edited '/"t1"/ { s/"n1"/"n0"/; s/\[0\]/[0, 1]/ }'
expect 0 "$saturn" plan w.yaml --check edited.json
says err 'edited.json:11: task '"'t1'"': duration_seconds 10 s -> 6 s, as measured'
says err 'edited.json:11: task '"'t1'"': start_seconds 20 s -> 40 s, after the lines above it'
says out 'makespan 46 s, lower bound 40 s: gap 13.04 %'
# Two lines swapped: they run in the other order.
edited '/"t2"/ { h; d }; /"t1"/ { s/$/,/; G }'
expect 0 "$saturn" plan w.yaml --check edited.json
says err 'edited.json:10: task '"'t1'"': start_seconds 20 s -> 0 s, when its devices are free'
says err 'edited.json:11: task '"'t2'"': start_seconds 0 s -> 10 s, after the lines above it'
# A pinned line keeps its start; one above it that runs into it is wrong.
edited '/"t1"/ { s/"start_seconds": 20.0/"start_seconds": 15.0/; s/false/true/ }'
expect 2 "$saturn" plan w.yaml --check edited.json
is err "$(grep warning err)
edited.json:11:5: error: task 't2' and task 't1' both use device 0 of node 'n1' from 15.0 s to 20.0 s"
# One that is pinned to its order does not, and stays where it is among the pinned lines.
edited '/"t1"/ { s/"start_seconds": 20.0, //; s/false/true/ }; /"t2"/ s/false/"order"/'
expect 0 "$saturn" plan w.yaml --check edited.json
expect 0 "$saturn" plan w.yaml --complete edited.json -o ordered.json
[ "$(grep -c '"pinned": "order"' ordered.json)" -eq 2 ] || fail 'not two lines are pinned to their order'
sed '/"task": "t3"/d' ordered.json >fewer.json
expect 0 "$saturn" plan w.yaml --complete fewer.json -o ordered.json
grep '"order"' ordered.json | grep -o '"t[12]"' | tr -d '\n' >order
[ "$(cat order)" = '"t2""t1"' ] || fail 'the order is another one'
edited '/"t1"/ { s/"start_seconds": 20.0/"start_seconds": 15.0/; s/false/true/ }; /"t2"/ s/false/"order"/'
expect 2 "$saturn" plan w.yaml --complete edited.json -o ordered.json
says err "edited.json:11:5: error: task 't1' is pinned to start at 15 s, but task 't2', pinned to run before it on line 10, ends at 20 s at the earliest"
# Everything that cannot be is said at once.
edited '/"t4"/ d; /"t3"/ s/"sh"/"ssh"/; /"t2"/ s/\[0\]/[0, 3]/; /"t1"/ s/"n1"/"n2"/'
expect 2 "$saturn" plan w.yaml --check edited.json
is err "$(grep warning err)
edited.json: error: task 't4' is not in the plan
edited.json:8:5: error: task 't3' was not measured as ssh on 1 x cpu; it was as sh on 1 x cpu, sh on 2 x cpu
edited.json:9:5: error: task 't2': node 'n1' has no device 3; it has 1
edited.json:10:5: error: task 't1': there is no node 'n2' (did you mean 'n0'?)
edited.json: error: \`saturn plan $work/w.yaml --complete edited.json\` plans tasks without a line around the others"
# A run takes the edited plan, made whole, as its own.
edited '/"t1"/ s/"start_seconds": 20.0, //'
expect 0 "$saturn" run edited.json --dry-run
says out '# t1 at 20 s: sh on n1 devices 0'

# Deleted lines are planned again around those that stay.
edited '/"t4"/ d; /"t2"/ d'
expect 0 "$saturn" plan w.yaml --complete edited.json -o whole.json
expect 0 "$saturn" plan --compare edited.json whole.json
[ "$(grep -c ' new ' out)" -eq 2 ] || fail 'not the two tasks are new'
says out '2 tasks are the same in both plans'
! grep -q '"pinned": true' whole.json || fail 'kept lines are pinned now'
says out 'makespan        30 s         '
# So are those of new tasks; pins stay pins, and what a kept line leaves out is found.
sed 's/^name: w/name: grown/; s/\[1, 2, 3, 4\]/[1, 2, 3, 4, 5]/' w.yaml >grown.yaml
edited '/"t1"/ s/"start_seconds": 20.0, //; /"t3"/ s/false/true/'
expect 0 "$saturn" plan grown.yaml --complete edited.json -o whole.json
says err "the workload $work/grown.yaml has changed since edited.json was made: its lines stay where they can"
grep -q '"task": "t5"' whole.json || fail 'the new task is not planned'
grep -q '"task": "t3".*"devices": \[1\].*"pinned": true' whole.json || fail 'the pin is gone'
grep -q '"task": "t1".*"node": "n1"' whole.json || fail 'the line without a start has moved'
# Of a line that is pinned in parts the rest is planned anew, and the next time again.
edited '/"t3"/ s/false/["configuration", "devices"]/; /"t1"/ { s/"n1"/"n0"/; s/\[0\]/[7]/; s/false/["node"]/ }; /"t4"/ { s/\[0\]/[0, 1]/; s/false/["configuration"]/ }'
cp edited.json runs/w/plan.json
expect 2 "$saturn" plan w.yaml
says err "plan.json:11:5: error: task 't1': node 'n0' has no device 7; it has 2"
for again in 1 2; do
  expect 0 "$saturn" plan w.yaml --force
  says out 'pinned: node'
  grep -q '"task": "t1".*"node": "n0".*"pinned": \["node"\]' runs/w/plan.json || fail "t1 is not on n0 ($again)"
  grep -q '"task": "t3".*"devices": \[1\].*"pinned": \["configuration", "devices"\]' runs/w/plan.json || fail "t3 is not on device 1 ($again)"
  grep -q '"task": "t4".*"devices": \[0, 1\].*"pinned": \["configuration"\]' runs/w/plan.json || fail "t4 is not on two devices ($again)"
done
cp first.json runs/w/plan.json
# Lines that cannot stay are named.
edited '/"t4"/ d; /"t1"/ s/"n1"/"n0"/; /"t2"/ { s/"n1"/"n0"/; s/_seconds": 0.0/_seconds": 15.0/ }; /"t3"/ s/"sh"/"ssh"/'
expect 2 "$saturn" plan w.yaml --complete edited.json
is err "$(grep warning err)
edited.json:8:5: error: task 't3' is pinned to ssh on 1 device(s), which was not measured; it was as sh on 1, sh on 2
edited.json:10:5: error: task 't2' and task 't1' both use device 0 of node 'n0' from 20.0 s to 30.0 s"

# Why the plan is as it is.
expect 0 "$saturn" plan w.yaml --explain
says out 'Whatever delays one of these delays the end, 40 s.'
[ "$(sed -n '/^What makes/{n;p}' out)" = t4 ] || fail 'not t4 alone is critical'
says out '20.0 of 120.0 device-seconds (16.7 %)'
says out 'n0:0,1   30 s  40 s  every task has started'
says out "one more node like 'n0' (2 x cpu)  24 s (-40.0 %)  solved, proven least"
cp out whole
expect 0 "$saturn" plan --explain w.yaml # the workload last: the option does not take it for a task
cmp out whole
expect 0 "$saturn" plan w.yaml --explain t4
says out 't4: sh on n1:0, 0 s to 40 s, from the beginning'
says out 'sh on 2 x cpu      24 s            48.0  40 s (the same)  solved, proven least'
expect 0 "$saturn" plan w.yaml --explain t4 --json
says out '"schema": "saturn.explanation/1"'
# Of an edited plan: its pins hold, but for the one of the task itself.
edited '/"t3"/ d; /"t4"/ { s/false/true/; h; d }; /"t1"/ { s/$/,/; G; s/"node": "n0", "devices": \[0\], "start_seconds": 0.0/"node": "n1", "devices": [0], "start_seconds": 30.0/ }'
expect 0 "$saturn" plan w.yaml --complete edited.json -o pinned.json
expect 0 "$saturn" plan w.yaml --check pinned.json --explain t4
says out 'after '"'t1'"
says out 'It is pinned; without the pin the plan would end at 40 s (-42.9 %): solved, proven least.'
sed 's/"pinned": true/"pinned": false/' pinned.json >unpinned.json
expect 0 "$saturn" plan w.yaml --check unpinned.json
says err 'unpinned.json: lower_bound_seconds was found for other pins: it is left out'
says out 'makespan 1:10, no lower bound known'
expect 2 "$saturn" plan w.yaml --explain t9
says err "error: there is no task 't9' to explain (did you mean 't"

# The paper's MILP, for comparison.
cp runs/w/plan.json own.json
expect 0 "$saturn" plan w.yaml --method paper
says out "makespan 40 s, lower bound 40 s: proven optimal (found by the paper's MILP (CBC)"
cp own.json runs/w/plan.json
sizes=$(seq -s ', ' 1 60)
sed "s/^name: w/name: large/; s/\[1, 2, 3, 4\]/[$sizes]/; s/^    steps: 10/&\n    same_speed: [size]/; \$a plan: {method: paper, time_limit: 10ms}" w.yaml >large.yaml
expect 2 "$saturn" plan large.yaml
says err "error: the paper's MILP has about "
says err " rows for these tasks, and CBC found no plan within plan.time_limit (10 ms): set a longer one, take fewer tasks, or leave it to Saturn's own method (no \`--method paper\`, no plan.method), which finds a plan at any size"
[ ! -e runs/large/plan.json ] || fail 'there is a plan all the same'
expect 0 "$saturn" plan large.yaml --method auto
expect 2 "$saturn" plan w.yaml --method best
says err '--method: best not in {auto,paper}'

# A search of so much work comes to the same plan each time, byte for byte, and no time limit ends it.
sed '$a plan: {time_limit: 1ms}' w.yaml >worked.yaml
for name in one other; do
  expect 0 "$saturn" plan worked.yaml --work 3000000 -o "$name.json"
done
cmp one.json other.json
expect 2 "$saturn" plan w.yaml --work 0
says err '--work'
expect 2 "$saturn" plan w.yaml --work 5 --check one.json
says err 'error: --check looks at a plan, --work makes one: give one of them'

# Other objectives than the makespan.
sed '$a plan: {time_limit: 300ms}' w.yaml >quick.yaml
expect 0 "$saturn" plan quick.yaml --objective mean_completion -o mean.json
says out 'mean completion 24 s, lower bound '
says err "the workload's objective is another one: \`saturn run PLAN.json\` runs this plan"
grep -q '"objective": "mean_completion"' mean.json || fail 'the plan does not say its objective'
expect 0 "$saturn" run mean.json --dry-run
expect 0 "$saturn" plan w.yaml --objective deadline=2m -o late.json
says out 'device time 1:40, lower bound 1:40: proven optimal; makespan '
says out ' within the deadline of 2:00'
expect 0 "$saturn" plan w.yaml --objective deadline=30s -o late.json
says out 'makespan 40 s, 10 s past the deadline of 30 s: no plan ends before 40 s'
sed '$a plan: {objective: {deadline: 2m}}' w.yaml >due.yaml
expect 0 "$saturn" plan due.yaml
says err "the plan's objective is another one: planned again"
expect 0 "$saturn" plan due.yaml
says out ' within the deadline of 2:00'
! grep -q 'planned again' err || fail 'planned again though nothing has changed'
expect 0 "$saturn" plan w.yaml
expect 2 "$saturn" plan w.yaml --objective deadline=soon
says err 'error: --objective is makespan, mean_completion, or deadline=TIME with a time as 90s, 5m or 1h30m'
expect 2 "$saturn" plan due.yaml --method paper
says err "error: the paper's MILP knows the makespan alone: leave out the method, or the objective deadline"

# A signal while it plans: the best plan so far is kept, and the same command goes on from it. (Whether a mean
# completion is the least is hardly ever proven: this would go on for an hour.)
sed '$a plan: {objective: mean_completion, time_limit: 1h}' w.yaml >slow.yaml
rm runs/w/plan.json
threads() { find "/proc/$planner/task" -mindepth 1 -maxdepth 1 | wc -l; }
plans() { [ "$(threads)" -gt 1 ]; } # one shows how it comes on, others search
stopped_by() {
  "$saturn" plan slow.yaml >out 2>err &
  planner=$!
  until_true 20 plans
  kill "-$1" "$planner"
  code=0
  wait "$planner" || code=$?
}
for signal in INT TERM; do
  stopped_by "$signal"
  [ "$code" -eq "$(case $signal in INT) echo 130 ;; *) echo 143 ;; esac)" ] || fail "stopped by $signal it ended with $code"
  says err "planning was stopped; the best plan so far is $work/runs/w/plan.json:"
  says err 'mean completion 24 s, lower bound '
  says err "the same command goes on from it, \`saturn run $work/runs/w/plan.json\` takes it as it is"
  grep -q '^  "stopped": true$' runs/w/plan.json || fail 'the plan does not say that it was stopped'
done
says err 'planning was stopped early: planned again'
expect 0 "$saturn" run runs/w/plan.json --dry-run
sed 's/1h/300ms/' slow.yaml >w2.yaml
expect 0 "$saturn" plan w2.yaml
says err 'planning was stopped early: planned again'
! grep -q stopped runs/w/plan.json || fail 'the plan was not stopped'

# What does not go together on the command line.
expect 2 "$saturn" plan
is err "error: which workload? \`saturn plan W.yaml\` (only --compare needs none)"
expect 2 "$saturn" plan w.yaml --compare first.json late.json --force
is err 'error: --compare goes with no other option but --json
error: --compare takes two plans and no workload'
expect 2 "$saturn" plan w.yaml --check first.json --force -o x.json
is err 'error: --check looks at a plan, --force makes one: give one of them
error: --check writes nothing: leave out --output'
