#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nodes_test.sh BIN_DIRECTORY ROOT: a sweep over the nodes of a real Slurm's allocation, measured and run by an agent on each;
# a node is powered off on the way, and its tasks go on on the others. The tasks are shell scripts.
# shellcheck source=tests/slurm/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
start_slurm 3x2
unset SLURM_JOB_ID

cat >run.sh <<EOF2
hostname >>$work/hosts
for i in \$(seq 1 200); do echo "{\"event\":\"step\",\"step\":\$i}"; sleep 0.1; done
EOF2
printf 'name: sh\nkind: command\ncommand: [sh, run.sh]\ndevices: [1]\n' >parallelism.yaml
cat >w.yaml <<'EOF2'
name: w
cluster: slurm
tasks:
  - name: t{arguments.number}
    steps: 200
    arguments: {number: 0}
    same_speed: [number]
    sweep: {grid: {arguments.number: [1, 2, 3, 4, 5, 6]}}
profile: {trial_time: 500ms}
EOF2
finished() { grep -c '"record":"task_finished"' runs/w/journal.jsonl; }
has_finished() { [ "$(finished)" -ge "$1" ]; }
happened() { grep -q "\"record\":\"$1\"" runs/w/journal.jsonl; }
state_is() { [[ $(scontrol show job 1 -o) == *" JobState=$1 "* ]]; }
started_on() { [ "$(grep -c "\"record\":\"gang_released\"" runs/w/journal.jsonl)" -ge 6 ]; }

# Six tasks on six slots of three nodes, all at once.
expect 0 sbatch --no-kill -N3 --exclusive -o saturn.log --wrap "exec '$saturn' run w.yaml"
until_true 60 started_on
[ "$(sort -u hosts | tr '\n' ' ')" = 'n1 n2 n3 ' ] || fail "not on three nodes: $(cat hosts)"

# A node that is gone is noticed by its silence; what ran there runs elsewhere.
"$cluster" power-off n3
until_true 60 happened devices_went_away
says runs/w/journal.jsonl '"node":"n3","devices":[0,1]'
until_true 90 has_finished 6
until_true 30 state_is COMPLETED
says saturn.log 'warning: lost devices 0,1 of n3: ' # silent, or srun said that its step is gone
says saturn.log '6 tasks: 6 finished'
expect 0 "$saturn" show runs/w
says out 'lost devices 0, 1 of n3: '
