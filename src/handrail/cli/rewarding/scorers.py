"""Scorers by name, as `eval`, `select`, `score` and `--judge reward:` take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from handrail.records import Scorer, SettingError

Wrap = Callable[[Scorer, str], Scorer]
RULE = "rule:"


def open_scorer(spec: str, wrap: Wrap | None = None) -> Scorer:
    """The scorer of a name.

    Args:
        spec: a reward model by folder or hub name; "rule:NAME" (playbook, length, shorter,
            random) or "length" for `rule:length`. A leading "reward:" changes nothing.
        wrap: called as `(scorer, its name)` with each model that was opened; what it gives is
            used in the model's place (one that keeps scores on disk).

    Raises:
        HandrailError: an unknown rule, or a model that cannot be opened.
    """
    name = spec.removeprefix("reward:")
    if not name.strip():
        raise SettingError("no scorer is named", "Name a reward model's folder, or rule:length")
    if name == "length" and not Path(name).exists():
        name = RULE + name
    if name.startswith(RULE):
        from handrail.rewards.rules import RuleScorer

        return RuleScorer(name.removeprefix(RULE))
    opened = _model(name)
    return opened if wrap is None else wrap(opened, name)


def _model(name: str) -> Scorer:
    from handrail.models.reward import load_reward

    return load_reward(name)
