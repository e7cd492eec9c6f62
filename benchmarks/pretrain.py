"""Training from scratch on trees, beside the same conversations as padded rows.

    python benchmarks/pretrain.py --rounds 5 --json

One process, alternating optimiser steps' forward and backward passes: trees that share a playbook
against rows of like length, padded on the right, through transformers' own attention. Same model,
same conversations, same trained tokens; the loss of the two must agree. Prints conversation tokens
per second of each and their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from common import machine, versions

from handrail import world
from handrail.models import ModelSettings, Policy
from handrail.models.load import from_scratch
from handrail.recipes.pretrain import WORLD, WORLD_SEED, learn_tokenizer
from handrail.recipes.rows import TEXT, Row, Step, batch_of, encode, epoch_steps
from handrail.recipes.small_model import PretrainSettings, new_model
from handrail.trees import Renderer

IGNORED = -100


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="(always)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings = PretrainSettings(dtype="float32")
    made = world.generate(given.conversations, WORLD_SEED, WORLD)
    tokenizer = learn_tokenizer(made, settings)
    policy = from_scratch(
        new_model(settings, tokenizer), tokenizer, ModelSettings(dtype="float32", device="cpu")
    )
    renderer = Renderer(tokenizer, style="guardrail")
    rows = [encode(c, renderer) for c in made]
    trees = epoch_steps(rows, settings, 0)
    padded = like_lengths(rows, settings.tokens_per_step)

    def by_trees(step: Step) -> torch.Tensor:
        return -policy.logps(batch_of(rows, step, TEXT)).sum()

    def by_rows(members: Sequence[int]) -> torch.Tensor:
        return padded_loss(policy, [rows[i] for i in members])

    sides: dict[str, tuple[Callable[..., torch.Tensor], list]] = {
        "trees": (by_trees, trees),
        "rows": (by_rows, padded),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    losses: dict[str, float] = {}
    for _ in range(given.rounds):
        for name, (loss_of, steps) in sides.items():
            start, total = time.perf_counter(), 0.0
            for step in steps:
                loss = loss_of(step)
                loss.backward()
                policy.model.zero_grad(set_to_none=True)
                total += loss.item()
            seconds[name].append(time.perf_counter() - start)
            losses[name] = total
    if abs(losses["trees"] / losses["rows"] - 1) > 1e-4:
        raise SystemExit(f"the losses differ: {losses}")
    tokens = sum(len(row.ids) for row in rows)
    rate = {name: tokens / statistics.median(taken) for name, taken in seconds.items()}
    line = {
        "benchmark": "pretrain",
        "conversations": len(rows),
        "share": settings.share,
        "rounds": given.rounds,
        "tokens_per_second": {name: round(value) for name, value in rate.items()},
        "ratio": round(rate["trees"] / rate["rows"], 2),
        "computed": round(sum(batch_of(rows, s, TEXT).n_tokens for s in trees) / tokens, 3),
        "machine": machine(),
        "versions": versions(),
    }
    print(json.dumps(line))


def like_lengths(rows: Sequence[Row], tokens: int) -> list[list[int]]:
    """Rows of like length together, up to so many tokens with their padding."""
    steps: list[list[int]] = [[]]
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i].ids)):
        if steps[-1] and (len(steps[-1]) + 1) * len(rows[i].ids) > tokens:
            steps.append([])
        steps[-1].append(i)
    return steps


def padded_loss(policy: Policy, rows: Sequence[Row]) -> torch.Tensor:
    """The summed loss of conversations side by side; logits at trained tokens alone."""
    width = max(len(row.ids) for row in rows)
    ids_BS = torch.zeros(len(rows), width, dtype=torch.long)
    target_BS = torch.full((len(rows), width), IGNORED)
    for i, row in enumerate(rows):
        ids_BS[i, : len(row.ids)] = torch.tensor(row.ids)
        trained = torch.tensor(row.kinds) >= TEXT
        target_BS[i, : len(row.ids)] = torch.where(trained, torch.tensor(row.ids), IGNORED)
    model = policy.causal_lm
    hidden = model.model(input_ids=ids_BS[:, :-1], use_cache=False).last_hidden_state
    target_BS = target_BS[:, 1:]
    wanted = target_BS != IGNORED
    return F.cross_entropy(model.lm_head(hidden[wanted]), target_BS[wanted], reduction="sum")


if __name__ == "__main__":
    main()
