#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# include_direction.sh ROOT: who may include what. Prints every offending line and exits 1 if there is one.
#   base <- workload <- cluster <- launch <- profile <- plan <- run <- replan <- app; report reads the types up to run;
#   script, rank 0 of a command, sees what is below launch and is seen by app.
#   The worker's side (lib/train, parallelisms, templates, app/worker_*) sees what both programs share: the task, its knobs, its stop rule,
#   the cluster, the job and the events. It alone (and a benchmark of it) sees Torch and CUDA. A library from outside is used
#   in one place.
set -euo pipefail
# shellcheck source=tests/structure/sources.sh
source "${BASH_SOURCE[0]%/*}/sources.sh"
cd "$1"

mapfile -t files < <(sources . '*.h' '*.cpp')
((${#files[@]})) || { echo "no sources in $1" && exit 1; }

awk '
BEGIN {
  count = split("base workload cluster launch profile plan run replan app", chain, " ")
  for (i = 1; i <= count; i++) {
    below = below " " chain[i]
    may[chain[i]] = below " "
  }
  may["report"] = may["run"] "report "
  may["script"] = may["launch"] "script "
  may["app"] = may["app"] "report script "
  may["worker"] = " base cluster train workload/task.h workload/stop_rule.h workload/knobs.h workload/model_spec.h workload/dataset.h workload/data_fit.h launch/early_stop.h launch/event.h launch/job.h "
  known = may["app"] "train "
  may["bench"] = known

  worker_only = "^(torch|ATen|c10|caffe2)/|^(nccl|cuda|cuda_runtime|cuda_runtime_api|nvml)\\.h$"
  place["^yaml-cpp/"] = "^(lib|tests)/workload/"
  place["^(coin/)?(Cbc|Clp|Cgl|Osi|Coin)[A-Za-z_]*\\.h"] = "^(lib|tests)/plan/"
  place["^CLI/"] = "^app/"
  place["^((c10|ATen)/cuda/|(nccl|cuda|cuda_runtime|cuda_runtime_api)\\.h$)"] = "^(lib/train/cuda|tests/train)/"
}
function part_of(file, words) {
  if (file ~ /^(lib\/train|parallelisms|templates)\// || file ~ /^app\/worker_/) return "worker"
  if (file ~ /^scripts\/bench\//) return "bench"
  split(file, words, "/")
  return words[1] == "lib" ? words[2] : words[1]
}
function wrong(reason) {
  printf "%s:%d: %s: %s\n", FILENAME, FNR, reason, $0
  failed = 1
}
FNR == 1 { part = part_of(FILENAME) }
/^[ \t]*#[ \t]*include[ \t]*["<]/ {
  path = $0
  sub(/^[^"<]*["<]/, "", path)
  sub(/[">].*/, "", path)
  if (path ~ /^\.\.?\//) wrong("name it from lib/")
  if (path ~ worker_only && part != "worker" && part != "bench" && FILENAME !~ /^tests\/train\//) wrong("only the worker sees this")
  for (pattern in place)
    if (path ~ pattern && FILENAME !~ place[pattern]) wrong("belongs in " place[pattern])
  top = path
  if (!sub(/\/.*/, "", top) || index(known, " " top " ") == 0) next
  if (part == "tests") {
    if (top == "train" && FILENAME !~ /^tests\/train\//) wrong("only the worker sees this")
  } else if (!(part in may)) {
    wrong("part " part " has no rule here")
  } else if (index(may[part], " " top " ") == 0 && index(may[part], " " path " ") == 0) {
    wrong(part " may not include this")
  }
}
END { exit failed }
' "${files[@]}"
