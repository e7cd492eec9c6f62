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
        spec: a reward model by folder or hub name; a YAML file of a combined reward (docs/
            rewards.md); "rule:NAME" (playbook, length, shorter, random) or "length" for
            `rule:length`. A leading "reward:" changes nothing.
        wrap: called as `(scorer, its name)` with each model that was opened; what it gives is
            used in the model's place (one that keeps scores on disk).

    Raises:
        HandrailError: an unknown rule, a file that is not as it should be, or a model that cannot
            be opened.
    """
    name = spec.removeprefix("reward:")
    if not name.strip():
        raise SettingError("no scorer is named", "Name a reward model's folder, or rule:length")
    if name == "length" and not Path(name).exists():
        name = RULE + name
    if name.startswith(RULE):
        from handrail.rewards.rules import RuleScorer

        return RuleScorer(name.removeprefix(RULE))

    def opened(model: str) -> Scorer:
        made = _model(model)
        return made if wrap is None else wrap(made, model)

    if name.lower().endswith((".yaml", ".yml")):
        from handrail.cli.files import read_config
        from handrail.rewards.combined_file import combined_of

        return combined_of(read_config(name), name, opened, _count_tokens)
    return opened(name)


def _model(name: str) -> Scorer:
    from handrail.models.reward import load_reward

    return load_reward(name)


def _count_tokens(name: str) -> Callable[[str], int]:
    """What counts the tokens of a text, by the tokenizer of a model."""
    from transformers import AutoTokenizer

    from handrail.models.load import resolve_model
    from handrail.models.whole import quietly

    tokenizer = quietly(resolve_model(name), AutoTokenizer.from_pretrained)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
