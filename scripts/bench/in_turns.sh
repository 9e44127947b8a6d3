# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts that measure Saturn and PyTorch in turns. Both sides are programs that print "ready" and
# then, for every number of seconds read from standard input, "WALL CPU": median milliseconds of a step.
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-3}
python=${PYTHON:-python3}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

need_torch() {
  "$python" -c 'import torch' 2>/dev/null || { echo "${0##*/}: $python has no torch; set PYTHON" >&2; exit 2; }
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# in_turns PROGRAM... -- OTHER_PROGRAM...: fills "$results" with lines "OURS_WALL OURS_CPU THEIRS_WALL THEIRS_CPU".
in_turns() {
  local program=()
  while [[ $1 != -- ]]; do program+=("$1"); shift; done
  shift
  coproc ours { exec "${program[@]}"; }
  # shellcheck disable=SC2154 # bash sets ours_PID itself
  local ours_in=${ours[1]} ours_out=${ours[0]} ours_pid=$ours_PID
  # bash has one coprocess at a time: the other side talks through named pipes.
  local pipes; pipes=$(mktemp -d)
  mkfifo "$pipes/in" "$pipes/out"
  "$@" <"$pipes/in" >"$pipes/out" & local theirs_pid=$!
  exec 8>"$pipes/in" 9<"$pipes/out"
  rm -r "$pipes"
  read -r _ <&"$ours_out"
  read -r _ <&9
  : >"$results"
  local round our their
  for ((round = 0; round < rounds; ++round)); do
    echo "$seconds" >&"$ours_in"; read -r our <&"$ours_out"
    echo "$seconds" >&8; read -r their <&9
    echo "$our $their" >>"$results"
  done
  exec 8>&- 9<&-
  eval "exec $ours_in>&-"
  wait "$ours_pid" "$theirs_pid" || true
}

# report wall|cpu LABEL [OTHER]: the medians over the rounds and their ratio (below 1: Saturn is faster).
report() {
  local columns=(1 3) our their other=${3:-pytorch}
  if [[ $1 == cpu ]]; then columns=(2 4); fi
  our=$(awk -v c="${columns[0]}" '{ print $c }' "$results" | median)
  their=$(awk -v c="${columns[1]}" '{ print $c }' "$results" | median)
  awk -v s="$2" -v n="$1" -v o="$our" -v t="$their" -v other="$other" \
    'BEGIN { printf "%-58s %-4s  saturn %8.2f ms  %s %8.2f ms  ratio %.3f\n", s, n, o, other, t, o / t }'
}
