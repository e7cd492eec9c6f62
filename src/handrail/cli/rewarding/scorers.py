"""Scorers by name, as `eval`, `select`, `score` and `--judge reward:` take them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handrail.records import ModelError, Scorer, SettingError, Turn, called

if TYPE_CHECKING:
    from handrail.rewards.evaluating.kept import KeptScorer

OpenModel = Callable[[str], Scorer]
RULE, LANGUAGE = "rule:", "model:"
COMBINED = (".yaml", ".yml")
NEAR = 0.75  # of difflib's ratio: "lenght" is 0.83 of "length"; "random-model" 0.67 of "random"


def open_scorer(spec: str, open_model: OpenModel | None = None) -> Scorer:
    """The scorer of a name.

    Args:
        spec: a reward model by folder or hub name; a YAML file of a combined reward (docs/
            rewards.md); a rule as "length" or "rule:length" (playbook, length, shorter, random,
            overlap, constant); "model:NAME", a language model that grades from 1 to 10; a file of
            scores (FILE.jsonl, or FILE.jsonl:MODEL of one that holds several models'). A
            leading "reward:" changes nothing.
        open_model: opens what is no rule and no combined reward, these' parts too; by default
            it loads a trained reward model, or a language model that grades.

    Raises:
        HandrailError: an unknown rule, a file that is not as it should be, or a model that cannot
            be opened, also where a rule's name is near to what is given.
    """
    name = plain_name(spec)
    if name.startswith(RULE):
        from handrail.rewards.combining.rules import RuleScorer

        return RuleScorer(name.removeprefix(RULE))
    if is_scores(name):
        from handrail.rewards.evaluating.scores import file_scorer

        return file_scorer(name)

    def opened(model: str) -> Scorer:
        check_spelling(model)
        return (open_model or _open)(model)

    if is_combined(name):
        from handrail.cli.files import read_config
        from handrail.rewards.combining.file import combined_of

        return combined_of(read_config(name), name, opened, _count_tokens)
    return opened(name)


def plain_name(spec: str) -> str:
    """A scorer's name without "reward:"; `rule:length` for "length", unless there is such a file.

    Raises:
        SettingError: nothing is named.
    """
    name = spec.removeprefix("reward:")
    if not name.strip():
        raise SettingError("no scorer is named", "Name a reward model's folder, or rule:length")
    from handrail.rewards.combining.rules import RULES

    return RULE + name if name in RULES and not Path(name).exists() else name


def check_spelling(name: str, also: Iterable[str] = ()) -> None:
    """Tell a rule that is spelt wrongly from a model, before the hub is asked for a model.

    What holds "/" or ":" is a path, a hub name or of another kind; what is near to no rule may be
    one of the hub's few names without an owner, such as gpt2.

    Args:
        name: of a scorer.
        also: names that count here besides the rules'.

    Raises:
        ModelError: there is no such file or folder, and the name is near to a rule's, not equal.
    """
    from handrail.rewards.combining.rules import RULES

    known = sorted({*RULES, *also})
    if name in known or "/" in name or ":" in name or Path(name).exists():
        return
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=NEAR)
    if near:
        raise ModelError(
            "there is no such rule and no such folder", f"Did you mean '{near[0]}'?", name
        )


def short_names(names: Sequence[str]) -> list[str]:
    """How reports call scorers: by the last part of a path, where that tells all of them apart.

    A training's `final` folder is called by its run.
    """
    short = [name if name.startswith((RULE, LANGUAGE)) else called(name) for name in names]
    return short if len(set(short)) == len(short) else list(names)


def is_combined(name: str) -> bool:
    """Whether a name is that of a file that combines rewards."""
    return name.lower().endswith(COMBINED)


def is_scores(name: str) -> bool:
    """Whether a name is that of a file of scores, "FILE.jsonl" or "FILE.jsonl:MODEL"."""
    return ".jsonl" in Path(name.partition(":")[0].lower()).suffixes


def _open(name: str, llm: Mapping[str, Any] | None = None) -> Scorer:
    """A trained reward model, or a language model that grades."""
    if name.startswith(LANGUAGE):
        from handrail.asking import Prompts
        from handrail.cli.llm import open_model
        from handrail.cli.rewarding.graded import GradedScorer

        settings = dict(llm or {})
        prompts = Prompts(settings.pop("prompts", None))
        return GradedScorer(open_model(name.removeprefix(LANGUAGE), **settings), prompts)
    from handrail.models import ModelSettings, load_reward

    return load_reward(name, ModelSettings(dtype="auto"))


def kept(name: str, folder: Path | None, llm: Mapping[str, Any] | None = None) -> KeptScorer:
    """The model of a name, opened when a score is missing in the files of `folder`.

    Raises:
        ModelError: there is no such model.
    """
    from handrail.rewards.evaluating.costs import Opened
    from handrail.rewards.evaluating.kept import KeptScorer

    def opened() -> Opened:
        scorer: Any = _open(name, llm)
        ledger = (lambda: scorer.model.spent) if name.startswith(LANGUAGE) else None
        return Opened(scorer, _parameters(scorer), _counter(scorer), ledger)

    return KeptScorer(name, opened, folder, _identity(name, llm))


def _identity(name: str, llm: Mapping[str, Any] | None) -> str:
    """What tells two models of one name apart: where they are, their files' sizes and times."""
    if name.startswith(LANGUAGE):
        return str((llm or {}).get("base_url", ""))
    where = Path(name)
    if not where.is_dir():
        where = _on_hub(name)
    files = sorted(path for path in where.rglob("*") if path.is_file()) if where.is_dir() else []
    stats = [(str(path.relative_to(where)), path.stat()) for path in files]
    told = [f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]
    return "\n".join([str(where.resolve()) if files else str(where), *told])


def _on_hub(name: str) -> Path:
    """Where the hub's model of this name is: the folder of a copy, or the name itself.

    Raises:
        ModelError: there is none; said before anything is scored.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    from handrail.models.load import resolve_model

    where = Path(resolve_model(name))
    if where.is_dir() or not constants.is_offline_mode():
        return where
    copy = try_to_load_from_cache(name, "config.json")
    if not isinstance(copy, str):
        raise ModelError(
            "there is no such folder, and no such model in the hub's cache",
            "Check the path, or unset HF_HUB_OFFLINE to fetch it from the hub",
            name,
        )
    return Path(copy).parent


def _parameters(scorer: Any) -> int | None:
    """How many weights a scorer's model has."""
    weights = getattr(getattr(scorer, "model", None), "parameters", None)
    return None if weights is None else sum(weight.numel() for weight in weights())


def _counter(scorer: Any) -> Callable[..., int] | None:
    """What counts the tokens of a prompt with its reply."""
    renderer = getattr(scorer, "renderer", None)
    if renderer is None:
        return None

    def counted(turn: Turn, reply: str) -> int:
        if not hasattr(renderer, "join"):
            return len(renderer.prompt_ids(turn)) + len(renderer.reply_ids(reply))
        prompt, (ids,) = renderer.encode(turn, [reply])  # an encoder's, which may be cut
        return min(len(renderer.join(prompt, ids).ids), scorer.max_positions or 2**31)

    return counted


def _count_tokens(name: str) -> Callable[[str], int]:
    """What counts the tokens of a text, by the tokenizer of a model."""
    from transformers import AutoTokenizer

    from handrail.models.load import resolve_model
    from handrail.models.whole import quietly

    tokenizer = quietly(resolve_model(name), AutoTokenizer.from_pretrained)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
