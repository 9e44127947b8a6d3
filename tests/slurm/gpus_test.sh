#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gpus_test.sh BIN_DIRECTORY ROOT: a sweep over the GPUs of several nodes of a real Slurm's allocation. The GPUs are made up, the
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
