"""What `handrail synthesize` does, as functions: `handrail.synthesize.guardrails(...)` and others.

found = handrail.synthesize.guardrails("talks.jsonl", "gpt-4o-mini", limit=20)
broken = handrail.synthesize.replies(found.turns, "gpt-4o-mini")
handrail.write("pairs.jsonl", broken.turns)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from handrail.asking import Prompts
from handrail.cli.files import as_turns, kind_of, read_records, some
from handrail.cli.synth_prompting import (
    Model,
    Progress,
    Turns,
    asking_of,
    classes,
    paraphrases,
    preferences,
    questions,
    score_prompts,
)
from handrail.records import Assessor, Conversation, Loaded, RecordError, Turn
from handrail.records.store import OnError

if TYPE_CHECKING:
    from handrail.cli.judges import OpenModel
    from handrail.synthesis import Asking, Broken, Found, Planned, Point

__all__ = [
    "Breaking",
    "Finding",
    "both",
    "classes",
    "guardrails",
    "paraphrases",
    "preferences",
    "questions",
    "replies",
    "score_prompts",
]

Talks = str | Path | Iterable[Conversation] | Loaded[Any]


@dataclass(frozen=True)
class Finding:
    """How guardrails are found.

    Attributes:
        at_most: guardrails per conversation.
        playbooks: "own": each conversation gets its own guardrails, as in the paper; "shared":
            those of all conversations; "given": none are found, and the playbooks that the
            conversations have are tagged by.
        least: the least similarity of two guardrails that are asked about for merging, 0 to 1.
    """

    at_most: int = 8
    playbooks: Literal["own", "shared", "given"] = "own"
    least: float = 0.25


@dataclass(frozen=True)
class Breaking:
    """How replies are broken.

    Attributes:
        kinds: of "omission", "forbidden act", "invented fact", "wrong tone"; empty: all.
        tries: at most so many replies are asked for at a turn.
        seed: of which guardrail is broken how.
    """

    kinds: tuple[str, ...] = ()
    tries: int = 4
    seed: int = 0


def guardrails(
    talks: Talks,
    model: Model = "world",
    *,
    finding: Finding | None = None,
    prompts: str | Path | Prompts | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Found:
    """Find the guardrails of conversations, and which agent messages follow them (stage 1).

    Args:
        talks: conversations, or a file of them.
        model: a language model, or its name as `handrail.open_model` takes it.
        finding: how many guardrails, and whose playbooks.
        prompts: a folder of prompts that go before the packaged ones.
        limit: the first so many conversations only.
        progress: called as (stage, done, total).

    Raises:
        HandrailError: nothing to read, or a model that cannot be asked.
    """
    from handrail.synthesis import find_guardrails, tag_by_playbooks

    how = finding or Finding()
    read = as_talks(talks).records[:limit]
    asking = asking_of(model, prompts)
    if how.playbooks == "given":
        return tag_by_playbooks(read, asking, progress)
    return find_guardrails(
        read, asking, how.at_most, how.playbooks, least=how.least, progress=progress
    )


def replies(
    turns: Turns,
    model: Model = "world",
    *,
    judge: Assessor | str | None = None,
    breaking: Breaking | None = None,
    prompts: str | Path | Prompts | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Broken:
    """For each turn whose reply keeps a guardrail, write one that breaks it (stage 2).

    Args:
        turns: with playbooks and replies that are marked with what they keep (`.turns` of
            `guardrails`), or a file of them.
        model: writes the replies; a language model or its name.
        judge: confirms them: an assessor, "oracle", "rules" or "model:NAME"; by default the model.
        breaking: kinds, tries and seed.
        prompts: a folder of prompts that go before the packaged ones.
        limit: so many points only, balanced as the whole is.
        progress: called as (stage, done, total).

    Raises:
        HandrailError: no reply is marked with a guardrail, or a model that cannot be asked.
    """
    how = breaking or Breaking()
    points = points_of(as_turns(turns).records, how, limit)
    asking = asking_of(model, prompts)
    return break_(points, asking, judge_of(judge, asking), how, progress)


def both(
    talks: Talks,
    model: Model = "world",
    *,
    finding: Finding | None = None,
    breaking: Breaking | None = None,
    judge: Assessor | str | None = None,
    prompts: str | Path | Prompts | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> tuple[Found, Broken | None]:
    """`guardrails`, then `replies` on its turns; None in place of the latter where there are none.

    `limit` is of conversations; the other arguments are those of the two.
    """
    asking = asking_of(model, prompts)
    found = guardrails(
        talks, asking.model, finding=finding, prompts=asking.prompts, limit=limit, progress=progress
    )
    if not found.turns:
        return found, None
    broken = replies(
        found.turns,
        asking.model,
        judge=judge,
        breaking=breaking,
        prompts=asking.prompts,
        progress=progress,
    )
    return found, broken


def as_talks(talks: Talks, on_error: OnError = "stop") -> Loaded[Conversation]:
    """Conversations from a file or from records.

    Raises:
        RecordError: a bad line, another kind of record, or nothing left to use.
    """
    if isinstance(talks, str | Path):
        kind = kind_of(talks)
        if kind is not Conversation:
            raise RecordError(
                f"this file holds {kind.__name__} records",
                "Name a file of conversations",
                str(talks),
            )
        return some(read_records(talks, on_error=on_error), talks)
    return talks if isinstance(talks, Loaded) else Loaded(list(talks))


def judge_of(
    judge: Assessor | str | None,
    asking: Asking,
    turns: Sequence[Turn] = (),
    open_model: OpenModel | None = None,
) -> Assessor:
    """The assessor that confirms replies: the one given, by its name, or the model itself.

    `open_model` opens the model of "model:NAME"; by default `handrail.open_model`.
    """
    from handrail.cli.judges import make_judge
    from handrail.judges import AssessorJudge, ModelAssessor
    from handrail.records import SettingError

    if judge is None:
        return ModelAssessor(asking.model, asking.prompts)
    if not isinstance(judge, str):
        return judge
    made = make_judge(
        judge, protocol="assess", open_model=open_model, prompts=asking.prompts, turns=turns
    )
    assessor = made.assessor if isinstance(made, AssessorJudge) else made
    if not isinstance(assessor, Assessor):
        raise SettingError(
            f"the judge '{judge}' compares replies, and here each is judged by itself",
            "Take oracle, rules or model:NAME",
        )
    return assessor


def points_of(turns: Sequence[Turn], breaking: Breaking, limit: int | None) -> list[Point]:
    """The points to be made; the first `limit` of them are balanced too."""
    from handrail.synthesis import KINDS, choose_points

    points, _ = choose_points(turns, breaking.seed, breaking.kinds or KINDS)
    return points[:limit]


def break_(
    points: Sequence[Point],
    asking: Asking,
    judge: Assessor,
    breaking: Breaking,
    progress: Progress | None,
) -> Broken:
    """Break the replies of these points."""
    from handrail.synthesis import KINDS, break_replies

    kinds = breaking.kinds or KINDS
    return break_replies(points, asking, judge, breaking.tries, progress, kinds)


def plan_of_both(
    talks: Sequence[Conversation], asking: Asking, judge: Assessor, finding: Finding
) -> list[Planned]:
    """What `both` will ask, about."""
    from dataclasses import replace

    from handrail.synthesis import plan_points, plan_replies

    likes = plan_replies(plan_points(talks), asking, judge)
    return [*plan_of(talks, asking, finding), *(replace(p, exact=False) for p in likes)]


def plan_of(talks: Sequence[Conversation], asking: Asking, finding: Finding) -> list[Planned]:
    """What `guardrails` will ask, about."""
    from handrail.synthesis import plan_guardrails, plan_tags

    if finding.playbooks == "given":
        return plan_tags(talks, asking)
    return plan_guardrails(talks, asking, finding.at_most)
