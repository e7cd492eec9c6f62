"""Conversations of unfiltered agents, and turns with a kept and a broken reply to train on."""

from __future__ import annotations

from collections.abc import Sequence

from handrail.records import CheckResult, Conversation, Message, Provenance, Reply, Turn
from handrail.world import speak
from handrail.world.scene import Scene, new_scene
from handrail.world.script import Beat, beats
from handrail.world.settings import WorldSettings
from handrail.world.speak import Piece

PROVENANCE = Provenance(source="care world", licence="Apache-2.0", made_by="handrail.world")


def is_ours(turn: Turn) -> bool:
    """Whether a turn's provenance says that it is the care world's, as the oracle needs it."""
    return turn.provenance.made_by == PROVENANCE.made_by


def hear(scene: Scene, beat: Beat) -> None:
    """Add what the customer says and what the agent is then shown."""
    scene.messages.append(("user", beat.user))
    scene.messages.extend(("tool", text) for text in beat.tools)


def _unfiltered(scene: Scene, beat: Beat) -> list[Piece]:
    """Pieces of a reply by an agent that mostly follows its rules."""
    rng, settings = scene.rng, scene.settings
    applying = [a for a in scene.active if speak.applies(a, scene.messages)]
    own = {a.family.id: rng.random() < settings.keep for a in applying if a.family.own}
    stray, leaves = speak.strays(scene, beat)
    pieces = [] if leaves else speak.core(scene, beat, own)
    pieces += stray
    moments = beat.cues | {beat.stage}
    for active in applying:
        family = active.family
        if family.own:
            continue
        if family.forbids:
            if family.cues & moments and rng.random() < settings.forbidden:
                pieces.append(Piece(family.at, speak.kept(scene, active).text, family.id, "act"))
        elif rng.random() < settings.keep:
            pieces.append(speak.kept(scene, active))
        else:
            mode = rng.choices(("omit", "loose", "wrong"), (0.6, 0.25, 0.15))[0]
            pieces.append(speak.missed(scene, active, mode))
    taken = {p.at for p in pieces if p.text}
    pieces += speak.setting(scene, beat, taken)
    pieces += speak.free_acts(scene, beat, taken, clean=False)
    pieces += terms(scene, pieces, rng.random() < settings.keep)
    return speak.tie(scene, pieces)


def terms(scene: Scene, pieces: list[Piece], keep: bool) -> list[Piece]:
    """The act of `terms_offer`, which depends on what the reply itself offers."""
    active = scene.in_force.get("terms_offer")
    if active is None:
        return []
    if not active.guardrail.check.when.holds(scene.messages, speak.text_of(pieces)):
        return []
    return [speak.kept(scene, active) if keep else speak.missed(scene, active, "loose")]


def _spoken(scene: Scene, pieces: list[Piece]) -> str:
    text = speak.text_of(pieces).strip()
    return text or "I see."


def generate_one(index: int, seed: int, settings: WorldSettings) -> Conversation:
    """Conversation `index` of `seed`: the same whatever other conversations are made."""
    scene = new_scene(seed, index, settings)
    for beat in beats(scene):
        hear(scene, beat)
        scene.messages.append(("assistant", _spoken(scene, _unfiltered(scene, beat))))
    return Conversation(
        id=f"world-{seed}-{index}",
        provenance=PROVENANCE,
        messages=scene.context(),
        playbook=scene.playbook(),
        tags={"topic": scene.topic.id, "domain": scene.topic.domain},
    )


def generate(
    n: int, seed: int, settings: WorldSettings | None = None, start: int = 0
) -> list[Conversation]:
    """Conversations `start` to `start + n` of the world's unfiltered agents, playbooks attached.

    About a third of their replies break a guardrail. Conversation i of a seed never depends on n.
    """
    settings = settings or WorldSettings()
    return [generate_one(i, seed, settings) for i in range(start, start + n)]


def judged(turn_playbook: object, context: Sequence[Message], text: str) -> tuple[list, list]:
    """The guardrails that a reply keeps and breaks, by their checks."""
    results = turn_playbook.results(tuple(context), text)  # type: ignore[attr-defined]
    keeps = [g for g, r in results.items() if r is CheckResult.KEPT]
    breaks = [g for g, r in results.items() if r is CheckResult.BROKEN]
    return keeps, breaks


def turns(conversation: Conversation) -> list[Turn]:
    """One turn per agent message: its context, and the message as reply, judged by the checks."""
    out: list[Turn] = []
    for i, message in enumerate(conversation.messages):
        if message.role != "assistant":
            continue
        context = conversation.messages[:i]
        keeps: list[str] = []
        breaks: list[str] = []
        if conversation.playbook is not None:
            keeps, breaks = judged(conversation.playbook, context, message.content)
        reply = Reply(
            text=message.content, author="agent", keeps=tuple(keeps), breaks=tuple(breaks)
        )
        out.append(
            Turn(
                id=f"{conversation.id}-{len(out)}",
                provenance=conversation.provenance,
                conversation_id=conversation.id,
                playbook=conversation.playbook,
                context=context,
                replies=(reply,),
                tags=conversation.tags,
            )
        )
    return out
