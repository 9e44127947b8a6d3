# SPDX-License-Identifier: Apache-2.0
# Sourced by every test of the binary: a fresh directory, and what the tests ask again and again.
# usage of a test: TEST.sh BIN_DIRECTORY. A test ends at its first failed check, with what was seen.
# shellcheck shell=bash
set -euo pipefail

bin=$(realpath "$1")
saturn=$bin/saturn
work=$(mktemp -d "${TMPDIR:-/tmp}/saturn-cli-XXXXXX")
export XDG_CACHE_HOME=$work/cache # trials of one test are not another's
export NO_COLOR=1
unset SLURM_JOB_ID # what is tested is this machine
cd "$work"
end() {
  local code=$?
  pkill -9 -f "$work" 2>/dev/null || true
  if [ "$code" -ne 0 ] && [ "$code" -ne 77 ]; then
    printf '\nFAILED (exit %s); what the last command said:\n' "$code" >&2
    cat "$work/out" "$work/err" >&2 2>/dev/null || true
  fi
  cd / && rm -rf "$work"
}
trap end EXIT
set -m # a shell without job control starts its background jobs with SIGINT ignored

fail() {
  printf 'line %s: %s\n' "${BASH_LINENO[1]}" "$*" >&2
  exit 1
}
# expect CODE COMMAND...: runs it, keeps its output in out and err, and checks its exit code.
expect() {
  local wanted=$1 code=0
  shift
  timeout 300 "$@" >out 2>err </dev/null || code=$?
  [ "$code" -eq "$wanted" ] || fail "'$*' ended with $code, not $wanted"
}
# says FILE TEXT: the file has that text in it.
says() { grep -qF -- "$2" "$1" || fail "'$2' is not in $1"; }
# is FILE TEXT: the file says that and nothing else.
is() { [ "$(cat "$1")" = "$2" ] || fail "$1 is not as expected: $(diff <(printf '%s\n' "$2") "$1")"; }
# until_true SECONDS COMMAND...: waits for it.
until_true() {
  local left=$(($1 * 20))
  shift
  until "$@" 2>/dev/null; do
    [ $((left--)) -gt 0 ] || fail "'$*' did not come true"
    sleep 0.05
  done
}
# text FILE: something to learn from, the same everywhere.
text() { seq 1 20000 | awk '{ printf "%d is the square root of %d. ", $1, $1 * $1; if ($1 % 7 == 0) print "" }' >"$1"; }
# workers: how many worker processes of this test there are.
workers() { pgrep -c -f "saturn-worker --job $work" || true; }
no_workers() { [ "$(workers)" -eq 0 ]; }
# losses DIRECTORY: the final losses of its tasks, in full precision.
losses() {
  "$saturn" show --json "$1" 2>/dev/null | grep -E '"(task|training_loss|validation_loss)"'
}
# weights DIRECTORY: a checksum of every final weights file.
weights() { (cd "$1/tasks" && sha256sum ./*/model.safetensors); }

text corpus.txt
# sweep FILE STEPS [MORE LINES]: two tiny models x two learning rates on two slots.
sweep() {
  cat >"$1" <<EOF
name: sweep
cluster: {slots: 2, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: 1, heads: 2, width: 32, context: 32}
  data: {files: corpus.txt}
  batch_size: 8
  steps: $2
tasks:
  - name: w{model.width}-lr{optimizer.lr}
    sweep: {grid: {model.width: [32, 48], optimizer.lr: [1e-3, 3e-3]}}
profile: {trial_time: 200ms, max_steps: 30}
${3:-}
EOF
}
