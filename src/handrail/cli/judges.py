"""Judges by name, as `--judge` and `--protocol` take them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from handrail.cli.console import count
from handrail.records import (
    Assessor,
    Grader,
    HandrailWarning,
    Judge,
    LanguageModel,
    SettingError,
    Turn,
    nearest,
)

if TYPE_CHECKING:
    from handrail.asking import Prompts
    from handrail.judges import References

AnyJudge: TypeAlias = Judge | Assessor | Grader
OpenModel: TypeAlias = Callable[[str], LanguageModel]

NAMED = ("auto", "oracle", "rules")
RULES = ("checks", "length", "shorter", "first", "random")
PAIRS = ("bins", "assess", "helpful", "leaderboard", "mt-pair")  # assess: each by itself, then bins
GRADERS = ("mt-single", "rubric", "refusal", "safety")
PROTOCOLS = (*PAIRS, *GRADERS)


@dataclass(frozen=True)
class Material:
    """What some judges need besides their model.

    `references`: turn id to reference answers (mt-pair, mt-single, rubric). `rubric`: its
    "criterion" and "1" to "5". `seed`: of `rule:random`. `margin`: within which two rewards tie.
    """

    references: References | None = None
    rubric: Mapping[str, str] | None = None
    seed: int = 0
    margin: float = 0.0


def make_judge(
    spec: str,
    *,
    protocol: str = "bins",
    open_model: OpenModel | None = None,
    prompts: Prompts | None = None,
    turns: Sequence[Turn] = (),
    material: Material | None = None,
) -> AnyJudge:
    """The judge of this name.

    Args:
        spec: "oracle" (the care world's), "rules" (the checks of each playbook), "auto" (the
            oracle where all of `turns` are the care world's, else the rules), "rule:NAME" (checks,
            length, shorter, first, random), "model:NAME" (a language model), "reward:PATH" (a
            reward model by folder or hub name, or what else `open_scorer` takes).
        protocol: how a language model judges: bins, assess, helpful, leaderboard, mt-pair compare
            two replies; mt-single, rubric, refusal, safety grade one.
        open_model: gives the model of a name; by default `handrail.cli.llm.open_model`.
        prompts: the prompt files; by default the packaged ones.
        turns: what will be judged, for "auto" and for a warning where the oracle knows none.
        material: references, rubric, seed, margin.

    Warns with a `HandrailWarning` where the oracle is asked for and turns are not the care world's.

    Raises:
        HandrailError: an unknown name or protocol, a rubric that is missing or wrong, a model that
            cannot be opened.
    """
    given = material or Material()
    kind, colon, name = spec.partition(":")
    if spec in NAMED:
        return _named(spec, turns)[0]
    if kind not in ("rule", "model", "reward") or not colon or not name:
        known = [*NAMED, *(f"rule:{rule}" for rule in RULES), "model:NAME", "reward:PATH"]
        raise SettingError(f"unknown judge '{spec}'", nearest(spec, known))
    if kind == "rule":
        return _rule(name, given)
    if kind == "reward":
        from handrail.cli.rewarding.scorers import open_scorer
        from handrail.judges import RewardJudge

        return RewardJudge(open_scorer(name), given.margin)
    check_protocol(protocol)
    if protocol == "rubric" and given.rubric is None:
        raise SettingError(
            "the protocol 'rubric' needs a rubric",
            "Name a file with --rubric (rubric= in Python)",
        )
    return _model((open_model or _opened)(name), protocol, prompts, given)


def why_auto(spec: str, turns: Sequence[Turn]) -> str:
    """Why "auto" is the judge that it is; "" for a judge that was named."""
    return _named(spec, turns)[1] if spec == "auto" else ""


def check_protocol(protocol: str) -> None:
    """Raises `SettingError` for a protocol that there is not."""
    if protocol not in PROTOCOLS:
        raise SettingError(f"unknown protocol '{protocol}'", nearest(protocol, PROTOCOLS))


def _named(spec: str, turns: Sequence[Turn]) -> tuple[Assessor, str]:
    """The oracle or the checks, and why it is this one where it was not named."""
    from handrail.judges import RuleAssessor
    from handrail.world import Oracle, is_ours

    foreign = sum(not is_ours(turn) for turn in turns)
    told = f"{foreign:,} of {count(len(turns), 'turn')} not made by the care world"
    if spec == "rules":
        return RuleAssessor(), ""
    if spec == "auto":
        if foreign:
            return RuleAssessor(), f"{told}, so the checks of each playbook judge adherence only"
        return Oracle(), "every turn is the care world's"
    warn_foreign(turns)
    return Oracle(), ""


def warn_foreign(turns: Sequence[Turn]) -> None:
    """Warn where the care world's oracle is to judge turns that are not its own."""
    from handrail.world import is_ours

    foreign = sum(not is_ours(turn) for turn in turns)
    if foreign:
        told = f"{foreign:,} of {count(len(turns), 'turn')} not made by the care world"
        text = (
            f"the oracle knows the care world only ({told}), so its figures say nothing of other "
            "conversations. Judge those by their playbooks: --judge rules (judge='rules')"
        )
        warnings.warn(text, HandrailWarning, stacklevel=5)


def _opened(name: str) -> LanguageModel:
    from handrail.cli import llm

    return llm.open_model(name)


def _rule(name: str, given: Material) -> AnyJudge:
    from handrail.judges import RuleAssessor, RuleJudge

    if name not in RULES:
        raise SettingError(f"there is no rule '{name}'", nearest(name, RULES))
    return RuleAssessor("rule:checks") if name == "checks" else RuleJudge(name, given.seed)


def _model(
    model: LanguageModel, protocol: str, prompts: Prompts | None, given: Material
) -> AnyJudge:
    from handrail import judges

    references = given.references
    made: dict[str, Callable[[], Any]] = {
        "bins": lambda: judges.BinsJudge(model, prompts),
        "assess": lambda: judges.ModelAssessor(model, prompts),
        "helpful": lambda: judges.HelpfulJudge(model, prompts),
        "leaderboard": lambda: judges.LeaderboardJudge(model, prompts),
        "mt-pair": lambda: judges.MTPairJudge(model, prompts, references),
        "mt-single": lambda: judges.MTSingleGrader(model, prompts, references),
        "rubric": lambda: judges.RubricGrader(model, given.rubric or {}, prompts, references),
        "refusal": lambda: judges.RefusalGrader(model, prompts),
        "safety": lambda: judges.SafetyGrader(model, prompts),
    }
    judge: AnyJudge = made[protocol]()
    return judge


def read_rubric(path: str | Path) -> dict[str, str]:
    """A rubric from YAML or JSON: `criterion`, and what each of `1` to `5` means.

    Raises:
        HandrailError: the file cannot be read, or a text is missing.
    """
    from handrail.cli.files import read_config
    from handrail.judges import checked_rubric

    return checked_rubric(read_config(path), str(path))
