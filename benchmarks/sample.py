"""Replies to the turns of conversations, beside transformers' own `generate`.

    python benchmarks/sample.py --turns 200 --rounds 3 --json

One process, the sides in turn, each round in the other order: the packaged model answers unseen
turns of the care world. `generate` gets prompts of like length together, padded on the left, in
batches of as many tokens as Handrail's. Greedy replies of the two must be equal (but for ties
within rounding, which are counted). Prints replies per second of each and their ratio; several
samples a prompt (`--samples`) are what feedback on a policy's own replies draws.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from common import machine, versions

from handrail import world
from handrail.models import ModelSettings, Policy, load_policy
from handrail.records import SamplingParams, Turn
from handrail.sampling import LocalSampler
from handrail.trees import Renderer

TEST_SEED = 9_000_001
BATCH_TOKENS = 24_576
LONGEST = 96


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=200, help="at least, in whole conversations")
    parser.add_argument("--samples", type=int, default=1, help="replies per turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="(always)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    policy = load_policy(world.world_model_path(), ModelSettings(dtype="float32", device="cpu"))
    renderer = Renderer(policy.tokenizer)
    turns = world.training_turns(given.turns // 4, TEST_SEED)
    sides: dict[str, Callable[[SamplingParams], list[str]]] = {
        "handrail": partial(by_handrail, policy, renderer, turns),
        "transformers": partial(by_transformers, policy, renderer, turns),
    }
    greedy = SamplingParams(temperature=0.0, max_tokens=LONGEST)
    plain = [side(greedy) for side in sides.values()]
    differing = sum(a != b for a, b in zip(*plain, strict=True))
    if differing > 0.02 * len(turns):
        raise SystemExit(f"{differing} of {len(turns)} greedy replies differ")
    params = SamplingParams(n=given.samples, temperature=0.7, max_tokens=LONGEST)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(given.rounds):
        for name in sorted(sides, reverse=number % 2 == 1):
            torch.manual_seed(number)
            start = time.perf_counter()
            sides[name](params.model_copy(update={"seed": number}))
            seconds[name].append(time.perf_counter() - start)
    replies = len(turns) * given.samples
    rate = {name: replies / statistics.median(taken) for name, taken in seconds.items()}
    ratios = [b / a for a, b in zip(seconds["handrail"], seconds["transformers"], strict=True)]
    line = {
        "benchmark": "sample",
        "turns": len(turns),
        "samples": given.samples,
        "rounds": given.rounds,
        "threads": given.threads,
        "replies_per_second": {name: round(value, 2) for name, value in rate.items()},
        "ratio": round(rate["handrail"] / rate["transformers"], 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "greedy_differ": differing,
        "machine": machine(),
        "versions": versions(),
    }
    print(json.dumps(line))


def by_handrail(
    policy: Policy, renderer: Renderer, turns: Sequence[Turn], params: SamplingParams
) -> list[str]:
    """The replies of every turn, one turn after the other."""
    sampler = LocalSampler(policy, renderer, batch_tokens=BATCH_TOKENS)
    return [sample.text for drawn in sampler.sample(turns, params) for sample in drawn]


def by_transformers(
    policy: Policy, renderer: Renderer, turns: Sequence[Turn], params: SamplingParams
) -> list[str]:
    """The same by `generate`, prompts of like length together."""
    prompts = [renderer.prompt_ids(turn) for turn in turns]
    order = sorted(range(len(turns)), key=lambda i: len(prompts[i]))
    model, replies = policy.causal_lm, {}
    model.eval()
    ours = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    how = {"do_sample": params.temperature > 0}
    if params.temperature:
        how |= {"temperature": params.temperature, "top_k": 0, "top_p": 1.0}
    while order:
        batch: list[int] = []
        while order:
            width = len(prompts[order[0]]) + LONGEST
            if batch and (len(batch) + 1) * params.n * width > BATCH_TOKENS:
                break
            batch.append(order.pop(0))
        width = max(len(prompts[i]) for i in batch)
        ids_BS = torch.full((len(batch), width), renderer.pad_id)
        mask_BS = torch.zeros_like(ids_BS)
        for row, i in enumerate(batch):
            ids_BS[row, width - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask_BS[row, width - len(prompts[i]) :] = 1
        with torch.no_grad():
            out = model.generate(
                input_ids=ids_BS,
                attention_mask=mask_BS,
                max_new_tokens=params.max_tokens,
                num_return_sequences=params.n,
                eos_token_id=list(renderer.stop_ids),
                pad_token_id=renderer.pad_id,
                **how,
            )
        texts = [_reply(row, width, renderer) for row in out.tolist()]
        for place, i in enumerate(batch):
            replies[i] = texts[place * params.n : (place + 1) * params.n]
    model.set_attn_implementation(ours)
    return [text for i in range(len(turns)) for text in replies[i]]


def _reply(ids: list[int], width: int, renderer: Renderer) -> str:
    """The text after the prompt, up to the first token that ends a reply."""
    new = ids[width:]
    end = next((k for k, token in enumerate(new) if token in renderer.stop_ids), len(new))
    return renderer.decode(new[:end]).strip()


if __name__ == "__main__":
    main()
