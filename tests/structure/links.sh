#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# links.sh PROGRAM: the program needs no library of Torch, CUDA or NCCL, neither itself nor through another one.
set -euo pipefail

[[ -e $1 ]] || { echo "skipped: $1 is not built" && exit 77; }
libraries=$(ldd "$1" | sed "s/ (0x[0-9a-f]*)$//") # an address may read c10 too
if heavy=$(grep -iE 'torch|c10|cuda|nccl|cupti|cudart|cublas|nvrtc' <<<"$libraries"); then
  echo "${1##*/} links:"
  echo "$heavy"
  exit 1
fi
