#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# batch_test.sh BIN_DIRECTORY ROOT: the template of a batch script on a real Slurm: a sweep on one node, stopped by the signal
# that comes before the time limit, submitted again and requeued on the way, and by itself before each limit, comes to its end.
# No worker is needed: the tasks are shell scripts.
# shellcheck source=tests/slurm/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
start_slurm 1x2,1x1
export SATURN=$saturn

cat >run.sh <<'EOF2'
for i in $(seq 1 20); do echo "{\"event\":\"step\",\"step\":$i}"; sleep 0.1; done
EOF2
printf 'name: sh\nkind: command\ncommand: [sh, run.sh]\ndevices: [1]\n' >parallelism.yaml
cat >w.yaml <<'EOF2'
name: w
cluster: slurm
tasks:
  - name: t{arguments.number}
    steps: 20
    arguments: {number: 0}
    same_speed: [number]
    sweep: {grid: {arguments.number: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]}}
profile: {trial_time: 500ms}
EOF2
template=$2/scripts/slurm/saturn.sbatch
batch=(sbatch --gpus-per-node=0 -w n1 --output=saturn.log)
state_is() { [[ $(scontrol show job "$job" -o) == *" JobState=$1 "* ]]; }
finished() { grep -c '"finished"' runs/w/journal.jsonl; }
has_finished() { [ "$(finished)" -ge "$1" ]; }

expect 0 "${batch[@]}" "$template" w.yaml
job=$(awk '{ print $4 }' out)
until_true 60 has_finished 1
says saturn.log 'Slurm job 1: 1 node with 2 CPUs, '
says saturn.log 'local  cpu         2           1'

# As Slurm does before the time is up (--signal=B:USR1@120): all leaves, and that is no failure.
scancel --batch --signal=USR1 "$job"
until_true 30 state_is COMPLETED
says saturn.log 'stopped; the same command goes on'
[ "$(finished)" -lt 24 ] || fail 'nothing was left to do'

# The same line again, and again by Slurm itself: what was done is not done again.
done_before=$(finished)
expect 0 "${batch[@]}" "$template" w.yaml
job=$(awk '{ print $4 }' out)
until_true 60 has_finished $((done_before + 1))
scontrol requeue "$job"
until_true 30 state_is PENDING
[ "$(finished)" -lt 24 ] || fail 'nothing was left to do'

# An allocation that is too short for what is left: leaves by itself, is requeued by itself, and goes on.
go_on() { # a requeued job would wait two minutes for its turn
  scontrol update JobId="$job" StartTime=now 2>/dev/null
  state_is COMPLETED
}
scancel "$job"
until_true 30 state_is CANCELLED
expect 0 "${batch[@]}" --time=1 "$template" w.yaml --requeue --time-reserve 45s
job=$(awk '{ print $4 }' out)
until_true 180 go_on
says saturn.log "Slurm job $job is requeued"
says saturn.log "Slurm job $job: 1 node with 2 CPUs, "
says saturn.log ', restart 1'
[ "$(finished)" -eq 24 ] || fail "not every task once: $(cat runs/w/journal.jsonl)"
[ "$(grep -c '"record":"session_started"' runs/w/journal.jsonl)" -ge 4 ] || fail 'one allocation sufficed'

sed 's/cluster: slurm/cluster: local/' w.yaml >local.yaml
expect 2 "$saturn" run local.yaml --requeue --time-reserve soon
says err 'error: --requeue: this is no Slurm allocation, nothing could start it again'
says err "error: --time-reserve 'soon': is no time, as 2min is"
