"""TRL's side: its own trainer and its own loop, timed by a callback.

    python side_trl.py '{"folder": ..., "objective": "dpo", ...}'

Settings are TRL's fastest at a given batch: reference log-probabilities computed before training,
torch's fused attention, no gradient checkpointing, the same precision as the other side (bfloat16
is autocast over float32 weights), its default optimizer (fused AdamW). The warm-up (the first
batch, or a whole pass) comes before all the timed steps, which are exactly whole passes.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from common import BETA, CLIP, LEARNING_RATE, LORA_RANK, REWARDS, Job
from datasets import Dataset
from peft import LoraConfig
from sides import Memory, Profiler, answer, clock, seed_adapters
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PrinterCallback,
    TrainerCallback,
)
from trl import (
    DPOConfig,
    DPOTrainer,
    KTOConfig,
    KTOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

Rows = list[dict[str, Any]]


class Stamps(TrainerCallback):
    """Stamps the beginning and the end of each step; profiles those after the warm-up."""

    def __init__(self, device: str, warm: int, steps: int, profiler: Profiler | None) -> None:
        self._device, self._warm, self._steps, self._profiler = device, warm, steps, profiler
        self.begins: list[tuple[float, float]] = []
        self.ends: list[tuple[float, float]] = []
        self.tokens = 0  # that the model was given in the timed steps, padding included

    def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
        """Before the forward pass."""
        if self._profiler is not None and len(self.begins) == self._warm:
            self._profiler.start()
        self.begins.append(clock(self._device))

    def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
        """After the optimizer's step; logging comes later and is not counted."""
        self.ends.append(clock(self._device))
        if self._profiler is not None and len(self.ends) == self._warm + self._steps:
            self._profiler.stop()

    def count(self, _module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        """Before each forward pass of the model."""
        if len(self.begins) > self._warm:
            self.tokens += kwargs["input_ids"].numel()

    def spent(self, which: int) -> list[float]:
        """Seconds of each step after the warm-up; 0 is the wall's clock, 1 the processor's."""
        steps = zip(self.begins[self._warm :], self.ends[self._warm :], strict=True)
        return [end[which] - begin[which] for begin, end in steps]


def settings(job: Job, out_dir: str, steps: int, rows_per_step: int) -> dict[str, Any]:
    """What all trainers are told."""
    micro = job.micro or rows_per_step
    if rows_per_step % micro:
        raise SystemExit(f"steps of {rows_per_step} rows cannot be made of {micro} at a time")
    return {
        "output_dir": out_dir,
        "use_cpu": job.device == "cpu",
        "bf16": job.dtype == "bfloat16",
        "gradient_checkpointing": False,
        "max_length": None,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": rows_per_step // micro,
        "max_steps": steps,
        "train_sampling_strategy": "sequential",  # the rows are shuffled already
        "learning_rate": LEARNING_RATE,
        "max_grad_norm": CLIP,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": job.device == "cuda",
        "seed": job.seed,
    }


def load(job: Job) -> Any:
    """The model of the job, in float32 and with torch's fused attention."""
    scores = job.objective in REWARDS
    kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    return kind.from_pretrained(
        Path(job.folder) / "model", dtype=torch.float32, attn_implementation="sdpa"
    )


def make_trainer(job: Job, rows: Rows, args: dict[str, Any], stamps: Stamps | None) -> Any:
    """The trainer of the objective, with its data tokenised and its reference computed."""
    trainer = build_trainer(job, rows, args, stamps)
    trainer.remove_callback(PrinterCallback)
    seed_adapters(trainer.model)
    if stamps is not None:
        trainer.model.register_forward_pre_hook(stamps.count, with_kwargs=True)
    return trainer


def build_trainer(job: Job, rows: Rows, args: dict[str, Any], stamps: Stamps | None) -> Any:
    """The trainer as TRL makes it."""
    folder = Path(job.folder) / "model"
    common: dict[str, Any] = {
        "model": load(job),
        "processing_class": AutoTokenizer.from_pretrained(folder),
        "train_dataset": Dataset.from_list(
            [{k: v for k, v in r.items() if k != "keys"} for r in rows]
        ),
        "callbacks": [] if stamps is None else [stamps],
    }
    if job.mode == "lora":
        common["peft_config"] = LoraConfig(
            r=LORA_RANK,
            lora_alpha=2 * LORA_RANK,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="SEQ_CLS" if job.objective in REWARDS else None,
            modules_to_save=["score"] if job.objective in REWARDS else None,
        )
    if job.objective in REWARDS:
        return RewardTrainer(args=RewardConfig(**args), **common)
    if job.objective == "sft":
        return SFTTrainer(args=SFTConfig(**args), **common)
    args = args | {"beta": BETA, "precompute_ref_log_probs": True}
    if job.objective == "kto":
        return KTOTrainer(args=KTOConfig(**args), **common)
    loss = "ipo" if job.objective == "ipo" else "sigmoid"
    return DPOTrainer(args=DPOConfig(loss_type=[loss], **args), **common)


def time_reference(trainer_class: Any) -> list[float]:
    """Have the trainer's reference pass timed; the list holds its seconds once it has run."""
    seconds: list[float] = []
    original = trainer_class._precompute_ref_logps

    def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        result = original(self, *args, **kwargs)
        seconds.append(time.perf_counter() - begin)
        return result

    trainer_class._precompute_ref_logps = timed
    return seconds


def trained_tokens(dataset: Dataset, prompt_tokens: int) -> int:
    """How many tokens the trainer learns from in one pass over its data.

    Of reward models, tokens of replies: `prompt_tokens` of the pairs' prompts are not counted.
    """
    if "prompt_ids" not in dataset.column_names and "chosen_ids" in dataset.column_names:
        held = sum(len(ids) for name in ("chosen_ids", "rejected_ids") for ids in dataset[name])
        return held - 2 * prompt_tokens
    if "labels" in dataset.column_names:
        return sum(label != -100 for labels in dataset["labels"] for label in labels)
    names = [
        c for c in ("chosen_ids", "rejected_ids", "completion_ids") if c in dataset.column_names
    ]
    return sum(len(ids) for name in names for ids in dataset[name])


def prompt_tokens(job: Job, rows: Rows) -> int:
    """Tokens of the rows' prompts; 0 where there are none by themselves."""
    if job.objective not in REWARDS:
        return 0
    tokenizer = AutoTokenizer.from_pretrained(Path(job.folder) / "model")
    texts = [row["prompt"] for row in rows]
    return sum(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))


def reply_logps(job: Job, trainer: Any, rows: Rows) -> dict[str, float]:
    """The untrained model's log-probability of each reply (SFT: of each row), by key."""
    data = trainer.train_dataset
    if job.objective in REWARDS:
        trainer.model.eval()
        found = {n: v for row in unique(rows) for n, v in row_scores(job, trainer.model, row)}
        trainer.model.train()
        return found
    if job.objective == "sft":
        columns = [sft_logps(job, trainer, data)]
        names = [["+".join(f"{t}/{i}" for t, i in row["keys"])] for row in rows]
    elif job.objective == "kto":
        columns, names = [data["ref_logps"]], [[f"{t}/{i}" for t, i in r["keys"]] for r in rows]
    else:
        columns = [data["ref_chosen_logps"], data["ref_rejected_logps"]]
        names = [[f"{t}/{i}" for t, i in row["keys"]] for row in rows]
    return {name: float(columns[c][r]) for r, row in enumerate(names) for c, name in enumerate(row)}


def sft_logps(job: Job, trainer: Any, data: Dataset) -> list[float]:
    """Summed log-probability of each row's labels by TRL's own head."""
    out = []
    with torch.no_grad(), trainer.accelerator.autocast():
        for row in data:
            batch = {k: v.to(trainer.args.device) for k, v in trainer.data_collator([row]).items()}
            out.append(float(trainer.model(**batch, fused_lm_head=True).log_probs.double().sum()))
    return out


def unique(rows: Rows) -> Rows:
    """The rows, each once: a warm-up repeats some."""
    return list({json.dumps(row["keys"]): row for row in rows}.values())


def row_scores(job: Job, model: Any, row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The model's score of each reply of a row, by key: plain transformers, one at a time."""
    tokenizer = AutoTokenizer.from_pretrained(Path(job.folder) / "model")
    for (turn, index), field in zip(row["keys"], ("chosen", "rejected"), strict=True):
        ids = tokenizer(row["prompt"] + row[field], add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids], device=model.device)).logits
        yield f"{turn}/{index}", float(logits[0, 0].double())


def row_logps(job: Job, model: Any, row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The model's log-probability of each reply of a row (SFT: of all together), by key.

    Plain transformers, one reply at a time: neither toolkit's arithmetic.
    """
    names = [f"{turn}/{index}" for turn, index in row["keys"]]
    if job.objective == "sft":
        examples = [("+".join(names), row["input_ids"], row["labels"])]
    else:
        tokenizer = AutoTokenizer.from_pretrained(Path(job.folder) / "model")

        def ids(text: str) -> list[int]:
            return list(tokenizer(text, add_special_tokens=False)["input_ids"])

        fields = ["completion"] if job.objective == "kto" else ["chosen", "rejected"]
        prompt = ids(row["prompt"])
        replies = [ids(row[field]) for field in fields]
        examples = [
            (name, prompt + reply, [-100] * len(prompt) + reply)
            for name, reply in zip(names, replies, strict=True)
        ]
    for name, tokens, labels in examples:
        with torch.no_grad():
            logits = model(torch.tensor([tokens], device=model.device)).logits[0, :-1].float()
        target = torch.tensor(labels[1:], device=model.device)
        trained = target != -100
        logps = logits[trained].log_softmax(-1).gather(1, target[trained][:, None])
        yield name, float(logps.double().sum())


def one_update(job: Job, rows: Rows) -> dict[str, Any]:
    """Log-probabilities before and after one step on the rows of all the turns named, in float32.

    The rows go through TRL at the fewest that it takes at a time, for memory's sake.
    """
    mine = [row for row in rows if all(turn in job.update for turn, _ in row["keys"])]

    def logps(model: Any) -> dict[str, float]:
        model = model.float().eval()
        of_row = row_scores if job.objective in REWARDS else row_logps
        return {name: value for row in mine for name, value in of_row(job, model, row)}

    before = logps(load(job).to(job.device))
    with tempfile.TemporaryDirectory() as out_dir:
        trainer = make_trainer(job, mine, settings(job, out_dir, 1, len(mine)), None)
        trainer.train()
    trained = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    return {"before": before, "after": logps(trained)}


def timed_run(job: Job, rows: Rows, memory: Memory) -> dict[str, Any]:
    """Train and time whole passes, after the warm-up."""
    size = min(job.pairs_per_step, len(rows))
    if len(rows) % size:
        raise SystemExit(f"{len(rows)} rows do not make whole steps of {size}")
    steps, warm = len(rows) // size * job.epochs, job.warm_steps or len(rows) // size
    ordered = rows[: warm * size] + rows * job.epochs
    profiler = Profiler(memory, job.device) if job.profile else None
    stamps = Stamps(job.device, warm, steps, profiler)
    with tempfile.TemporaryDirectory() as out_dir:
        kind = {"sft": SFTTrainer, "kto": KTOTrainer}.get(job.objective, DPOTrainer)
        compared = job.objective not in ("sft", *REWARDS)  # with a reference
        reference = time_reference(kind) if compared else []
        trainer = make_trainer(job, ordered, settings(job, out_dir, warm + steps, size), stamps)
        logps = reply_logps(job, trainer, ordered) if job.check else {}
        timed = trained_tokens(
            trainer.train_dataset.select(range(warm * size, len(ordered))),
            prompt_tokens(job, ordered[warm * size :]),
        )
        trainer.train()
    seconds, cpu = stamps.spent(0), stamps.spent(1)
    if len(seconds) != steps:
        raise SystemExit(f"timed {len(seconds)} steps instead of {steps}")
    result = {
        "seconds": sum(seconds),
        "cpu_seconds": sum(cpu),
        "step_seconds": seconds,
        "steps": steps,
        "trained_tokens": timed,
        "epoch_tokens": timed // job.epochs,
        "computed_tokens": stamps.tokens // job.epochs,
        "reference_seconds": sum(reference) * len(rows) / len(ordered),
        "logps": logps,
        "memory": memory.parts(trainer.model, profiler.peak if profiler else None),
    }
    if profiler is not None:
        result["profile"] = profiler.summary()
    return result


def main() -> None:
    """Do the job and answer."""
    job = Job.read(sys.argv)
    memory = Memory(job.device)
    torch.set_num_threads(job.threads)
    rows: Rows = [json.loads(x) for x in (Path(job.folder) / "rows.jsonl").read_text().splitlines()]
    if job.update:
        answer(one_update(job, rows))
    else:
        answer(timed_run(job, rows, memory), memory)


if __name__ == "__main__":
    main()
