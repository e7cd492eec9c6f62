"""How a model scores replies that were written down: perplexity and preference accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from handrail.models import Policy
from handrail.records import Turn
from handrail.trees import Renderer, TreeSettings, build_trees, pack


def likelihood(
    policy: Policy,
    renderer: Renderer,
    turns: Sequence[Turn],
    token_budget: int,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """How surprised a model is by the best replies, and how often a better reply is the likelier.

    `nats` and `tokens` hold the negative log-probability and the length of each best reply, with
    its turn in `best_turns`: perplexity per token is exp(sum of nats / sum of tokens).
    `preference` holds 1.0 or 0.0 per pair (summed log-probabilities compared), with the turn of
    each in `preference_turns`, so that intervals can be clustered. `unscored` counts the turns with
    a reply over the model's positions or the budget, which is in neither figure.
    `progress` is told (replies scored, of how many).
    """
    forest = build_trees(
        turns,
        renderer,
        TreeSettings(
            max_tokens=min(policy.max_positions or token_budget, token_budget),
            tree_tokens=token_budget,
            share_turns=0,
            on_long="skip",
        ),
    )
    nats: list[float] = []
    tokens: list[int] = []
    best: list[str] = []
    wins: list[float] = []
    names: list[str] = []
    scored: set[tuple[str, int]] = set()
    policy.model.eval()
    for batch in pack(forest.trees, token_budget):
        with torch.no_grad():
            logps_N = policy.logps(batch).float()
        logps_R = torch.zeros(batch.n_replies).index_add(0, batch.reply_N.cpu(), logps_N.cpu())
        scored.update(batch.refs)
        best_R = batch.best_R.cpu()
        nats += (-logps_R[best_R]).tolist()
        tokens += batch.length_R.cpu()[best_R].tolist()
        best += [batch.refs[reply][0] for reply in best_R.nonzero().flatten().tolist()]
        for better, worse in batch.pairs_P2.tolist():
            wins.append(float(logps_R[better] > logps_R[worse]))
            names.append(batch.refs[better][0])
        if progress is not None:
            progress(len(scored), forest.stats["replies"])
    return {
        "nats": nats,
        "tokens": tokens,
        "best_turns": best,
        "preference": wins,
        "preference_turns": names,
        "unscored": sum(any((t.id, i) not in scored for i in range(len(t.replies))) for t in turns),
    }
