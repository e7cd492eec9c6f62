"""Agreement of the oracle with labels given by hand to replies that no generator wrote.

The labels were written down before the oracle was first run on them; the few mended later say so
in the data (`relabelled`). The oracle was improved on the first files, so their figure says how
well it fits known wordings; the held-out file was never used to improve it, and its figure is the
one to quote for wordings that the oracle has not met.

A later round of 200 replies was written before its author had read the oracle's code. It was
measured before any change for it (FIRST_CONTACT), then its first 100 and, after a second
measurement, 50 more were opened to improve the oracle; the last 50 stayed sealed. Their author and
the oracle's improver are one, so the first contact is the strictest figure.

The third round's 550 replies are of three other hands, who knew the rules' wordings and the format
of these files and nothing of the oracle. 300 were opened after the first contact; whoever improved
the oracle has seen nothing of the other 250 but figures.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from handrail.records import Message, Playbook, Turn
from handrail.world import Oracle, guardrail

FOLDER = Path(__file__).parent / "handwritten"
DEVELOPED = ("bank", "telecom", "retail", "mixed", "fine", "fresh")
HELD_OUT = ("heldout",)
OPENED = ("later_a", "later_b_open", "third_open")
SEALED = {"later, sealed": "later_b_sealed", "third, sealed": "third_sealed"}
# Agreement in percent: adherence, naturalness, hallucination, all three.
FIRST_CONTACT = {
    "later, first 100": (88.0, 91.0, 91.0, 74.0),
    "later, second 100": (86.0, 88.0, 90.0, 69.0),
    "later, sealed 50 of these": (84.0, 84.0, 94.0, 66.0),
    "third, opened 300": (82.7, 92.3, 91.7, 71.3),
    "third, sealed 250": (85.6, 96.0, 91.6, 76.8),
}
SECOND_CONTACT = {"later, second 100": (92.0, 90.0, 90.0, 75.0)}
# What the oracle reached on sealed replies, less one reply: below it something was lost.
SEALED_FLOOR = {
    "later, sealed": {"adherence": 0.96, "naturalness": 0.92, "hallucination": 0.96},
    "third, sealed": {"adherence": 0.936, "naturalness": 0.968, "hallucination": 0.944},
}
ROLES = {"user": "user", "agent": "assistant", "facts": "tool"}
DIMENSIONS = ("adherence", "naturalness", "hallucination")


@dataclass(frozen=True)
class Labelled:
    """One reply with what a person says of it."""

    where: str
    turn: Turn
    reply: str
    breaks: frozenset[str]
    natural: bool
    invented: tuple[str, ...]
    relabelled: bool


@dataclass(frozen=True)
class Judged:
    """The label and what the oracle says."""

    label: Labelled
    breaks: frozenset[str]
    natural: bool
    invented: tuple[str, ...]

    @property
    def agrees(self) -> dict[str, bool]:
        return {
            "adherence": self.breaks == self.label.breaks,
            "naturalness": self.natural == self.label.natural,
            "hallucination": bool(self.invented) == bool(self.label.invented),
        }


def _turn(scene: dict) -> Turn:
    rules = tuple(guardrail(name, **values) for name, values in scene["rules"].items())
    pairs = [next(iter(message.items())) for message in scene["context"]]
    context = tuple(Message(role=ROLES[who], content=str(text)) for who, text in pairs)
    return Turn(playbook=Playbook(guardrails=rules), context=context)


@lru_cache
def read(names: tuple[str, ...]) -> list[Labelled]:
    """All labelled replies of the named files, in order."""
    labelled = []
    for name in names:
        for scene in yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")):
            turn = _turn(scene)
            for number, reply in enumerate(scene["replies"]):
                labelled.append(
                    Labelled(
                        where=f"{scene['id']}[{number}]",
                        turn=turn,
                        reply=reply["say"],
                        breaks=frozenset(reply.get("breaks", ())),
                        natural=reply.get("natural", True),
                        invented=tuple(reply.get("invented", ())),
                        relabelled="relabelled" in reply,
                    )
                )
    return labelled


@lru_cache(maxsize=8)
def judged(names: tuple[str, ...]) -> tuple[Judged, ...]:
    """Every reply of the named files with the oracle's assessment."""
    oracle = Oracle()
    results = []
    for label in read(names):
        found = oracle.assess(label.turn, label.reply)
        assert found.natural is not None
        results.append(Judged(label, frozenset(found.breaks), found.natural, tuple(found.invented)))
    return tuple(results)


def figures(results: tuple[Judged, ...]) -> dict[str, float]:
    """Share of agreement: per dimension, on all three, and per pair of rule and reply."""
    n = len(results)
    shares = {d: sum(r.agrees[d] for r in results) / n for d in DIMENSIONS}
    shares["all three"] = sum(all(r.agrees.values()) for r in results) / n
    rules = sum(len(r.label.turn.playbook.guardrails) for r in results)
    wrong = sum(len(r.breaks ^ r.label.breaks) for r in results)
    shares["per guardrail"] = 1 - wrong / rules
    return shares


def _report(title: str, results: tuple[Judged, ...], record: Callable[[str, object], None]) -> str:
    shares = figures(results)
    line = f"{title}, {len(results)} replies: " + ", ".join(
        f"{name} {share:.1%}" for name, share in shares.items()
    )
    print(line)
    # A warning, because its text is in the output of every run without further switches.
    warnings.warn(line, stacklevel=2)
    for name, share in shares.items():
        record(f"{title} {name}", round(share, 4))
    return line


def _disagreements(results: tuple[Judged, ...]) -> str:
    lines = []
    for r in results:
        if not all(r.agrees.values()):
            lines.append(f"{r.label.where}: {r.label.reply}")
            if r.breaks != r.label.breaks:
                lines.append(f"   breaks {sorted(r.breaks)}, by hand {sorted(r.label.breaks)}")
            if r.natural != r.label.natural:
                lines.append(f"   natural {r.natural}, by hand {r.label.natural}")
            if bool(r.invented) != bool(r.label.invented):
                lines.append(f"   invented {r.invented}, by hand {r.label.invented}")
    return "\n".join(lines)


@pytest.mark.filterwarnings("always")
def test_agreement_with_labels_by_hand(record_property: Callable[[str, object], None]) -> None:
    results = judged(DEVELOPED)
    line = _report("by hand", results, record_property)
    shares = figures(results)
    details = f"{line}\n{_disagreements(results)}"
    assert all(shares[d] >= 0.95 for d in DIMENSIONS), details
    assert shares["all three"] >= 0.90, details


@pytest.mark.filterwarnings("always")
def test_agreement_held_out(record_property: Callable[[str, object], None]) -> None:
    results = judged(HELD_OUT)
    line = _report("held out", results, record_property)
    shares = figures(results)
    # No list of disagreements here: whoever reads it would tune the oracle to these replies.
    assert all(shares[d] >= 0.90 for d in DIMENSIONS), line


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("part", OPENED)
def test_agreement_on_the_opened_later_replies(
    part: str, record_property: Callable[[str, object], None]
) -> None:
    results = judged((part,))
    line = _report(part, results, record_property)
    shares = figures(results)
    assert all(shares[d] >= 0.95 for d in DIMENSIONS), f"{line}\n{_disagreements(results)}"


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("title", SEALED)
def test_agreement_on_sealed_replies(
    title: str, record_property: Callable[[str, object], None]
) -> None:
    results = judged((SEALED[title],))
    line = _report(title, results, record_property)
    for contact, kept in (("first contact", FIRST_CONTACT), ("second contact", SECOND_CONTACT)):
        for part, percents in kept.items():
            if part.startswith(title.partition(",")[0]):
                named = zip((*DIMENSIONS, "all three"), percents, strict=True)
                told = ", ".join(f"{name} {share}%" for name, share in named)
                warnings.warn(f"{contact}, {part}: {told}", stacklevel=1)
    shares = figures(results)
    # No list of disagreements here either.
    assert all(shares[d] >= floor for d, floor in SEALED_FLOOR[title].items()), line


@pytest.mark.parametrize(
    ("names", "n"),
    [
        (("later_a", "later_b_open", "later_b_sealed"), 200),
        (("third_open", "third_sealed"), 550),
    ],
)
def test_later_data_is_varied(names: tuple[str, ...], n: int) -> None:
    labels = read(names)
    assert len(labels) == n
    assert not any(label.relabelled for label in labels)
    assert len({g.id for label in labels for g in label.turn.playbook.guardrails}) >= 45
    assert len({rule for label in labels for rule in label.breaks}) >= 45
    assert 0.45 <= sum(bool(x.breaks) for x in labels) / len(labels) <= 0.6
    assert sum(bool(x.invented) for x in labels) >= 40
    assert sum(not x.natural for x in labels) >= 25
    for label in labels:
        assert label.breaks <= {g.id for g in label.turn.playbook.guardrails}, label.where
        assert all(span in label.reply for span in label.invented), label.where


def test_data_is_varied() -> None:
    labels = read(DEVELOPED)
    assert len(labels) >= 180
    assert len(read(HELD_OUT)) == 40
    families = Counter(rule.id for label in labels for rule in label.turn.playbook.guardrails)
    assert len(families) >= 30
    broken = {rule for label in labels for rule in label.breaks}
    assert len(broken) >= 60
    fine = sum(not x.breaks and x.natural and not x.invented for x in labels) / len(labels)
    assert 0.35 <= fine <= 0.55
    assert sum(not x.natural for x in labels) >= 30
    assert sum(bool(x.invented) for x in labels) >= 40
    assert all(span in label.reply for label in labels for span in label.invented)


def test_few_labels_were_mended() -> None:
    labels = read(DEVELOPED)
    assert sum(label.relabelled for label in labels) / len(labels) < 0.04


def test_no_reply_twice_in_one_scene() -> None:
    counts = Counter((label.where.split("[")[0], label.reply) for label in read(DEVELOPED))
    assert max(counts.values()) == 1
