#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With real PyTorch: weights of Hugging Face's GPT-2 go in and out, and the examples of torchrun and the Trainer are trained.
# PYTHON: one with torch, transformers and accelerate (default: python3); skipped where it has them not.
examples=$(realpath "${BASH_SOURCE[0]%/*}/../../workloads")
python=$(command -v "${PYTHON:-python3}" || true)
if ! "${python:-false}" -c 'import torch, transformers, accelerate, safetensors' 2>/dev/null; then
  echo "skipped: ${PYTHON:-python3} has no torch, transformers and accelerate (PYTHON=... names another)"
  exit 77
fi
# shellcheck source=tests/cli/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
export PATH=${python%/*}:$PATH HF_HUB_OFFLINE=1

# A GPT-2 that Hugging Face has made, and rows of tokens to be judged by.
cat >make.py <<'EOF'
import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(1)
config = GPT2Config(vocab_size=96, n_positions=16, n_embd=32, n_layer=2, n_head=4, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
GPT2LMHeadModel(config).save_pretrained("begin")
for name in "training", "held-out":
    rows = torch.randint(96, (8, 17))
    save_file({"inputs": rows[:, :-1].contiguous(), "labels": rows[:, 1:].contiguous()}, f"{name}.safetensors")
EOF
expect 0 "$python" make.py
cat >gpt.yaml <<'EOF'
name: gpt
cluster: {slots: 1, slot_memory: 1GiB}
parallelisms: [ddp]
defaults:
  model: {layers: 2, heads: 4, width: 32, context: 16, vocabulary: 96, start_from: begin}
  data: {kind: safetensors, files: training.safetensors, validation_files: held-out.safetensors}
  batch_size: 8
tasks:
  - {name: as-it-was, steps: 1, optimizer: {lr: 1e-12}}
  - {name: trained, steps: 40, optimizer: {lr: 1e-2}}
profile: {trial_time: 100ms, max_steps: 5}
EOF
expect 0 "$saturn" run gpt.yaml
cat >compare.py <<'EOF'
import json
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

rows = load_file("held-out.safetensors")
for task in "as-it-was", "trained":
    model = GPT2LMHeadModel(GPT2Config.from_pretrained("begin")).eval()
    found = model.load_state_dict(load_file(f"runs/gpt/tasks/{task}/model.safetensors"), strict=False)
    assert not found.unexpected_keys and set(found.missing_keys) <= {"lm_head.weight"}, found  # tied
    with torch.no_grad():
        logits = model(rows["inputs"]).logits
    theirs = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows["labels"].flatten()).item()
    lines = [json.loads(line) for line in open(f"runs/gpt/tasks/{task}/metrics.jsonl")]
    ours = [line["validation_loss"] for line in lines if "validation_loss" in line][-1]
    print(task, ours, theirs)
    assert abs(ours - theirs) < 1e-4
EOF
expect 0 "$python" compare.py

# One script by DDP and by FSDP2: each is measured on one and two devices, and trains.
cp -r "$examples/torchrun" "$examples/huggingface" .
sed -i 's/steps: 150/steps: 12/; s/\[64, 128\]/[64]/; s/\[1e-3, 3e-3\]/[1e-3]/; s/trial_time: 1s, max_steps: 20/trial_time: 200ms, max_steps: 5/' \
  {torchrun,huggingface}/sweep.yaml
for way in torchrun-ddp torchrun-fsdp2; do
  sed "s/^name: torchrun/name: $way/; s/^parallelisms: .*/parallelisms: [$way]/" torchrun/sweep.yaml >"torchrun/$way.yaml"
  expect 0 "$saturn" run "torchrun/$way.yaml"
  [[ "$(cat err)" != *' failed;'* ]] ||
    fail "a trial has failed: $(printf %b "$(grep -E '"(why|log_tail)"' "runs/$way/profile.json")")"
  says err '2 trials measured, 0 known already; '
  says out '1 task: 1 finished'
done

sed -i 's/size: \[8, 16\]/size: [8]/' huggingface/sweep.yaml
expect 0 "$saturn" run huggingface/sweep.yaml
says out '1 task: 1 finished'
[ -s runs/huggingface/tasks/lr1e-3-b8/checkpoints/final/model.safetensors ] || fail 'the Trainer has left no weights'
