"""Faults come at their rates, are what they are called, and are the same in any order."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from scipy.stats import binomtest

from handrail.asking import BracketLetterReading, JsonReading, show
from handrail.records import Message, SettingError, Unreadable
from handrail.synthesis.forms import MergeForm
from handrail.world import Faults, Player, training_turns
from handrail.world.faults import REFUSAL, question_key
from tests.world.playing_helpers import prompt, said

READ = JsonReading(MergeForm)
TRUTH = Player()


def merges(n: int) -> list[tuple[Message, ...]]:
    return [prompt("merge", a=f"Be kind to {i} guests.", b="Be kind.") for i in range(n)]


def pairs(n: int) -> list[tuple[Message, ...]]:
    """Comparisons with a clear winner that is second and shorter."""
    talk = said(("user", "How do I bake bread?"))
    return [
        prompt(
            "mt_pair",
            conversation=talk,
            a=[f"No idea {i} " + "and so on " * 4],
            b=["Bake bread so: mix, bake."],
            reference=["Bake bread so: mix, bake."],
        )
        for i in range(n)
    ]


def within(count: int, n: int, rate: float) -> bool:
    """Whether a count is one of the likely ones (99.9 %) at a rate."""
    return bool(binomtest(count, n, rate).pvalue > 0.001)


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_wrong_answers_come_at_their_rate(rate: float) -> None:
    asked = merges(600)
    player = Player(Faults(wrong=rate, seed=2))
    heard = [player.play(one) for one in asked]
    wrong = sum(h.text != TRUTH.reply(m) for h, m in zip(heard, asked, strict=True))
    assert within(wrong, len(asked), rate)
    assert wrong == sum(h.fault == "wrong" for h in heard)
    assert all(READ.read(h.text) for h in heard)


@pytest.mark.parametrize("name", ["position_bias", "length_bias"])
def test_biases_move_comparisons_at_their_rate(name: str) -> None:
    asked = pairs(400)
    read = BracketLetterReading().read
    assert {read(TRUTH.reply(one)).letter for one in asked} == {"B"}
    player = Player(Faults(**{name: 0.25}))
    moved = sum(read(player.reply(one)).letter == "A" for one in asked)
    assert within(moved, len(asked), 0.25)


def test_a_bias_leaves_other_tasks_alone() -> None:
    player = Player(Faults(position_bias=0.5, length_bias=0.5))
    assert all(player.reply(one) == TRUTH.reply(one) for one in merges(50))


@pytest.mark.parametrize("name", ["refuse", "malformed", "truncate"])
def test_faults_of_the_answer_come_at_their_rate(name: str) -> None:
    asked = merges(500)
    player = Player(Faults(**{name: 0.2}))
    heard = [player.play(one) for one in asked]
    hit = [h for h in heard if h.fault == name]
    assert within(len(hit), len(asked), 0.2)
    for one, messages in zip(heard, asked, strict=True):
        assert bool(one.fault) == (one.text != TRUTH.reply(messages))
    if name == "refuse":
        assert {h.text for h in hit} == {REFUSAL}
        assert all(h.declined for h in hit)
    if name == "truncate":
        assert {h.finish for h in hit} == {"length"}


def test_malformed_json_is_of_five_kinds() -> None:
    kinds: Counter[str] = Counter()
    for messages in merges(300):
        heard = Player(Faults(malformed=1.0)).play(messages)
        right = READ.read(TRUTH.reply(messages))
        try:
            told = READ.read(heard.text)
        except Unreadable as error:
            kinds[error.problem.split(" (")[0]] += 1
        else:
            assert told == right  # words around it, or single quotes: what it says is right
            kinds["read" if '"' in heard.text else "single quotes"] += 1
    assert len(kinds) >= 4
    assert kinds["read"] > 0
    assert sum(kinds.values()) - kinds["read"] - kinds["single quotes"] > 150


def test_malformed_verdicts_are_no_verdicts() -> None:
    read = BracketLetterReading().read
    for messages in pairs(60):
        with pytest.raises(Unreadable):
            read(Player(Faults(malformed=1.0)).reply(messages))


def test_faults_add_up_side_by_side() -> None:
    asked = merges(800)
    rates = {"wrong": 0.2, "refuse": 0.1, "malformed": 0.15, "truncate": 0.05}
    player = Player(Faults(**rates))
    seen = Counter(player.play(one).fault for one in asked)
    for name, rate in rates.items():
        assert within(seen[name], len(asked), rate)
    assert within(seen[""], len(asked), 0.5)


def test_draws_are_the_same_in_any_order_and_other_with_another_seed() -> None:
    asked = merges(60)
    faults = Faults(wrong=0.3, malformed=0.2, refuse=0.2, seed=5)
    first = [Player(faults).play(one) for one in asked]
    player = Player(faults)
    again = [player.play(one) for one in reversed(asked)][::-1]
    assert first == again
    other = Player(replace(faults, seed=6))
    assert [other.play(one) for one in asked] != first
    assert {player.play(asked[0], seed=seed).fault for seed in range(30)} > {""}


def test_transport_faults_depend_on_the_attempt() -> None:
    faults = Faults(rate_limit_share=0.3, fail=0.2)
    keys = [question_key(one) for one in merges(400)]
    first = [faults.transport_fault(key, 0) for key in keys]
    second = [faults.transport_fault(key, 1) for key in keys]
    assert first == [faults.transport_fault(key, 0) for key in keys]
    for drawn in (first, second):
        seen = Counter(drawn)
        assert within(seen["rate_limit_share"], 400, 0.3)
        assert within(seen["fail"], 400, 0.2)
    both = sum(bool(a) and bool(b) for a, b in zip(first, second, strict=True))
    assert within(both, 400, 0.25)  # independent


def test_latency_stays_within_its_jitter() -> None:
    faults = Faults(latency_ms=200, latency_jitter=0.5)
    drawn = [faults.latency(str(i), 0) for i in range(200)]
    assert 0.1 <= min(drawn) < 0.13
    assert 0.27 < max(drawn) <= 0.3
    assert Faults(latency_ms=200).latency("x", 0) == 0.2


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"wrong": 1.2}, "wrong is 1.2"),
        ({"refuse": -0.1}, "refuse is -0.1"),
        ({"wrong": 0.6, "malformed": 0.6}, "add up to more than 1"),
        ({"rate_limit_share": 0.6, "fail": 0.6}, "add up to more than 1"),
        ({"latency_ms": -1}, "latency_ms is -1"),
        ({"wrong": float("nan")}, "wrong is nan"),
        ({"wrong": "often"}, "wrong is often"),
        ({"die_after": "soon"}, "die_after is soon"),
    ],
)
def test_rates_out_of_range_are_refused(settings: dict, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        Faults(**settings)


def test_wrong_verdicts_on_the_worlds_turns_are_of_the_form() -> None:
    player = Player(Faults(wrong=1.0))
    for turn in training_turns(3, seed=1):
        for task in ("assess", "tag_check"):
            messages = prompt(task, **show.turn(turn), reply=turn.replies[0].text)
            right, wrong = json.loads(TRUTH.reply(messages)), json.loads(player.reply(messages))
            assert right != wrong
            assert right.keys() == wrong.keys()
