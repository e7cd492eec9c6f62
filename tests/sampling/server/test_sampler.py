"""Replies of a model behind an endpoint."""

from __future__ import annotations

from pathlib import Path

from tests.sampling.server.scripted import Got, Say, scripted

from handrail.asking import DirectModel, Prompts
from handrail.records import Message, Playbook, Sampler, SamplingParams, Turn
from handrail.records.types import Guardrail
from handrail.sampling.server import AnswerCache, Endpoint, EndpointSettings, ServerSampler

TURNS = [
    Turn(
        context=(Message(role="user", content=f"Where is parcel {n}?"),),
        playbook=Playbook(guardrails=(Guardrail(id="1", text="Be kind."),)),
        replies=(),
    )
    for n in range(3)
]


def test_each_draw_of_a_turn_is_a_question_with_a_seed_of_its_own(tmp_path: Path) -> None:
    with scripted(lambda got: Say(f" reply {got.body['seed']} ")) as server:
        settings = EndpointSettings(model="m", base_url=server.url)
        sampler = ServerSampler(Endpoint(settings, AnswerCache(tmp_path / "c")))
        params = SamplingParams(n=2, temperature=0.9, max_tokens=40, seed=5)
        drawn = sampler.sample(TURNS, params)
        assert [[s.text for s in row] for row in drawn] == [["reply 5", "reply 6"]] * 3
        assert drawn[0][0].n_tokens == 10
        assert {got.body["temperature"] for got in server.got} == {0.9}
        assert all("Be kind." in got.last and "parcel" in got.last for got in server.got)
        assert isinstance(sampler, Sampler)
        again = ServerSampler(Endpoint(settings, AnswerCache(tmp_path / "c")))
        assert again.sample(TURNS, params) == drawn
        assert len(server.got) == 6
        estimate = again.estimate(TURNS, params.model_copy(update={"n": 3}))
        assert estimate is not None
        assert (estimate.questions, estimate.cached) == (9, 6)


def test_a_reply_that_is_cut_off_is_a_reply_and_a_refusal_is_none() -> None:
    def script(got: Got) -> Say:
        if "parcel 1" in got.last:
            return Say(None, refusal="I will not")
        return Say("It is on its", finish="length")

    with scripted(script) as server:
        sampler = ServerSampler(Endpoint(EndpointSettings(model="m", base_url=server.url)))
        drawn = sampler.sample(TURNS, SamplingParams())
    assert [[s.finish for s in row] for row in drawn] == [["length"], [], ["length"]]
    assert [(turn, failed.kind) for turn, failed in sampler.failures] == [(TURNS[1].id, "refusal")]


def test_the_prompt_may_be_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "reply.jinja").write_text("--- user ---\nSay something about {{ conversation }}")
    seen: list[str] = []
    model = DirectModel(lambda messages: seen.append(messages[-1].content) or "hello")
    ServerSampler(model, Prompts(tmp_path)).sample(TURNS[:1], SamplingParams())
    assert seen[0].startswith("Say something about")
