#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The check itself: a small tree with every kind of forbidden include, and each of them is found, and nothing else.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
file() { mkdir -p "$tree/$(dirname "$1")" && cat >"$tree/$1"; }

file lib/base/units.h <<<'#include "workload/task.h"'
file lib/workload/task.h <<'CODE'
#include <string>
#include "base/units.h"
CODE
file lib/plan/plan.h <<'CODE'
#include <coin/Cbc_C_Interface.h>
#include "profile/profile.h"
#include "run/run.h"
CODE
file lib/run/run.h <<'CODE'
#include "../plan/plan.h"
#include "report/report.h"
CODE
file lib/report/report.h <<'CODE'
#include "run/run.h"
#include "replan/replan.h"
CODE
file lib/train/model.h <<'CODE'
#include <ATen/ATen.h>
#include "launch/job.h"
#include "launch/launcher.h"
#include "workload/workload.h"
CODE
file app/main.cpp <<'CODE'
#include <CLI/CLI.hpp>
#include "replan/replan.h"
#include "report/report.h"
  #  include "train/model.h"
CODE
file app/worker_main.cpp <<'CODE'
#include <torch/torch.h>
#include "train/model.h"
#include "run/run.h"
CODE
file parallelisms/ddp/train.cpp <<'CODE'
#include <c10/core/Device.h>
#include "plan/plan.h"
#include <nccl.h>
CODE
file lib/train/cuda/accelerator.cpp <<'CODE'
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>
CODE
file scripts/bench/step.cpp <<'CODE'
#include <ATen/ATen.h>
#include "train/model.h"
CODE
file lib/extra/extra.h <<<'#include "base/units.h"'
file tests/plan/plan_test.cpp <<'CODE'
#include <yaml-cpp/yaml.h>
#include "replan/replan.h"
#include "train/model.h"
#include <torch/torch.h>
CODE
file tests/train/model_test.cpp <<'CODE'
#include <torch/torch.h>
#include "train/model.h"
CODE

expected='app/main.cpp:4: app may not include this:   #  include "train/model.h"
app/worker_main.cpp:3: worker may not include this: #include "run/run.h"
lib/base/units.h:1: base may not include this: #include "workload/task.h"
lib/extra/extra.h:1: part extra has no rule here: #include "base/units.h"
lib/plan/plan.h:3: plan may not include this: #include "run/run.h"
lib/report/report.h:2: report may not include this: #include "replan/replan.h"
lib/run/run.h:1: name it from lib/: #include "../plan/plan.h"
lib/run/run.h:2: run may not include this: #include "report/report.h"
lib/train/model.h:3: worker may not include this: #include "launch/launcher.h"
lib/train/model.h:4: worker may not include this: #include "workload/workload.h"
parallelisms/ddp/train.cpp:2: worker may not include this: #include "plan/plan.h"
parallelisms/ddp/train.cpp:3: belongs in ^(lib/train/cuda|tests/train)/: #include <nccl.h>
tests/plan/plan_test.cpp:1: belongs in ^(lib|tests)/workload/: #include <yaml-cpp/yaml.h>
tests/plan/plan_test.cpp:3: only the worker sees this: #include "train/model.h"
tests/plan/plan_test.cpp:4: only the worker sees this: #include <torch/torch.h>'

if found=$("$here/include_direction.sh" "$tree"); then
  echo "the check passed a tree full of forbidden includes" >&2
  exit 1
fi
diff <(echo "$expected") <(echo "$found") || { echo "left: expected, right: found" >&2 && exit 1; }

rm -rf "$tree/app" "$tree/lib/base" "$tree/lib/extra" "$tree/lib/plan" "$tree/lib/report" "$tree/lib/run" \
  "$tree/lib/train" "$tree/parallelisms" "$tree/tests/plan"
"$here/include_direction.sh" "$tree"
