"""Turns to train on: a reply that keeps every rule, and one with the same content that breaks some.

These are the records of the guardrail-alignment paper's stages 1 and 2, made by the world.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from handrail.records import Message, Playbook, Reply, Turn
from handrail.world import speak
from handrail.world.generator import PROVENANCE, hear, judged, terms
from handrail.world.scene import EVERY, Active, Scene, new_scene
from handrail.world.script import Beat, beats
from handrail.world.settings import WorldSettings
from handrail.world.speak import Piece

TRIES = 12


def _clean(scene: Scene, beat: Beat, applying: list[Active], lean: bool) -> list[Piece]:
    """Pieces of a reply that does what every applicable rule asks."""
    own = {a.family.id: True for a in applying if a.family.own}
    pieces = speak.core(scene, beat, own)
    for active in applying:
        if not active.family.own and not active.family.forbids:
            pieces.append(speak.kept(scene, active))
    taken = {p.at for p in pieces}
    if not lean:
        pieces += speak.setting(scene, beat, taken)
        pieces += speak.free_acts(scene, beat, taken, clean=True)
    elif beat.stage == "open" and "ask" not in taken and "max_questions" not in scene.in_force:
        pieces += [p for p in speak.setting(scene, beat, taken) if p.at == "ask"]
    pieces += terms(scene, pieces, keep=True)
    return pieces if lean else speak.tie(scene, pieces)


@dataclass
class Point:
    """A turn in the making: what the checks see, and the chosen reply."""

    scene: Scene
    beat: Beat
    playbook: Playbook
    context: tuple[Message, ...]
    applying: list[Active]
    chosen: list[Piece]

    def breaks(self, pieces: list[Piece]) -> list[str]:
        """The guardrails that these pieces break."""
        return judged(self.playbook, self.context, speak.text_of(pieces))[1]


def choose(scene: Scene, beat: Beat, playbook: Playbook) -> Point:
    """The reply that keeps all; leaner wording when a bound on words or questions needs it."""
    context = scene.context()
    applying = [a for a in scene.active if speak.applies(a, scene.messages)]
    best: tuple[int, list[Piece]] | None = None
    for attempt in range(TRIES):
        pieces = _clean(scene, beat, applying, lean=attempt >= TRIES // 2)
        point = Point(scene, beat, playbook, context, applying, pieces)
        n = len(point.breaks(pieces))
        if best is None or n < best[0]:
            best = (n, pieces)
        if n == 0:
            break
    assert best is not None
    return Point(scene, beat, playbook, context, applying, best[1])


def ways_to_break(point: Point) -> list[tuple[Active, str]]:
    """Every way to break an applicable rule here."""
    ways: list[tuple[Active, str]] = []
    spoken = {p.family for p in point.chosen}
    for active in point.applying + [a for a in point.scene.active if a.family.id == "terms_offer"]:
        family = active.family
        if family.forbids:
            fitting = bool(family.cues & (point.beat.cues | {point.beat.stage}))
            ways.append((active, "act" if fitting else "odd_act"))
        elif family.id in spoken:
            if family.kind == "order" and family.own:
                ways.append((active, "order"))
                continue
            ways += [(active, "omit"), (active, "loose")]
            if (family.params and family.say) or family.id == "reference":
                ways.append((active, "wrong"))
    return ways


def broken(point: Point, active: Active, mode: str) -> list[Piece]:
    """The chosen pieces with one rule broken."""
    scene, family = point.scene, active.family
    if mode in ("act", "odd_act"):
        act = Piece(family.at, speak.kept(scene, active).text, family.id, "act")
        return [*point.chosen, act]
    if mode == "order":
        if family.id == "confirm_action":
            phrases, at = scene.topic.data["action"]["done"], "core"
        else:
            phrases, at = list(family.broken), family.at
        new = Piece(at, speak.say(scene, phrases, {}), family.id, "act")
    elif family.id == "timeframe":
        new = Piece("core", speak.say(scene, list(family.loose), {}), family.id, "loose")
    else:
        new = speak.missed(scene, active, mode)
    return speak.swap(point.chosen, family.id, new)


def _reject(point: Point, seen: Counter[str]) -> tuple[list[Piece], list[str], str] | None:
    """A broken reply; kinds that were made less often so far come first, so that they balance."""
    ways = ways_to_break(point)
    rng = point.scene.rng
    rng.shuffle(ways)
    ways.sort(
        key=lambda w: (
            seen[w[1]] * _WEIGHT.get(w[1], 1.0)
            + 1.5 * seen[w[0].family.id]
            + (w[0].family.id in EVERY)
        )
    )
    for active, mode in ways[:TRIES]:
        pieces = broken(point, active, mode)
        if rng.random() < 0.15 and len(ways) > 1:
            second = rng.choice(ways)
            if second[0] is not active and second[1] not in ("act", "odd_act"):
                both = Point(**{**point.__dict__, "chosen": pieces})
                pieces = broken(both, *second)
        text, breaks = speak.text_of(pieces), point.breaks(pieces)
        if active.family.id in breaks and text.strip() and text != speak.text_of(point.chosen):
            return pieces, breaks, mode
    return None


# A kind's count times its weight is what is kept level; rare fits (odd_act) come last.
_WEIGHT = {"omit": 0.8, "odd_act": 3.0}


def training_turns(
    n_conversations: int, seed: int, settings: WorldSettings | None = None, start: int = 0
) -> list[Turn]:
    """Turns with a chosen reply (keeps all that applies) and a rejected one (breaks named rules).

    The trunk of a conversation is its chosen replies, so each context is the beginning of the
    next. A turn at which the two cannot be made (no rule applies, or two rules leave no room) has
    no record; the conversation goes on over it. Same seed, same turns; `start` skips
    conversations.
    """
    settings = settings or WorldSettings()
    out: list[Turn] = []
    for index in range(start, start + n_conversations):
        out += _conversation_turns(seed, index, settings)
    return out


def _conversation_turns(seed: int, index: int, settings: WorldSettings) -> list[Turn]:
    scene = new_scene(seed, index, settings)
    # Kinds are kept level within a conversation from a random start, so any subset is level too.
    seen: Counter[str] = Counter(
        {mode: scene.rng.randrange(3) for mode in ("omit", "loose", "wrong", "act", "order")}
    )
    playbook = scene.playbook()
    out: list[Turn] = []
    for number, beat in enumerate(beats(scene)):
        hear(scene, beat)
        point = choose(scene, beat, playbook)
        text = speak.text_of(point.chosen)
        keeps, broke = judged(playbook, point.context, text)
        rejected = _reject(point, seen) if keeps and not broke else None
        if rejected is not None:
            pieces, breaks, mode = rejected
            seen.update([mode, breaks[0]])
            out.append(_turn(scene, seed, index, number, point, (keeps, pieces, breaks, mode)))
        scene.messages.append(("assistant", text))
    return out


def _turn(
    scene: Scene,
    seed: int,
    index: int,
    number: int,
    point: Point,
    made: tuple[list[str], list[Piece], list[str], str],
) -> Turn:
    keeps, pieces, breaks, mode = made
    bad = speak.text_of(pieces)
    bad_keeps = judged(point.playbook, point.context, bad)[0]
    chosen = Reply(
        text=speak.text_of(point.chosen),
        author="world",
        rank=1,
        desirable=True,
        keeps=tuple(keeps),
    )
    rejected = Reply(
        text=bad,
        author="world",
        rank=2,
        desirable=False,
        keeps=tuple(bad_keeps),
        breaks=tuple(breaks),
    )
    return Turn(
        id=f"world-{seed}-{index}-t{number}",
        provenance=PROVENANCE,
        conversation_id=f"world-{seed}-{index}",
        playbook=point.playbook,
        context=point.context,
        replies=(chosen, rejected),
        tags={
            "topic": scene.topic.id,
            "domain": scene.topic.domain,
            "stage": point.beat.stage,
            "break": "act" if mode == "odd_act" else mode,
        },
    )
