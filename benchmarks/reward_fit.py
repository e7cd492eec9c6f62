"""One reward model: its data balanced, trained, and its scores of held-out replies measured."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handrail.models import ModelSettings, RewardModel
from handrail.models.rewards import new_reward
from handrail.models.rewards.encoder import EncoderReward
from handrail.objectives import BradleyTerry, Rating
from handrail.records import Turn
from handrail.rewards.data.augment import NgramEmbedder, augmenter
from handrail.rewards.data.balance import Balance
from handrail.rewards.data.balancing import balance
from handrail.rewards.data.paraphrases import RuleParaphraser
from handrail.training import TrainSettings, train
from handrail.trees import TreeSettings

PREFERENCE = "bradley_terry"


@dataclass(frozen=True)
class Fit:
    """How a reward model is trained.

    `loss`: "bradley_terry", "logistic", "sigmoid_mse" or "mse"; `means`: against uneven ratings, as
    `Balance.parse` reads them; `prompts`: of a step (of ratings four times as many replies).
    """

    base: str
    loss: str = PREFERENCE
    means: str = "none"
    epochs: int = 1
    prompts: int = 8
    rate: float = 1e-4
    max_tokens: int = 1024
    dtype: str = "float32"
    seed: int = 0

    def told(self) -> dict[str, Any]:
        """The settings, as a line of results has them."""
        return {
            "base": self.base if "/" not in self.base else Path(self.base).name,
            "epochs": self.epochs,
            "prompts": self.prompts,
            "rate": self.rate,
            "max_tokens": self.max_tokens,
            "dtype": self.dtype,
        }


def untrained(fit: Fit) -> RewardModel:
    """The model before training; its head is random."""
    how = ModelSettings(dtype=fit.dtype, seed=fit.seed)  # type: ignore[arg-type]
    reward = new_reward(fit.base, how)
    if isinstance(reward, EncoderReward):
        reward.on_long = "cut_context"  # when it scores, as in training
    return reward


def fitted(fit: Fit, turns: Sequence[Turn]) -> tuple[RewardModel, dict[str, Any]]:
    """A trained reward model, and what it was trained on."""
    method = Balance.parse(fit.means)
    ready = list(turns)
    if method.active:
        by_rule = augmenter(RuleParaphraser(), NgramEmbedder())
        ready = list(balance(turns, method, seed=fit.seed, augmenter=by_rule).turns)
    reward = untrained(fit)
    ratings = fit.loss != PREFERENCE
    trees = TreeSettings(
        max_tokens=fit.max_tokens, tree_tokens=8192, share_turns=fit.prompts, on_long="cut_context"
    )
    forest = reward.build(ready, trees)
    # Table 5 of the thesis, but for the rate, which is that of a small model.
    settings = TrainSettings(
        learning_rate=fit.rate,
        epochs=fit.epochs,
        batch_size=4 * fit.prompts if ratings else fit.prompts,
        schedule="cosine",
        warmup=0.03,
        beta2=0.95,
        max_grad_norm=0.3,
        seed=fit.seed,
        checkpoint_every=0,
    )
    objective = Rating(loss=fit.loss) if ratings else BradleyTerry()  # type: ignore[arg-type]
    folder = Path(tempfile.mkdtemp(prefix="reward-"))
    try:
        result = train(reward, forest, objective, settings, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    reward.model.eval()
    done = {
        "steps": result.steps,
        "tokens": result.tokens,
        "train_turns": len(ready),
        "train_replies": sum(len(t.replies) for t in ready),
        "left_out": sum(s.count for s in result.skipped if s.what != "context"),
        "cut": sum(s.count for s in result.skipped if s.what == "context"),
    }
    return reward, done


def scores_of(reward: RewardModel, turns: Sequence[Turn]) -> list[np.ndarray]:
    """Raw scores of every reply of each turn, NaN where one does not fit."""
    flat = reward.score_all([(t, r.text) for t in turns for r in t.replies])
    ends = np.cumsum([len(t.replies) for t in turns])[:-1]
    return np.split(np.array(flat, np.float64), ends)


def as_ratings(loss: str, scores: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Raw scores of a model of ratings as ratings in 0..1."""
    return [s if loss == "mse" else 1 / (1 + np.exp(-s)) for s in scores]


def pair_accuracy(scores: Sequence[np.ndarray], gold: Sequence[np.ndarray]) -> tuple[float, int]:
    """Share of pairs with different gold values that the scores order alike, ties half; pairs."""
    right, n = 0.0, 0
    for s, g in zip(scores, gold, strict=True):
        better, worse = np.nonzero(g[:, None] > g[None, :])
        gap = s[better] - s[worse]
        known = np.isfinite(gap)
        right += (gap[known] > 0).sum() + 0.5 * (gap[known] == 0).sum()
        n += int(known.sum())
    return right / max(n, 1), n


def range_errors(said: Sequence[np.ndarray], gold: Sequence[np.ndarray]) -> dict[str, float | int]:
    """MSE and MAE up to 0.4, between, and from 0.9 on: the columns of tables 6 and 7."""
    x, y = np.concatenate(said), np.concatenate(gold)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    out: dict[str, float | int] = {}
    ranges = {"low": y <= 0.4, "high": y >= 0.9, "middle": (y > 0.4) & (y < 0.9), "all": y >= 0}
    for name, keep in ranges.items():
        apart = x[keep] - y[keep]
        out[f"n_{name}"] = int(keep.sum())
        out[f"mse_{name}"] = float((apart**2).mean()) if keep.any() else float("nan")
        out[f"mae_{name}"] = float(np.abs(apart).mean()) if keep.any() else float("nan")
    return out
