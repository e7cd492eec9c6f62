"""Turns with feedback by simulated annotators: ranks, ratings and labels, and the truth apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from handrail.records import Reply, SettingError, Turn
from handrail.world import speak
from handrail.world.annotators import Annotators, perceived
from handrail.world.candidates import candidates
from handrail.world.generator import PROVENANCE, hear
from handrail.world.lexicon import joined
from handrail.world.quality import GROUNDED, KEPT, Quality, TrueQuality
from handrail.world.scene import Scene, new_scene
from handrail.world.script import Beat, beats
from handrail.world.settings import WorldSettings
from handrail.world.training import Point, choose

MOST = 16  # replies at a turn
TRUTH = "truth"  # the label that holds the true quality, where it is asked for
# Rules whose breaks are rude: they blame, use slang, or joke.
_RUDE = frozenset({"no_blame", "no_slang", "no_joke"})
# Labels as Open Assistant has them, each with the share of the annotators' noise that it gets:
# whether a reply is violent is plainer to see than how good it is.
_LABELS = {"helpfulness": 1.0, "creativity": 1.0, "humor": 0.5, "toxicity": 0.5, "violence": 0.3}


@dataclass(frozen=True)
class Feedback:
    """Turns with feedback, and beside them the truth, which training may not see.

    `truth[i][j]` is the true quality of reply j of turn i, in 0..1.
    """

    turns: list[Turn]
    truth: list[list[float]]


def feedback_turns(
    n: int,
    replies: int = 4,
    *,
    noise: float = 0.15,
    annotators: int | Annotators = 3,
    seed: int = 0,
    truth_label: bool = False,
    settings: WorldSettings | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Feedback:
    """Turns with replies of every quality, each ranked, rated and labelled by annotators.

    handrail.world.feedback_turns(1000, replies=4, noise=0.1, seed=1).turns

    Each reply has a rank (1 best, ties equal), the labels quality, helpfulness, creativity, humor,
    toxicity and violence, and a rating, which is the label quality; all but the rank in 0..1, as
    means of five-point ratings. What the replies keep and break is not told.

    Args:
        n: how many turns. Turn i of a seed does not depend on it.
        replies: at each turn, 2 or more, all different.
        noise: of the annotators: 0 for people who all see the truth, and then equal qualities are
            equal ranks.
        annotators: how many people see each turn, or `Annotators`, which bring their own noise.
        seed: of conversations, replies and people. Conversations are those of `training_turns` of
            the same seed, so that data to train and to test on take different ones.
        truth_label: write the true quality as a label "truth" too. Never for data to train on.
        settings: of the conversations.
        progress: called as (stage, done, total).

    Raises:
        SettingError: a number that cannot be.
    """
    if not 2 <= replies <= MOST:
        raise SettingError(f"{replies} replies cannot be ranked here", f"Give 2 to {MOST}")
    if n < 1:
        raise SettingError(f"{n} is no number of turns", "Give 1 or more")
    people = annotators
    if not isinstance(people, Annotators):
        people = Annotators(people, noise, seed=seed)
    made = Feedback([], [])
    for scene, point, name in _points(seed, settings or WorldSettings()):
        rng = Random(f"feedback/{name}")
        texts = candidates(point, replies, rng)
        if len(texts) < replies:
            continue
        turn = _turn(scene, point, name)
        parts = TrueQuality().parts(turn, texts)
        said = _annotated(turn, texts, parts, people, rng)
        if truth_label:
            said = [_with_truth(reply, part) for reply, part in zip(said, parts, strict=True)]
        made.turns.append(turn.model_copy(update={"replies": tuple(said)}))
        made.truth.append([part.value for part in parts])
        if progress is not None:
            progress("feedback", len(made.turns), n)
        if len(made.turns) == n:
            break
    return made


def _points(seed: int, settings: WorldSettings) -> Iterator[tuple[Scene, Point, str]]:
    """Where agents must speak, conversation after conversation; the trunk keeps all rules."""
    for index in count():
        scene = new_scene(seed, index, settings)
        playbook = scene.playbook()
        for number, beat in enumerate(beats(scene)):
            hear(scene, beat)
            point = choose(scene, beat, playbook)
            yield scene, point, f"world-feedback-{seed}-{index}-t{number}"
            scene.messages.append(("assistant", speak.text_of(point.chosen)))


def _turn(scene: Scene, point: Point, name: str) -> Turn:
    beat: Beat = point.beat
    return Turn(
        id=name,
        provenance=PROVENANCE,
        conversation_id=name.rsplit("-", 1)[0],
        playbook=point.playbook,
        context=point.context,
        tags={
            "set": "world",
            "category": scene.topic.domain,
            "topic": scene.topic.id,
            "stage": beat.stage,
            "lang": "en",
            "scale": "0..1",
        },
    )


def _annotated(
    turn: Turn, texts: list[str], parts: list[Quality], people: Annotators, rng: Random
) -> list[Reply]:
    """The replies with what annotators say of them."""
    ranks = people.rank([part.value for part in parts], rng)
    biases = people.draw(rng)
    rated = {"quality": people.rate([perceived(p.value) for p in parts], biases, rng)}
    degrees = [_degrees(turn, text, part) for text, part in zip(texts, parts, strict=True)]
    for label, share in _LABELS.items():
        rated[label] = people.rate([d[label] for d in degrees], biases, rng, share)
    return [
        Reply(
            text=text,
            author="world",
            rank=rank,
            rating=rated["quality"][i],
            labels={label: values[i] for label, values in rated.items()},
        )
        for i, (text, rank) in enumerate(zip(texts, ranks, strict=True))
    ]


def _degrees(turn: Turn, text: str, part: Quality) -> dict[str, float]:
    """What annotators agree on about a reply, besides its quality, but for noise.

    Helpfulness leaves naturalness out of the quality; creativity grows with the words, as nothing
    else in this world is creative; the others tell whether a reply jests, is rude, is violent.
    """
    helps = part.matter * (KEPT * part.kept + GROUNDED * part.grounded) / (KEPT + GROUNDED)
    jests = bool(joined("jests").search(text) or joined("small_talk").search(text))
    broken = set(part.breaks)
    guardrails = turn.playbook.guardrails if turn.playbook else ()
    rude = any(g.family in _RUDE for g in guardrails if g.id in broken)
    return {
        "helpfulness": perceived(helps),
        "creativity": min(0.8, 0.2 + len(set(text.lower().split())) / 100),
        "humor": 0.6 if jests else 0.1,
        "toxicity": 0.7 if rude else 0.0,
        "violence": 0.0,
    }


def _with_truth(reply: Reply, part: Quality) -> Reply:
    return reply.model_copy(update={"labels": {**reply.labels, TRUTH: part.value}})
