"""`handrail.train_reward`: turns with ranks or ratings, and a model, to a reward model's folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.cli.files import some_turns
from handrail.cli.fit import Fitted, Work, fit, held_out, size_of
from handrail.cli.fit_settings import check_loss, checked, resolve
from handrail.cli.places import placed
from handrail.records import Conversation, Loaded, Turn
from handrail.records.store import OnError
from handrail.rewards.data.learnable import learnable

if TYPE_CHECKING:
    from handrail.recipes.run import Progress

Data = str | Path | Iterable[Turn | Conversation] | Loaded[Turn]


def train_reward(
    data: Data,
    loss: str = "bradley_terry",
    *,
    model: str | Path = "world",
    out: str | Path = "runs/reward",
    settings: Mapping[str, Any] | None = None,
    eval_turns: Data | None = None,
    on_error: OnError = "stop",
    progress: Progress | None = None,
) -> Fitted:
    """Train a reward model on ranked or rated replies; its folder is `out/final`.

    handrail.train_reward("turns.jsonl", "logistic", model="./encoder", out="runs/rm")

    Args:
        data: turns with feedback, a file of them, or what `handrail.turns` read of it.
        loss: "bradley_terry" learns which replies are better; "logistic", "sigmoid_mse" and "mse"
            learn ratings in 0..1 (`handrail.prepare_rewards` makes them).
        model: a language model ("world", a folder, a hub name), an encoder, or a reward model's
            folder to go on with: pre-training on many votes, say, then fine-tuning.
        out: the run's folder. Stopped at any moment, the same call goes on from there.
        settings: any of the settings that `reward_settings` lists, by name.
        eval_turns: the same of turns to evaluate the loss on, which are not learnt from.
        on_error: what the loss cannot learn from (one reply alone, tied replies, a rating that is
            missing or outside 0..1, a reply over the budget): "stop", or "skip" and count it.
        progress: called as (stage, done, total, note).

    Raises:
        HandrailError: a setting, record or model that cannot be used; nothing to learn from.
    """
    given = dict(settings or {})
    check_loss(loss)
    if on_error == "skip":
        given.setdefault("on_long", "skip")
    loading = checked(loss, given, eval_turns is not None)
    read = _learnable(some_turns(data, "learn from"), loss, on_error)
    held = None
    if eval_turns is not None:
        held = _learnable(held_out(eval_turns, read.records), loss, on_error)

    from handrail.models.rewards import new_reward
    from handrail.models.rewards.encoder import EncoderReward

    reward = new_reward(model, loading)
    chosen = resolve(loss, given, reward.max_positions, size_of(reward))
    if isinstance(reward, EncoderReward):  # it scores as it was trained
        long = chosen["trees"].on_long
        reward.on_long = "cut_context" if long == "cut_context" else "skip"
    return fit(Work(reward, str(model), loss, chosen, reward.build), read, held, out, progress)


def _learnable(read: Loaded[Turn], loss: str, on_error: OnError) -> Loaded[Turn]:
    """`learnable`, whose errors name the file and line too."""
    with placed(read.file):
        return learnable(read, loss, on_error)
