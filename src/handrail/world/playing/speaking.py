"""The agent's next message: the answer to what the customer said, and the acts that rules ask for.

A conversation of the world's is read backwards (what was asked, what the cards show), so that the
answer states only what it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from handrail.world.families import families
from handrail.world.phrases import table
from handrail.world.playing.asked import Asked, CannotPlay
from handrail.world.playing.oracle import KeptOracle
from handrail.world.playing.played import Played, as_text
from handrail.world.playing.rules import Known
from handrail.world.playing.templates import filled, pattern_of
from handrail.world.playing.topics import matter, slots_of
from handrail.world.scene import Topic
from handrail.world.source import straight
from handrail.world.speak import Piece, text_of

_TRIES = 12


def reply(asked: Asked, oracle: KeptOracle) -> Played:
    """A message that answers the customer and keeps every guardrail that applies.

    Of several drawn, the first that the oracle finds without fault, else the one with the fewest.
    """
    topic = matter(asked.context)
    if topic is None:
        raise CannotPlay("this is no conversation of the care world, and it knows no other matter")
    if not asked.context or asked.context[-1].role == "assistant":
        raise CannotPlay("it is the customer's turn to speak")
    rng = Random(asked.draw)
    best: tuple[int, str] | None = None
    for attempt in range(_TRIES):
        text = text_of(_pieces(asked, topic, rng, lean=attempt >= _TRIES // 2)).strip()
        one = oracle.assess(asked, text)
        faults = 4 * len(one.breaks) + 2 * (not one.natural) + bool(one.invented)
        if best is None or faults < best[0]:
            best = (faults, text)
        if not faults:
            break
    assert best is not None
    bare = text_of(_core(asked, topic, rng)).strip()
    return Played(best[1], as_text, [bare] if bare != best[1] else [])


def _pieces(asked: Asked, topic: Topic, rng: Random, lean: bool) -> list[Piece]:
    """The answer and the acts of the rules that apply; `lean`: no more than that."""
    slots = slots_of(asked.context)
    pieces = _core(asked, topic, rng)
    for one in asked.known.values():
        if _applies(one, asked) and not one.family.forbids and not one.family.own:
            pieces += _act(one, slots, rng)
    if not lean and not any(m.role == "assistant" for m in asked.context):
        taken = {piece.at for piece in pieces}
        if not taken & {"greet", "sorry_start", "name"}:
            pieces.append(Piece("greet", rng.choice(table("common")["greet"])))
        if "ask" not in taken:
            pieces.append(Piece("ask", "Could you tell me more about it?"))
    said = text_of(pieces)
    for one in asked.known.values():
        check = one.guardrail.check
        if check is not None and check.when.reply and check.when.holds(asked.pairs, said):
            pieces += _act(one, slots, rng)
    return pieces


def _applies(one: Known, asked: Asked) -> bool:
    check = one.guardrail.check
    return check is not None and not check.when.reply and check.when.holds(asked.pairs, "")


def _act(one: Known, slots: dict[str, str], rng: Random) -> list[Piece]:
    says = [filled(say, slots | one.slots, rng) for say in one.family.say]
    says = [say for say in says if say]
    return [Piece(one.family.at, rng.choice(says), one.family.id)] if says else []


def _core(asked: Asked, topic: Topic, rng: Random) -> list[Piece]:
    """The answer itself; where nothing fits, a sentence that holds the line."""
    slots = slots_of(asked.context)
    texts: list[str] = []
    for phrases in _answers(asked, topic):
        fitting = [text for text in (filled(p, slots, rng) for p in phrases) if text]
        if fitting:
            texts.append(rng.choice(fitting))
    pieces = [Piece("core", text) for text in texts or [rng.choice(table("common")["before"])]]
    if _asks("send", asked):
        say = rng.choice(families()["consent_send"].say)
        pieces.append(Piece("core_after", say, "consent_send"))
    return pieces


def _answers(asked: Asked, topic: Topic) -> list[Sequence[str]]:
    """Lists of phrasings that answer the newest message, one for each thing that it asks."""
    common, data = table("common"), topic.data
    newest = straight(next((m.content for m in reversed(asked.context) if m.role == "user"), ""))
    said = [m.content for m in asked.context if m.role == "assistant"]
    if not said:
        return [data["ack"]]
    if _has(common["okay"], newest):
        return [common["done_answer"]]
    if _has(common["agree"], newest) and ("shall i" in said[-1].lower() or "?" in said[-1]):
        return [data["action"]["done"]]
    if _has(data["action"]["want"], newest):
        asks = any(one.family.id == "confirm_action" for one in asked.known.values())
        return [data["action"]["confirm" if asks else "done"]]
    out: list[Sequence[str]] = []
    for ask in (*data["asks"], *common["general"].values()):
        if _has(ask["q"], newest):
            out.append(ask["a"])
    if out:
        return out
    if _has(common["bye"], newest):
        return [common["bye_answer"]]
    if _has(common["thanks"], newest):
        return [common["thanks_answer"]]
    return [data["answer"]] if asked.context[-1].role == "tool" else []


def _asks(name: str, asked: Asked) -> bool:
    newest = next((m.content for m in reversed(asked.context) if m.role == "user"), "")
    return _has(table("common")["general"][name]["q"], straight(newest))


def _has(templates: Iterable[str], text: str) -> bool:
    return any(pattern_of(template).search(text) for template in templates)
