#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# needs_no_cuda.sh FILE...: none of these asks for a library of CUDA or NCCL itself. (libtorch_cpu of a wheel with CUDA
# does; that one comes with its own.)
set -euo pipefail

for file in "$@"; do
  [[ -e $file ]] || { echo "skipped: $file is not built" && exit 77; }
  needed=$(readelf -d "$file" | grep NEEDED)
  if heavy=$(grep -iE 'cuda|nccl|cupti|cublas|nvrtc|nvidia' <<<"$needed"); then
    echo "${file##*/} needs:"
    echo "$heavy"
    exit 1
  fi
done
