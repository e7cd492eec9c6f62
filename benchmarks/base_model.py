"""What the packaged base model can and cannot do; one JSON line per question.

    python benchmarks/base_model.py --turns 200 --samples 16

- `fluency`: the oracle's three dimensions on replies sampled at every turn of unseen
  conversations, beside the world's own unfiltered agents at the same turns.
- `headroom`: at turns where a guardrail applies, the mean reply against the best of n.
- `binding`: a reply that keeps a rule against one that breaks it, with the rule in the playbook
  and with it taken out. What grows with the rule is tied to the rule.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from handrail import world
from handrail.models import ModelSettings, Policy, load_policy
from handrail.records import DIMENSIONS, Playbook, SamplingParams, Turn
from handrail.sampling import LocalSampler
from handrail.trees import Renderer, build_trees, pack

SEED = 7_000_001  # no recipe and no training run draws from it


def main() -> None:
    """Print one JSON line per question."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="world")
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    policy = load_policy(given.model, ModelSettings(dtype="auto"))
    sampler = LocalSampler(policy, Renderer(policy.tokenizer))
    for result in (
        fluency(sampler, given.turns),
        headroom(sampler, given.turns, given.samples),
        *binding(policy, given.turns),
    ):
        print(json.dumps(result), flush=True)


def fluency(sampler: LocalSampler, n: int) -> dict[str, object]:
    """Shares of acceptable replies: the model's (temperature 0.7) and the world's agents'."""
    turns = [t for c in world.generate(n, SEED) for t in world.turns(c)][:n]
    oracle = world.Oracle()
    drawn = sampler.sample(turns, SamplingParams(temperature=0.7, max_tokens=96))
    sides = {
        "model": [oracle.assess(t, s[0].text or "-") for t, s in zip(turns, drawn, strict=True)],
        "agents": [oracle.assess(t, t.replies[0].text) for t in turns],
    }
    shares = {
        side: {
            d: round(float(np.mean([bool(a.acceptable(d)) for a in found])), 3) for d in DIMENSIONS
        }
        for side, found in sides.items()
    }
    return {"question": "fluency", "turns": len(turns), **shares}


def headroom(sampler: LocalSampler, n: int, samples: int) -> dict[str, object]:
    """Adherence of the mean sample and of the best of `samples`, by the oracle."""
    turns = world.training_turns(n, SEED)[:n]
    oracle = world.Oracle()
    drawn = sampler.sample(turns, SamplingParams(n=samples, temperature=0.7, max_tokens=96))
    kept = np.array(
        [
            [not oracle.assess(turn, s.text or "-").breaks for s in row]
            for turn, row in zip(turns, drawn, strict=True)
        ]
    )
    return {
        "question": "headroom",
        "turns": len(turns),
        "samples": samples,
        "mean": round(float(kept.mean()), 3),
        "best": round(float(kept.any(1).mean()), 3),
    }


def binding(policy: Policy, n: int) -> list[dict[str, object]]:
    """By kind of break: the chosen reply's lead in nats, with the rule and without it."""
    turns = [t for t in world.training_turns(n, SEED) if len(t.replies[1].breaks) == 1]
    turns = [t for t in turns if t.playbook and len(t.playbook.guardrails) > 1][:n]
    bare = [
        t.model_copy(update={"playbook": _without(t.playbook, t.replies[1].breaks)})
        for t in turns
        if t.playbook
    ]
    present, absent = leads(policy, turns), leads(policy, bare)
    kinds: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for turn in turns:
        kinds[turn.tags["break"]].append((present[turn.id], absent[turn.id]))
    out: list[dict[str, object]] = []
    for kind, pairs in sorted(kinds.items()):
        with_N, without_N = np.array(pairs).T
        out.append(
            {
                "question": "binding",
                "kind": kind,
                "turns": len(pairs),
                "chosen_likelier_with_rule": round(float((with_N > 0).mean()), 3),
                "chosen_likelier_without": round(float((without_N > 0).mean()), 3),
                "nats_from_rule": round(float((with_N - without_N).mean()), 2),
            }
        )
    return out


def _without(playbook: Playbook, ids: Sequence[str]) -> Playbook:
    return Playbook(guardrails=tuple(g for g in playbook.guardrails if g.id not in ids))


def leads(policy: Policy, turns: Sequence[Turn]) -> dict[str, float]:
    """Log p(chosen) - log p(rejected), summed over tokens, per turn."""
    forest = build_trees(turns, Renderer(policy.tokenizer))
    found: dict[str, float] = {}
    for batch in pack(forest.trees, 8192):
        with torch.no_grad():
            logps_N = policy.logps(batch).float()
        logps_R = torch.zeros(batch.n_replies).index_add(0, batch.reply_N, logps_N)
        for better, worse in batch.pairs_P2.tolist():
            found[batch.refs[better][0]] = float(logps_R[better] - logps_R[worse])
    return found


if __name__ == "__main__":
    main()
