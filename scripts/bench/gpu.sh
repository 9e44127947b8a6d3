#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# GPT-2 124M on one GPU: batch 32 x 1024, bf16. Prints tokens per second and the share of the GPU's peak.
#
#   scripts/bench/gpu.sh [BUILD_DIRECTORY]     on a machine with a GPU and a build with saturn-cuda.so
# In what scripts/bundle.sh has packed, share/saturn/bench/gpu.sh does the same on a GPU machine that has neither a build nor Debian's
# packages nor a network.
#
# LAYERS, WIDTH, CONTEXT, VOCABULARY, BATCH, PRECISION, TRIAL_TIME, CLUSTER: for a trial of the script itself.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}
bin=$here/../../../bin
[[ -x $bin/saturn ]] || bin=$(cd "${1:-$here/../../build/release}" && pwd)/bin
bin=$(realpath "$bin")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
# What the text says does not matter for the speed: any 1 MB will do, and bytes are tokens of any vocabulary.
seq 1 150000 >text.txt
one_gpu='{gpus: 1}'
cat >gpt2.yaml <<YAML
name: gpt2
cluster: ${CLUSTER:-$one_gpu}
profile: {trial_time: ${TRIAL_TIME:-30s}, warmup_steps: 10, min_steps: 20, max_steps: 1000, trial_timeout: 20m}
parallelisms: [ddp]
tasks:
  - name: gpt2-124m
    model: {layers: ${LAYERS:-12}, heads: 12, width: ${WIDTH:-768}, context: ${CONTEXT:-1024}, vocabulary: ${VOCABULARY:-50304}}
    data: {files: text.txt, validation_fraction: 0.2}
    batch_size: ${BATCH:-32}
    precision: ${PRECISION:-bf16}
    steps: 1000
YAML
XDG_CACHE_HOME=$scratch/cache "$bin/saturn" profile gpt2.yaml
"$python" "$here/gpu.py" gpt2.yaml runs/gpt2/profile.json
