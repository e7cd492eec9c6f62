"""A small reward model and forests of ranked and rated replies, the same in every process."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from trainertoys import RUN, conversation, policy, sentence

from handrail.models import ModelSettings, RewardModel, new_reward
from handrail.objectives import BradleyTerry, Objective, Rating
from handrail.records import Reply, Turn
from handrail.training import TrainSettings
from handrail.trees import Forest, TreeSettings

TREES = TreeSettings(max_tokens=512, tree_tokens=1024)
SEVERAL = RUN.model_copy(update={"token_budget": 520})  # several micro-batches a step

OBJECTIVES: dict[str, Objective] = {
    "bradley_terry": BradleyTerry(centring=0.01),
    "rating/logistic": Rating("logistic"),
    "rating/sigmoid_mse": Rating("sigmoid_mse"),
    "rating/mse": Rating("mse"),
}


def turns(n: int = 6, seed: int = 0, k: int = 3) -> list[Turn]:
    """Conversations with ranked and rated replies: more "refund", less "sorry" is better."""
    rng = random.Random(seed)
    made = []
    for number in range(n):
        for turn in conversation(1000 * seed + number, 1 + number % 2):
            replies = []
            for rank in range(k):
                words = ["refund"] * (3 * (k - 1 - rank)) + ["sorry"] * 3 * rank
                words += sentence(rng).split()[:2]
                rng.shuffle(words)
                rating = 1.0 - rank / (k - 1)
                replies.append(Reply(text=" ".join(words), rank=rank + 1, rating=rating))
            made.append(turn.model_copy(update={"replies": tuple(replies)}))
    return made


def reward(at: Path, mode: Any = "full", seed: int = 0, **options: Any) -> RewardModel:
    """A new head on the tiny Llama of the trainer's tests."""
    folder = at / f"base-{seed}"
    if not (folder / "config.json").exists():
        policy(seed=seed).save(folder)
    settings = ModelSettings(mode=mode, lora_rank=4, device="cpu", **options)
    return new_reward(folder, settings)


def forest(model: RewardModel, n: int = 6, seed: int = 0) -> Forest:
    """One tree per conversation."""
    return model.build(turns(n, seed), TREES)


def run(objective: str, base: Path, out: Path, settings: TrainSettings = SEVERAL) -> None:
    """Train a reward model by one objective, with evaluations."""
    from handrail.training import train

    model = reward(base)
    evaluated = forest(model, 2, seed=1)
    train(model, forest(model), OBJECTIVES[objective], settings, out, eval_forest=evaluated)
