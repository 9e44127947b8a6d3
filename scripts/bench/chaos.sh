#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# chaos.sh [BUILD] [KILLS]: sweeps on two CPU slots, all by the same plan, in which at random moments the supervisor, one rank or
# all ranks of a gang are killed (kill -9); a killed supervisor is started again by the same command. Then a table,
# tab-separated: what was killed, how often, steps done twice in all and at most by one kill, kills after which more than a
# checkpoint interval of steps was done twice (the checkpoint that was being written is lost, too); and whether the sweeps
# ended as the undisturbed one did. SEED chooses moments and victims, STEPS the length of the tasks, PER_SWEEP the kills of a
# sweep. Exit code 1: something is not as it should be, or two intervals were done twice.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/../.."
bin=$(realpath "${1:-build/release}")/bin
kills=${2:-300}
seed=${SEED:-1}
steps=${STEPS:-900}
per_sweep=${PER_SWEEP:-6}
every=100 # steps between checkpoints
work=$(mktemp -d "${TMPDIR:-/tmp}/saturn-chaos-XXXXXX")
export XDG_CACHE_HOME=$work/cache NO_COLOR=1
run=$work/runs/chaos
set -m # so that the background job is not deaf to SIGINT
workers() { pgrep -f "saturn-worker --job $work/" || true; }
end() {
  local code=$? pids
  mapfile -t pids < <(jobs -p; workers)
  if ((${#pids[@]})); then kill -9 "${pids[@]}" 2>/dev/null || true; fi
  if ((code)); then echo "chaos.sh: seed $seed; see $work" >&2; else rm -rf "$work"; fi
}
trap end EXIT
cd "$work"

seq 1 20000 | awk '{ printf "%d is the square root of %d. ", $1, $1 * $1 }' >corpus.txt
cat >chaos.yaml <<END
name: chaos
cluster: {slots: 2, slot_memory: 1GiB}
defaults:
  model: {layers: 2, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
  steps: $steps
  checkpoint_every_steps: $every
tasks:
  - {name: alone-1, devices: [1], parallelisms: [ddp]}
  - {name: alone-2, devices: [1], parallelisms: [ddp], optimizer: {lr: 3e-3}}
  - {name: alone-3, devices: [1], parallelisms: [ddp], seed: 5}
  - {name: both-ddp, devices: [2], parallelisms: [ddp]}
  - {name: both-fsdp, devices: [2], parallelisms: [fsdp]}
profile: {trial_time: 200ms, max_steps: 30}
run: {introspection_interval: 0, retries: 1000}
END
tasks=(alone-1 alone-2 alone-3 both-ddp both-fsdp)

results() { (cd "$1/tasks" && sha256sum ./*/model.safetensors) && "$bin/saturn" show --json "$1" 2>/dev/null | grep -E '"(training|validation)_loss"'; }
files() { (cd "$1" && find . -type f ! -name lock ! -name next-job.json ! -name plan.previous.json | sort); }
now() { date +%s%3N; }
random() { echo $((((RANDOM << 15) + RANDOM) % $1)); }

"$bin/saturn" run chaos.yaml >out 2>err || { cat err >&2 && exit 1; }
results "$run" >undisturbed
files "$run" >undisturbed.files
span=$("$bin/saturn" show --json "$run" | awk -F'[:,]' '/real_makespan/ { print int(1000 * $2) }')
mkdir first
mv "$run" first/
echo "seed $seed; undisturbed: ${#tasks[@]} tasks in $span ms" >&2

# The metrics of a gang that is killed are replaced when its task goes on before what they say: a link keeps them, and a file
# beside it says what was killed and how many gangs of the task had been released.
keep_metrics() { # KIND LINKS
  local task file kept
  for task in "${tasks[@]}"; do
    file=$run/tasks/$task/metrics.jsonl
    [[ -e $file ]] || continue
    kept=$2/$task.$(stat -c %i "$file")
    ln "$file" "$kept" 2>/dev/null || [[ $file -ef $kept ]] || continue
    echo "$1 $(grep -c "\"record\":\"gang_released\".*\"task\":\"$task\"" "$run/journal.jsonl")" >"$kept.killed"
  done
}
# What the kills of a sweep cost: a line "KIND STEPS" for each file of metrics that was replaced.
done_twice() { # LINKS
  local kept task kind releases last from
  for kept in "$1"/*.killed; do
    [[ -e $kept ]] || continue
    read -r kind releases <"$kept"
    kept=${kept%.killed}
    task=$(basename "${kept%.*}")
    [[ $kept -ef $run/tasks/$task/metrics.jsonl ]] && continue
    last=$(grep -o '"step":[0-9]*,"loss"' "$kept" | tail -n 1 | grep -o '[0-9]*' || echo 0)
    from=$(grep "\"record\":\"gang_released\".*\"task\":\"$task\"" "$run/journal.jsonl" | sed -n "$((releases + 1))p" | grep -o '"step":[0-9]*' | grep -o '[0-9]*' || true)
    if [[ $from ]]; then echo "$kind $((last > from ? last - from : 0))"; fi
  done
}

pid=
start() { "$bin/saturn" run chaos.yaml >>out 2>>err </dev/null & pid=$!; }
running() { kill -0 "$pid" 2>/dev/null; }
# strike KIND LINKS: kills one; fails when there is nothing to kill.
strike() {
  local all victim
  running || return 1
  mapfile -t all < <(workers)
  case $1 in
    supervisor) victim=("$pid") ;;
    rank) ((${#all[@]})) && victim=("${all[$(random ${#all[@]})]}") || return 1 ;;
    gang)
      ((${#all[@]})) || return 1
      local job
      job=$(tr '\0' '\n' <"/proc/${all[$(random ${#all[@]})]}/cmdline" | sed -n 3p) 2>/dev/null || return 1
      mapfile -t victim < <(pgrep -f "saturn-worker --job $job" || true)
      ((${#victim[@]})) || return 1
      ;;
  esac
  keep_metrics "$1" "$2"
  kill -9 "${victim[@]}" 2>/dev/null
}
none_left() { # within two seconds
  local i
  for ((i = 0; i < 40; ++i)); do
    [[ $(workers) ]] || return 0
    sleep 0.05
  done
  return 1
}

RANDOM=$seed
kinds=(supervisor rank gang)
declare -A struck=([supervisor]=0 [rank]=0 [gang]=0)
total=0 sweeps=0 failed=0 different=0 processes=0 left=0
: >twice
began=$(now)
while ((total < kills)); do
  rm -rf "$run"
  mkdir -p "$run" "links.$sweeps"
  cp first/chaos/profile.json first/chaos/plan.json "$run/"
  : >out
  : >err
  start
  for ((k = 0; k < per_sweep && total < kills; )); do
    pause=$(($(random $((2 * span / per_sweep))) + 1))
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    running || break
    kind=${kinds[$(random 3)]}
    strike "$kind" "links.$sweeps" || continue
    struck[$kind]=$((struck[$kind] + 1)) k=$((k + 1)) total=$((total + 1))
    if [[ $kind == supervisor ]]; then
      wait "$pid" 2>/dev/null || true
      none_left || processes=$((processes + 1))
      start
    fi
  done
  wait "$pid" || { failed=$((failed + 1)) && tail -n 20 err >&2; }
  none_left || processes=$((processes + 1))
  results "$run" >disturbed || true
  cmp -s undisturbed disturbed || { different=$((different + 1)) && { diff undisturbed disturbed || true; } >&2; }
  files "$run" | { diff undisturbed.files - || true; } >other.files
  [[ ! -s other.files ]] || { left=$((left + 1)) && cat other.files >&2; }
  done_twice "links.$sweeps" >>twice
  sweeps=$((sweeps + 1))
  echo "$total kills" >&2
done
elapsed=$(($(now) - began))

printf 'killed\ttimes\tsteps done twice\tmost\tmore than %d\n' $every
for kind in "${kinds[@]}"; do
  awk -v kind="$kind" -v times="${struck[$kind]}" -v every=$every '$1 == kind { sum += $2; if ($2 > most) most = $2; over += $2 > every }
    END { printf "%s\t%d\t%d\t%d\t%d\n", kind, times, sum, most, over }' twice
done
over=$(awk -v every=$every '$2 >= 2 * every' twice | wc -l)
echo "$sweeps sweeps of ${#tasks[@]} tasks of $steps steps, seed $seed: $failed failed, $different with other weights or losses, $processes times a process was left, $left with other files; $((elapsed / total)) ms a kill"
((failed + different + processes + left + over == 0))
