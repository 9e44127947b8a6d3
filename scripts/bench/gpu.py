# SPDX-License-Identifier: Apache-2.0
"""gpu.py WORKLOAD PROFILE: the figures of gpu.sh from the best measured candidate of its one task."""
import json
import re
import sys

# Dense bf16 peak in TFLOP/s, by the kind that Saturn makes of the GPU's name; from NVIDIA's data sheets.
PEAKS = {"h200": 989, "h100-80gb": 989, "h100-pcie": 756, "a100": 312, "l40s": 362, "l4": 121, "b200": 2250}


def model_of(workload):
    with open(workload, encoding="utf-8") as file:
        text = file.read()
    return {key: int(re.search(rf"\b{key}: (\d+)", text).group(1))
            for key in ("layers", "width", "context", "vocabulary", "batch_size")}


def flops_per_token(model):
    """Forward and backward (PaLM, arXiv 2204.02311, appendix B): 6 a parameter, and the attention's products."""
    width, layers = model["width"], model["layers"]
    parameters = (model["vocabulary"] + model["context"]) * width + layers * (12 * width + 13) * width + 2 * width
    return 6 * parameters + 12 * layers * width * model["context"]


def main():
    model = model_of(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        profile = json.load(file)
    measured = [trial for trial in profile["trials"] if trial["outcome"] == "measured"]
    if not measured:
        sys.exit("gpu.py: nothing was measured: " + "; ".join(
            trial.get("why") or trial.get("message") or trial["outcome"] for trial in profile["trials"]))
    best = min(measured, key=lambda trial: trial["step_seconds"])
    tokens = model["batch_size"] * model["context"] / best["step_seconds"]
    tera = tokens * flops_per_token(model) / 1e12
    print(profile["hardware"])
    print(f"{best['device_kind']}, knobs {best['knobs']}: {best['step_seconds'] * 1e3:.1f} ms a step "
          f"(spread {best['spread']:.1%}, {best['steps']} steps), {best['peak_memory_bytes'] / 2**30:.1f} GiB")
    kinds = [kind for kind in PEAKS if best["device_kind"].startswith(kind)]
    share = f", {tera / PEAKS[max(kinds, key=len)]:.1%} of the dense bf16 peak" if kinds else ""
    print(f"{tokens:,.0f} tokens/s, {tera:.1f} TFLOP/s{share}")


if __name__ == "__main__":
    main()
