#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# come_and_go_test.sh BIN_DIRECTORY ROOT: `saturn replan --cluster` gives a run that goes on in a real Slurm's allocation a further
# node of it, and takes that away again. The tasks are shell scripts.
# shellcheck source=tests/slurm/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
start_slurm 2x2
unset SLURM_JOB_ID

# Until somebody says that it may end.
cat >run.sh <<EOF2
[ "\$SATURN_MODE" = train ] && hostname >$work/host-of-\$1
for i in \$(seq 1 2000); do
  echo "{\"event\":\"step\",\"step\":\$i}"
  [ "\$SATURN_MODE" = train ] && [ -e $work/end ] && sleep 0.001 || sleep 0.05
done
EOF2
printf 'name: sh\nkind: command\ncommand: [sh, run.sh, "{arguments.name}"]\ndevices: [1]\n' >parallelism.yaml
cat >w.yaml <<'EOF2'
name: w
cluster: {nodes: [{name: n1, devices: 2}]}
defaults: {steps: 2000, arguments: {name: a}, same_speed: [name]}
tasks:
  - {name: a}
  - {name: b, arguments: {name: b}}
  - {name: c, arguments: {name: c}}
profile: {trial_time: 500ms}
run: {introspection_interval: 0}
EOF2
journal=runs/w/journal.jsonl
released() { [ "$(grep -c '"record":"gang_released"' $journal)" -ge "$1" ]; }
# A script says where it is a moment after it was released.
hosts_are() { [ "$(cat host-of-* | sort | xargs)" = "$1" ]; }
has_agent() { pgrep -f "^srun .*--nodelist=$1 .*$saturn agent --needs $work/runs/w" >/dev/null; }
has_no_agent() { ! has_agent "$1"; }
state_is() { [[ $(scontrol show job 1 -o) == *" JobState=$1 "* ]]; }
in_job=(srun --overlap --jobid=1 -N1 -n1 -w n1)

expect 0 sbatch -N2 --exclusive -o saturn.log --wrap "exec '$saturn' run w.yaml"
until_true 60 released 2
until_true 20 hosts_are 'n1 n1'
until_true 20 has_agent n1
has_no_agent n2 || fail 'an agent on a node that is not used'

# From outside of the allocation this machine's cores are no answer.
expect 2 "$saturn" replan runs/w --cluster '{slots: 1}'
says err 'the run is on the nodes of a Slurm allocation, and the cluster that is asked for is one machine'
says err 'srun --overlap --jobid=JOB saturn replan'

expect 0 "${in_job[@]}" "$saturn" replan runs/w --cluster '{nodes: [{name: n1, devices: 2}, {name: n2, devices: 2}]}'
says err 'devices 0,1 of n2 are new in the cluster'
until_true 60 released 3
until_true 20 hosts_are 'n1 n1 n2'
until_true 20 has_agent n2

# What runs there is told to leave, and goes on when there is room.
gone=$(grep -l n2 host-of-* | head -n1)
expect 0 "${in_job[@]}" "$saturn" replan runs/w --cluster '{nodes: [{name: n1, devices: 2}]}'
says err 'devices 0,1 of n2 are taken out of the cluster'
until_true 60 has_no_agent n2
has_agent n1 || fail 'the other agent has gone, too'
touch end
until_true 60 state_is COMPLETED
says saturn.log '3 tasks: 3 finished'
[ "$(cat "$gone")" = n1 ] || fail "task ${gone#host-of-} was not started again on n1"
