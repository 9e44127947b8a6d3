#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# GPT-2 124M on one GPU: batch 32 x 1024, bf16. Prints tokens per second and the share of the GPU's peak.
#
#   scripts/bench/gpu.sh [BUILD_DIRECTORY]     on a machine with a GPU and a build with saturn-cuda.so
#   scripts/bench/gpu.sh --bundle DIRECTORY [BUILD_DIRECTORY]
#       packs what a GPU machine needs beside its PyTorch: it may have neither Debian's packages nor a network.
#       Copy DIRECTORY there and run DIRECTORY/gpu.sh.
#
# PYTHON: a python with torch (default python3); SATURN_TORCH_DIR: its torch folder, instead of asking it.
# LAYERS, WIDTH, CONTEXT, VOCABULARY, BATCH, PRECISION, TRIAL_TIME, CLUSTER: for a trial of the script itself.
# The machine's glibc must be at least that of the machine that built it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
die() {
  echo "gpu.sh: $1" >&2
  exit 3
}

version_of() { # of the torch folder $1: "2.11.0"
  sed -nE 's/^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' "$1/include/torch/headeronly/version.h" | paste -sd.
}

bundle() { # DIRECTORY BUILD
  [[ -e $2/lib/train/saturn-cuda.so ]] || die "$2 has no saturn-cuda.so: build where the CUDA toolkit and NCCL are"
  [[ ! -e $1 ]] || die "$1 is there already"
  cmake --install "$2" --prefix "$1" >/dev/null
  mkdir "$1/lib/system"
  # All but glibc, which must fit the kernel and the loader, and Torch's.
  ldd "$1/bin/saturn" "$1/bin/saturn-worker" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(libc|libm|libdl|libpthread|librt|libutil|ld-linux.*|libtorch.*|libc10.*|libgomp.*|libcu.*|libnv.*|libsaturn.*)(-[0-9a-f]+)?\.so' |
    while read -r library; do cp -L "$library" "$1/lib/system/"; done
  cp "$here/gpu.sh" "$here/gpu.py" "$1/"
  version_of "$(sed -n 's/^SATURN_TORCH_DIR:PATH=//p' "$2/CMakeCache.txt")" >"$1/torch-version"
  echo "$1 is ready: copy it to the GPU machine and run $1/gpu.sh there"
}

case ${1:-} in
  --bundle)
    bundle "${2:?--bundle needs a directory}" "$(cd "${3:-$here/../../build/release}" && pwd)"
    exit
    ;;
esac

python=${PYTHON:-python3}
if [[ -x $here/bin/saturn ]]; then
  bin=$here/bin
else
  bin=$(cd "${1:-$here/../../build/release}" && pwd)/bin
fi
torch=${SATURN_TORCH_DIR:-$("$python" -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])')} ||
  die "$python has no torch; set PYTHON or SATURN_TORCH_DIR"
if [[ -e $here/torch-version && $(version_of "$torch") != "$(cat "$here/torch-version")" ]]; then
  die "this was built for PyTorch $(cat "$here/torch-version"), and $torch is $(version_of "$torch"): pip install torch==$(cat "$here/torch-version")"
fi
# First of all Torch's own libraries: those of the machine that built this are elsewhere.
path=$torch/lib
for folder in "$torch"/../nvidia/*/lib "$here/lib/system"; do [[ -d $folder ]] && path+=:$folder; done
path+=${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

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
LD_LIBRARY_PATH=$path XDG_CACHE_HOME=$scratch/cache "$bin/saturn" profile gpt2.yaml
"$python" "$here/gpu.py" gpt2.yaml runs/gpt2/profile.json
