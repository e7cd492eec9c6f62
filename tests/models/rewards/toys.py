"""Small reward models with random weights, and what is scored by them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handrail.models import ModelSettings, RewardModel, new_reward, random_policy
from handrail.models.rewards.causal import CausalReward
from handrail.records import Message, Turn
from handrail.trees import Renderer, TokenTree
from tests.models.configs import configs
from tests.models.oracle import sequences
from tests.trees import toys

Pairs = list[tuple[Turn, str]]


def base(at: Path, name: str = "llama-grouped-heads", tokenizer: Any = None, **config: Any) -> Path:
    """A language model in a folder, its random weights large enough for attention to matter."""
    made = configs()[name]
    for key, value in config.items():
        setattr(made, key, value)
    policy = random_policy(made, tokenizer or toys.tokenizer())
    torch.manual_seed(1)
    with torch.no_grad():
        for p in policy.model.parameters():
            p.add_(torch.randn_like(p) * (0.15 if p.ndim > 1 else 0.05))
    return policy.save(at)


def reward(
    at: Path, name: str = "llama-grouped-heads", tokenizer: Any = None, **settings: Any
) -> CausalReward:
    """A reward model with a new head on such a language model."""
    made = new_reward(base(at, name, tokenizer), ModelSettings(device="cpu", **settings))
    assert isinstance(made, CausalReward)
    return made


def pairs() -> Pairs:
    """Replies to turns of conversations under one playbook, and to turns without one."""
    turns = [
        turn.model_copy(update={"playbook": book})
        for book in (None, toys.playbook(1))
        for turn in toys.conversation_turns(2, seed=1, words=3)
    ]
    rng = random.Random(0)
    alone = [
        Turn(context=(Message(role="user", content=toys.sentence(rng, n)),)) for n in (1, 5, 30)
    ]
    texts = ["yes", "yes please", "no, never that", "", "x " * 40]
    return [(turn, text) for turn in [*turns, *alone] for text in texts]


@torch.inference_mode()
def alone(model: RewardModel, given: Pairs) -> list[float]:
    """Each score by a sequence of its own through transformers' own class, in order."""
    renderer, out = Renderer(model.tokenizer), []
    for turn, reply in given:
        ids = torch.tensor([[*renderer.prompt_ids(turn), *renderer.reply_ids(reply)]])
        out.append(float(model.inner(input_ids=ids, use_cache=False).logits[0, 0]))
    return out


def padded_scores(model: Any, tree: TokenTree, pad: int, left: bool = False) -> Tensor:
    """Scores (R,) of a tree's replies by transformers, from a padded batch with a mask."""
    rows = [ids for ids, _ in sequences(tree)]
    length = max(map(len, rows))
    ids_RT = torch.full((len(rows), length), pad)
    mask_RT = torch.zeros(len(rows), length, dtype=torch.long)
    for n, ids in enumerate(rows):
        at = slice(length - len(ids), length) if left else slice(len(ids))
        ids_RT[n, at] = torch.tensor(ids)
        mask_RT[n, at] = 1
    places_RT = (mask_RT.cumsum(1) - 1).clamp(min=0)
    told = {"attention_mask": mask_RT, "position_ids": places_RT, "use_cache": False}
    logits: Tensor = model(input_ids=ids_RT, **told).logits
    return logits[:, 0].float()
