# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's Trainer under Saturn: the callback is what a script of yours needs, the rest is a tiny GPT-2 on numbers
that it makes itself. Needs torch, transformers and accelerate."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, HfArgumentParser, Trainer, TrainerCallback, TrainingArguments

import saturn


class SaturnCallback(TrainerCallback):
    def __init__(self):
        self.run = saturn.start()
        self.loss = None

    def on_train_begin(self, args, state, control, **_):
        self.run.length(state.max_steps)

    def on_log(self, args, state, control, logs=None, **_):
        self.loss = (logs or {}).get("loss", self.loss)

    def on_step_end(self, args, state, control, **_):
        wish = self.run.report(self.loss, step=state.global_step)
        control.should_save = control.should_save or wish != ""
        control.should_training_stop = control.should_training_stop or wish == "stop"

    def on_save(self, args, state, control, **_):
        self.run.saved(f"{args.output_dir}/checkpoint-{state.global_step}", state.global_step)

    def on_evaluate(self, args, state, control, metrics=None, **_):
        if metrics and "eval_loss" in metrics:
            self.run.validated(metrics["eval_loss"])


class Counting(torch.utils.data.Dataset):
    def __init__(self, rows, seed):
        source = torch.Generator().manual_seed(seed)
        first, stride = torch.randint(64, (2, rows, 1), generator=source)
        self.rows = (first + (1 + stride % 7) * torch.arange(32)) % 64

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return {"input_ids": self.rows[i], "labels": self.rows[i]}


(args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()
config = GPT2Config(vocab_size=64, n_positions=32, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
torch.manual_seed(args.seed)
callback = SaturnCallback()
trainer = Trainer(
    model=GPT2LMHeadModel(config),
    args=args,
    train_dataset=Counting(2000, args.seed),
    eval_dataset=Counting(100, args.seed + 1),
    callbacks=[callback],
)
trainer.train(resume_from_checkpoint=callback.run.checkpoint)
if callback.run.wish != "stop":
    trainer.evaluate()
    trainer.save_model(f"{args.output_dir}/final")
    callback.run.finished(weights=f"{args.output_dir}/final/model.safetensors")
