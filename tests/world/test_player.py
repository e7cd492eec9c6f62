"""The player finds what is asked and judges exactly as the oracle does."""

import copy
import json
from itertools import permutations
from random import Random
from typing import Any

import pytest

from handrail.asking import DirectModel, show
from handrail.judges import AssessorJudge
from handrail.records import DIMENSIONS, Answer, Message, Request, Turn
from handrail.synthesis.forms import READINGS
from handrail.world import Oracle, Player, WorldSettings, generate, training_turns, turns
from handrail.world.player import TASKS
from handrail.world.playing.breaking import KINDS
from tests.world.playing_helpers import PROMPTS, answer, prompt, said


@pytest.fixture(scope="module")
def made() -> list[Turn]:
    """Turns with chosen and rejected replies, and of unfiltered agents that invent and wander."""
    wild = WorldSettings(invent=0.2, wander=0.2, keep=0.6)
    plain = [turn for talk in generate(14, seed=4, settings=wild) for turn in turns(talk)]
    return training_turns(16, seed=6) + plain


@pytest.fixture(scope="module")
def player() -> Player:
    return Player()


def replies_at(made: list[Turn], at: int) -> list[str]:
    """The turn's own replies, and the next turn's (mostly a reply to something else)."""
    other = made[(at + 1) % len(made)].replies[0].text
    return [*dict.fromkeys([*(reply.text for reply in made[at].replies), other])]


def test_bins_are_the_judges(made: list[Turn], player: Player) -> None:
    judge = AssessorJudge(Oracle())
    seen = set()
    for at, turn in enumerate(made):
        for a, b in permutations(replies_at(made, at), 2):
            for dimension in DIMENSIONS:
                wanted = judge.compare(turn, a, b, dimension)
                text = answer(player, "bins", dimension=dimension, **show.turn(turn), a=a, b=b)
                verdict = json.loads(text)["verdict"]
                assert verdict.upper() == wanted.outcome, (turn.id, a, b)  # type: ignore[union-attr]
                seen.add((dimension, verdict))
    assert len(seen) == 12  # every bin on every dimension


def test_assessments_are_the_oracles(made: list[Turn], player: Player) -> None:
    oracle = Oracle()
    count = 0
    for at, turn in enumerate(made):
        for reply in replies_at(made, at):
            wanted = oracle.assess(turn, reply)
            told = json.loads(answer(player, "assess", **show.turn(turn), reply=reply))
            assert show.guardrail_ids(turn.playbook, told["keeps"]) == wanted.keeps
            assert show.guardrail_ids(turn.playbook, told["breaks"]) == wanted.breaks
            assert told["natural"] is wanted.natural
            assert tuple(told["invented"]) == wanted.invented
            count += 1
    assert count > 400


def test_the_newest_object_with_a_task_is_what_is_asked(player: Player) -> None:
    first = prompt("merge", a="Be kind.", b="Be kind!")
    second = prompt("merge", a="Be kind.", b="Be quick.")
    for messages, same in ((first + second, False), (second + first, True)):
        assert json.loads(player.reply(messages))["same"] is same


def test_a_repair_round_is_answered_again(player: Player) -> None:
    messages = prompt("merge", a="Be kind.", b="Be kind!")
    wrong = Message(role="assistant", content='{"task": "merge", "same": ')
    again = Message(role="user", content='That cannot be read. Its JSON schema: {"type": "object"}')
    assert json.loads(player.reply((*messages, wrong, again)))["same"] is True


def test_it_serves_as_a_language_model_in_process() -> None:
    file = PROMPTS["merge"]
    messages = file.render({"a": "Be kind.", "b": "Be kind."})
    request = Request("merge", file.version, messages, READINGS["merge"])
    (told,) = DirectModel(Player().reply).ask([request])
    assert isinstance(told, Answer)
    assert told.data.same is True


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"task": "sing"}, 'does not play "sing"'),
        ({"task": "bins"}, 'carries no text "dimension"'),
        ({"task": "assess", "reply": "Hello.", "guardrails": {}}, 'no list "conversation"'),
        ({"task": "assess", "reply": 3, "conversation": []}, 'no text "reply"'),
        ({"task": "assess", "reply": "", "conversation": []}, "a reply is empty"),
        ({"task": "assess", "reply": "x", "guardrails": ["a"]}, "no object of texts"),
        ({"task": "tags", "guardrails": {"1": "Be kind."}, "conversation": []}, "can tag nothing"),
        (
            {"task": "assess", "reply": "x", "guardrails": {"1": "Be kind."}, "conversation": []},
            "none of these is one of them",
        ),
        ({"task": "assess", "reply": "x", "conversation": [{"from": "cat"}]}, "message 1 of the"),
        ({"task": "guardrails", "conversation": [], "at_most": 0}, 'no number "at_most"'),
    ],
)
def test_what_it_cannot_play_it_declines_in_words(data: dict, problem: str) -> None:
    heard = Player().play([Message(role="user", content=json.dumps(data))])
    assert heard.declined
    assert problem in heard.text
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(heard.text)


def test_a_message_without_values_is_declined() -> None:
    heard = Player().play([Message(role="user", content='Hello {"a": 1} {')])
    assert heard.declined
    assert "carries none" in heard.text


def test_guardrails_that_are_not_the_worlds_are_not_broken_and_told(player: Player) -> None:
    rules = {"1": "Do not use smileys.", "2": "Be kind."}
    talk = said(("user", "I lost my card yesterday."))
    values = {"guardrails": rules, "conversation": talk, "reply": "You fool. I will block it :)"}
    told = json.loads(answer(player, "assess", **values))
    assert told["breaks"] == ["1"]
    assert told["keeps"] == []
    assert "cannot tell about guardrail 2" in told["reason"]


STRANGE: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**30, 1e9, float("nan"), "", " ", "\x00", "\ud800", "<id>", "[a|b]"),
    *(
        [],
        {},
        ["a"],
        [None],
        [[]],
        {"1": 3},
        [{"n": 1, "from": ["user"], "text": "hi"}],
        "a" * 3000,
    ),
)


def whole(turn: Turn, draw: Random) -> dict[str, Any]:
    """Values that every task can be played with."""
    a, b = (reply.text for reply in turn.replies)
    rated = [
        {"domain": d, "question": f"Is {d} dear?", "answer": a, "score": len(d)} for d in "xyy"
    ]
    return {
        **show.turn(turn),
        **{"reply": a, "a": a, "b": b, "answers": [a], "reference": None, "text": b, "prompt": b},
        **{"dimension": draw.choice(DIMENSIONS), "kind": draw.choice(KINDS), "guardrail": "1"},
        **{"at_most": 5, "count": 3, "keywords": ["k"], "examples": rated, "domain": "d"},
    }


def mangled(values: dict[str, Any], draw: Random) -> dict[str, Any]:
    """The values with up to three of them, or of what they hold, made strange."""
    values = json.loads(json.dumps(values))
    for _ in range(draw.randrange(4)):
        name = draw.choice(sorted(values))
        inner = values[name]
        if draw.random() < 0.4 or not inner or not isinstance(inner, list | dict):
            values[name] = copy.deepcopy(draw.choice(STRANGE))
            continue
        at: Any = draw.choice(sorted(inner) if isinstance(inner, dict) else range(len(inner)))
        if isinstance(inner[at], dict) and draw.random() < 0.7:
            inner, at = inner[at], draw.choice(sorted(inner[at]) or ["from"])
        inner[at] = copy.deepcopy(draw.choice(STRANGE))
    return values


@pytest.mark.parametrize("task", TASKS)
def test_any_values_give_a_text(task: str, made: list[Turn], player: Player) -> None:
    draw = Random(task)
    answered = 0
    pairs = [turn for turn in made if len(turn.replies) == 2]
    for _ in range(150):
        values = {"task": task, **mangled(whole(draw.choice(pairs), draw), draw)}
        heard = player.play([Message(role="user", content=json.dumps(values))])
        assert heard.text
        heard.text.encode("utf-8")
        answered += not heard.declined
    assert answered > 10
