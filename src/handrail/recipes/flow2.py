"""Flow 2 of the guardrail-alignment paper: can a bot learn from its own mistakes?

Three parts of the data: train, feedback, test. After SFT on the training part the bot answers the
feedback part itself; where the judge finds its answer different from and worse than the chosen
one, that answer becomes the rejected reply. IPO and KTO-pair then train on those pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handrail.recipes.corpus import Corpus
from handrail.recipes.flow import base_system, train_system
from handrail.recipes.language import refuse_unasked
from handrail.recipes.outcome import SeedOutcome
from handrail.recipes.prompts import fit_prompts
from handrail.recipes.run import Progress, Run, digest_records, quiet, read_json, write_json
from handrail.recipes.seeds import Flow, run_flow
from handrail.recipes.settings import FlowSettings
from handrail.recipes.speaking import speak
from handrail.recipes.systems import BASE, FLOW2, FLOW2_PAIRS, FLOW2_SFT
from handrail.records import (
    DIMENSIONS,
    Assessment,
    Assessor,
    JudgeError,
    Reply,
    RunError,
    Skip,
    Turn,
    assess_each,
    content_id,
    read_jsonl,
    write_jsonl,
)
from handrail.sources.rejected import Allows, refusal


def run_flow2(
    settings: FlowSettings, out: Path, progress: Progress = quiet, *, frozen: bool = False
) -> dict[str, Any]:
    """SFT, feedback on its own replies, alignment; returns the summary, writes the report."""
    return run_flow(FLOW, settings, out, progress, frozen=frozen)


def _one_seed(run: Run, settings: FlowSettings, corpus: Corpus, seed: int) -> SeedOutcome:
    base = base_system(run, settings, corpus)
    corpus, left_out = fit_prompts(run, settings, corpus, base, seed)
    sft = train_system(run, settings, FLOW2_SFT, corpus.train, base, seed)
    asked = corpus.shown(corpus.feedback)
    answers, facts = speak(run, settings, sft, asked, seed, purpose="feedback")
    spoilt = dict.fromkeys(facts.get("cut_at", ()), "the answer was cut off at reply_tokens")
    spoilt |= dict.fromkeys(facts.get("empty_at", ()), "the bot said nothing")
    turns, refused = _pairs(run, corpus, answers, spoilt, seed)
    if not turns:
        why = "; ".join(f"{skip.count:,}: {skip.reason}" for skip in refused)
        raise RunError(
            f"none of the bot's {len(answers):,} own answers makes a pair to learn from ({why})",
            "Give more feedback_points, or longer replies (reply_tokens) where they are cut off",
            str(run.folder),
        )
    trained = {BASE: base, sft.name: sft}
    for system in FLOW2:
        trained[system.name] = train_system(run, settings, system, turns, sft, seed)
    outcome = SeedOutcome(seed=seed, corpus=corpus)
    outcome.skipped += [*left_out, *refused]
    outcome.feedback_pairs = len(turns)
    for one in trained.values():
        outcome.add(one, *speak(run, settings, one, corpus.shown(corpus.test), seed))
    return outcome


FLOW = Flow(
    name="flow2",
    title="Flow 2",
    pairs=FLOW2_PAIRS,
    aligned="N1-SFT→IPO",
    one_seed=_one_seed,
    feedback=True,
)


def feedback_turns(
    turns: Sequence[Turn],
    answers: Sequence[Reply],
    assessor: Assessor,
    allows: Allows | None = None,
    spoilt: Mapping[int, str] | None = None,
) -> tuple[list[Turn], list[Skip]]:
    """Pairs of a chosen reply and the bot's own worse one.

    An answer is kept as the rejected reply only if it differs from the chosen one (and from others
    as good), the guidelines do not allow it, and the judge finds it worse: unacceptable on a
    dimension on which the chosen reply is acceptable, and acceptable on none on which the chosen
    reply is not. What is not kept is counted by reason. `allows`: what the guidelines say, if any.
    `spoilt`: why an answer is none of the bot's whole replies, by its place.

    Raises:
        RunError: the judge is a language model that was not asked about all of them.
    """
    reasons: Counter[str] = Counter()
    able: list[tuple[Turn, Reply, Reply]] = []
    for place, (turn, answer) in enumerate(zip(turns, answers, strict=True)):
        best = turn.best()
        if best is None:
            reasons["the turn has no chosen reply"] += 1
            continue
        chosen = turn.replies[best]
        worse_than_chosen = {b for a, b in turn.pairs() if a == best}
        good = [r.text for i, r in enumerate(turn.replies) if i not in worse_than_chosen]
        reason = (spoilt or {}).get(place) or refusal(turn, answer.text, good, allows)
        if reason:
            reasons[reason] += 1
            continue
        able.append((turn, chosen, answer))
    both = [(turn, reply.text) for turn, *two in able for reply in two]
    assessed = assess_each(assessor, both)
    refuse_unasked([one for one in assessed if isinstance(one, JudgeError)])
    judged = iter(assessed)
    kept: list[Turn] = []
    for turn, chosen, answer in able:
        good_one, bad_one = next(judged), next(judged)
        if isinstance(good_one, JudgeError) or isinstance(bad_one, JudgeError):
            reasons["the judge gave no judgement"] += 1
            continue
        if not _worse(good_one, bad_one):
            reasons["the judge does not find the answer worse"] += 1
            continue
        made = {"desirable": False, "rank": 2, "breaks": bad_one.breaks}
        rejected = answer.model_copy(update=made)
        better = chosen.model_copy(update={"desirable": True, "rank": 1})
        identity = content_id("turn", [turn.id, answer.text])
        kept.append(turn.model_copy(update={"id": identity, "replies": (better, rejected)}))
    skips = [
        Skip(what="feedback pair", reason=reason, count=count)
        for reason, count in sorted(reasons.items())
    ]
    return kept, skips


def _worse(good: Assessment, bad: Assessment) -> bool:
    """Whether the answer is worse on some dimension and better on none."""
    pairs = [(good.acceptable(d), bad.acceptable(d)) for d in DIMENSIONS]
    lost = any(a is True and b is False for a, b in pairs)
    won = any(a is False and b is True for a, b in pairs)
    return lost and not won


def _pairs(
    run: Run, corpus: Corpus, answers: Sequence[Reply], spoilt: Mapping[int, str], seed: int
) -> tuple[list[Turn], list[Skip]]:
    """`feedback_turns`; as a stage of the run where a language model judges."""
    given = (corpus.feedback, answers, corpus.assessor, corpus.allows, spoilt)
    if corpus.judge is None:
        return feedback_turns(*given)

    def make(folder: Path) -> None:
        turns, skips = feedback_turns(*given)
        write_jsonl(folder / "turns.jsonl", turns)
        write_json(folder / "skipped.json", [skip.model_dump() for skip in skips])

    inputs: dict[str, Any] = {
        "turns": digest_records(corpus.feedback),
        "answers": digest_records(answers),
        "judge": corpus.assessor.name,
        "spoilt": sorted(spoilt.items()),
    }
    if (allows := corpus.allows) is not None:
        asked = zip(corpus.feedback, answers, strict=True)
        inputs["allowed"] = [allows(turn, answer.text) for turn, answer in asked]
    folder = run.stage(f"seed{seed}-pairs", inputs, make)
    skips = [Skip(**one) for one in read_json(folder / "skipped.json")]
    return read_jsonl(folder / "turns.jsonl", Turn, on_error="skip").records, skips
