#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpus_test.sh BIN_DIRECTORY ROOT FAKE_NVML: a sweep over the GPUs of several nodes of a real Slurm's allocation. The GPUs are made up, the
# tasks are shell scripts, and every task gets the GPUs that Slurm has given the job, each used by one at a time.
# shellcheck source=tests/slurm/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
start_slurm 1x4:h100,1x2:h100+2:a100
unset SLURM_JOB_ID

# On n1 somebody else's job holds the first two GPUs, so the job's are 2 and 3 there.
sbatch -w n1 --gpus=h100:2 -c1 --mem=100 -o /dev/null --wrap 'sleep 300' >out
until_true 20 eval "squeue -h -j 1 -o %T | grep -q RUNNING"

cat >run.sh <<EOF2
each() { for gpu in \$(echo "\$CUDA_VISIBLE_DEVICES" | tr , ' '); do \$1 "$work/in-use-\$(hostname)-\$gpu" || exit 9; done; }
if [ "\$SATURN_MODE" = train ]; then
  each mkdir
  for gpu in \$(echo "\$CUDA_VISIBLE_DEVICES" | tr , ' '); do echo "\$(hostname) \$gpu" >>$work/used; done
fi
for i in \$(seq 1 30); do echo "{\"event\":\"step\",\"step\":\$i}"; sleep 0.1; done
if [ "\$SATURN_MODE" = train ]; then each rmdir; fi
EOF2
printf 'name: sh\nkind: command\ncommand: [sh, run.sh]\ndevices: [1, 2]\n' >parallelism.yaml
cat >w.yaml <<'EOF2'
name: w
cluster: slurm
tasks:
  - name: t{arguments.number}
    steps: 30
    arguments: {number: 0}
    same_speed: [number]
    sweep: {grid: {arguments.number: [1, 2, 3, 4, 5, 6, 7, 8]}}
profile: {trial_time: 500ms}
EOF2
# What a batch script asks for in other words must not come in the way of the agents' steps.
expect 0 sbatch -W -N2 --ntasks-per-node=2 --cpus-per-task=1 --gpus-per-node=2 --mem=2000 -o saturn.log \
  --wrap "exec '$saturn' run w.yaml"
says saturn.log '8 tasks: 8 finished'
[ "$(sort -u used | tr '\n' ';')" = 'n1 2;n1 3;n2 0;n2 1;' ] || fail "not on the job's GPUs: $(sort used | uniq -c)"
[ "$(find . -name 'in-use-*' | wc -l)" -eq 0 ] || fail "used twice: $(ls)"

# A GPU of another node than saturn's is lost: its agent notices, and the task goes on elsewhere. On n1 the job's GPUs are the
# driver's 2 and 3, on n2 its 0 and 1.
driver() { printf '%s|GPU-0|1000;%s|GPU-1|1000;%s|GPU-2|1000;%s|GPU-3|1000\n' "$@" >driver.new && mv driver.new driver; }
driver L4 L4 L4 L4
cat >run.sh <<EOF2
for i in \$(seq 1 600); do echo "{\"event\":\"step\",\"step\":\$i}"; [ -e $work/end ] || sleep 0.1; done
EOF2
cat >lost.yaml <<'EOF2'
name: lost
cluster: slurm
defaults: {steps: 600, arguments: {number: 0}, same_speed: [number], devices: [1]}
tasks: [{name: a}, {name: b}, {name: c}]
profile: {trial_time: 500ms}
run: {introspection_interval: 0}
EOF2
journal=runs/lost/journal.jsonl
released() { [ "$(grep -c '"record":"gang_released"' $journal)" -ge "$1" ]; }
record() { grep "\"record\":\"$1\"" $journal | grep -qF -- "$2"; }
export SATURN_NVML_LIBRARY=$3 SATURN_FAKE_NVML=@$work/driver
expect 0 sbatch -N2 --gpus-per-node=2 --mem=2000 -o lost.log --wrap "exec '$saturn' run lost.yaml"
unset SATURN_NVML_LIBRARY SATURN_FAKE_NVML
until_true 60 released 3
driver L4 lost L4 L4
until_true 30 record devices_went_away '"node":"n2","devices":[1],"why":"the driver says '\''GPU is lost'\''"'
if grep '"record":"gang_started"' $journal | grep -qF '"node":"n2","devices":[1]'; then until_true 30 released 4; fi
driver L4 L4 L4 L4
until_true 30 record devices_came_back '"node":"n2","devices":[1]'
touch end
# shellcheck disable=SC2317
done_() { grep -q '3 tasks: 3 finished' lost.log; }
until_true 60 done_
says lost.log "warning: lost device 1 of n2: the driver says 'GPU is lost'"
