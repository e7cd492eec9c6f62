"""Score-based prompts: new questions where the scores of a model's answers are low.

Section 4.4 of the reference on prompts for RLHF ("on-policy prompts").
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from handrail.records import Answer, RecordError, Turn
from handrail.synthesis.ask import Asking, Progress, failed
from handrail.synthesis.merging import normal
from handrail.synthesis.prompts import QUIET, Made, Pool, asked_text


@dataclass(frozen=True)
class Scored(Made):
    """Score-based prompts, with what the model said: how often a domain was called weak, and why.

    `patterns` are its remarks on what questions with high scores have in common.
    """

    weak_domains: dict[str, int] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()


def scored_examples(
    turns: Sequence[Turn], tag: str = "domain"
) -> dict[str, list[dict[str, object]]]:
    """Per domain its questions with an answer and that answer's rating.

    Raises:
        RecordError: no reply has a rating, or none of the rated turns has the tag.
    """
    rated = [(t, r) for t in turns for r in t.replies[:1] if r.rating is not None and asked_text(t)]
    if not rated:
        raise RecordError(
            "no reply has a rating", "Let a reward model or a judge rate the replies first"
        )
    by_domain: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for turn, reply in rated:
        if tag in turn.tags:
            by_domain[turn.tags[tag]].append(
                {
                    "domain": turn.tags[tag],
                    "question": asked_text(turn),
                    "answer": reply.text,
                    "score": reply.rating,
                }
            )
    if not by_domain:
        raise RecordError(
            f"no turn with a rating has the tag '{tag}'", "Name the tag that holds the domain"
        )
    return dict(by_domain)


def score_draws(
    by_domain: dict[str, list[dict[str, object]]], rounds: int, per_domain: int, seed: int
) -> list[list[dict[str, object]]]:
    """The examples of each round: up to `per_domain` of each domain, drawn without replacement."""
    draws = []
    for number in range(rounds):
        chance = random.Random(f"{seed}/{number}")
        draws.append(
            [
                example
                for _, held in sorted(by_domain.items())
                for example in chance.sample(held, min(per_domain, len(held)))
            ]
        )
    return draws


def write_score_prompts(
    draws: Sequence[Sequence[dict[str, object]]],
    asking: Asking,
    count: int = 50,
    progress: Progress = QUIET,
) -> Scored:
    """New questions where a model does badly (section 4.4 of the reference on prompts for RLHF).

    The paper shows 15 questions of each domain, 40 times, and asks for 50 new ones each time.

    Args:
        draws: the examples of each round, as `score_draws` draws them.
        asking: the model and the prompt `score_prompts`.
        count: questions per round.
        progress: called as (stage, done, total).
    """
    answers = asking.ask(
        [
            asking.request("score_prompts", {"examples": list(d), "count": count}, sample=i)
            for i, d in enumerate(draws)
        ],
        lambda done, total: progress("score prompts", done, total),
    )
    pool = Pool(asking, "score_prompts")
    weak: Counter[str] = Counter()
    patterns: dict[str, None] = {}
    for number, (draw, answer) in enumerate(zip(draws, answers, strict=True), start=1):
        if not isinstance(answer, Answer):
            pool.skipped.append(failed(answer, "round", f"round {number}"))
            continue
        known = {normal(str(e["domain"])): str(e["domain"]) for e in draw}
        weak.update({known[normal(d)] for d in answer.data.weak_domains if normal(d) in known})
        patterns |= dict.fromkeys(p.strip() for p in answer.data.patterns if p.strip())
        for one in answer.data.questions[:count]:
            domain = known.get(normal(one.domain))
            if domain is None:
                pool.leave("its domain was not shown", one.domain)
            else:
                pool.add(one.question, {"domain": domain, "round": str(number)})
    made = Made(
        tuple(pool.turns),
        {"rounds": len(draws), "questions": len(pool.turns)},
        tuple(pool.skipped),
    )
    return Scored(made.turns, made.counts, made.skipped, dict(weak.most_common()), tuple(patterns))
