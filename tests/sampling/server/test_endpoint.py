"""Questions over real HTTP: order, retries, repairs, forms, failures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sampling.server.scripted import (
    Got,
    Say,
    Script,
    Scripted,
    question,
    questions,
    scripted,
)

from handrail.asking import TextReading
from handrail.records import (
    Answer,
    Failure,
    HandrailWarning,
    LanguageModel,
    ModelError,
    SettingError,
)
from handrail.sampling.server import Endpoint, EndpointSettings, Price, Prices

PRICES = Prices((("m", Price(prompt=10.0, completion=100.0)),))
Make = Callable[..., tuple[Endpoint, Scripted]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    stack: list[Any] = []

    def make(script: Script = lambda got: Say(), **given: Any) -> tuple[Endpoint, Scripted]:
        server = Scripted(script)
        values = {"model": "m", "base_url": server.url, "wait": 0.001, "retries": 3} | given
        endpoint = Endpoint(EndpointSettings.of(**values), None, PRICES)
        stack.extend((endpoint.close, server.stop))
        return endpoint, server

    yield make
    for end in stack:
        end()


def of(answers: list[Answer | Failure]) -> list[str]:
    return [a.data.verdict if isinstance(a, Answer) else a.kind for a in answers]


def test_answers_come_in_the_order_asked_whatever_order_they_arrive_in(made: Make) -> None:
    def script(got: Got) -> Say:
        n = int(got.last.split()[1])
        return Say(f'{{"verdict": "{"ab"[n % 2]}"}}', delay=0.03 * ((7 * n) % 5))

    endpoint, server = made(script, in_flight=5)
    seen: list[tuple[int, int]] = []
    answers = endpoint.ask(questions(15), lambda done, of: seen.append((done, of)))
    assert of(answers) == ["ab"[n % 2] for n in range(15)]
    assert seen[0] == (0, 15)
    assert seen[-1] == (15, 15)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert 2 <= server.most <= 5
    assert isinstance(endpoint, LanguageModel)


def test_the_request_is_what_was_asked(made: Make) -> None:
    endpoint, server = made()
    endpoint.ask([question(1, seed=7, sample=2, temperature=0.5, top_p=0.9)])
    body = server.got[0].body
    assert body["model"] == "m"
    assert body["messages"] == [{"role": "user", "content": "question 1"}]
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (50, 0.5, 0.9)
    assert body["seed"] == 9
    form = body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"]["required"] == ["verdict"]
    assert server.got[0].headers["authorization"] == "Bearer none"


def test_usage_and_cost_are_counted(made: Make) -> None:
    endpoint, _ = made()
    answers = endpoint.ask(questions(4))
    # 100 prompt tokens at 10 and 10 of replies at 100, for a million.
    assert all(isinstance(a, Answer) and a.cost == pytest.approx(0.002) for a in answers)
    spent = endpoint.spent
    assert (spent.questions, spent.requests, spent.retries, spent.repairs) == (4, 4, 0, 0)
    assert (spent.usage.prompt_tokens, spent.usage.completion_tokens) == (400, 40)
    assert spent.cost == pytest.approx(0.008)
    assert spent.failures == {}


def test_equal_questions_are_asked_once_and_draws_apart(made: Make) -> None:
    endpoint, server = made()
    answers = endpoint.ask([question(1), question(1), question(1, sample=1), question(2)])
    assert len(server.got) == 3
    assert [a.cached for a in answers] == [False, True, False, False]
    assert (endpoint.spent.requests, endpoint.spent.cached) == (3, 1)


def test_429_is_tried_again_when_the_endpoint_says(made: Make) -> None:
    def script(got: Got) -> Say:
        busy = Say(status=429, headers={"retry-after": "0.2"}, error={"message": "slow down"})
        return Say() if got.before else busy

    endpoint, server = made(script)
    assert of(endpoint.ask(questions(3))) == ["a"] * 3
    assert endpoint.spent.retries == 3
    assert endpoint.spent.requests == len(server.got) == 6


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    from handrail.sampling.server.wire import _wait

    assert _wait(headers) == seconds


def test_waits_grow_and_scatter_but_honour_the_endpoint(made: Make) -> None:
    endpoint, _ = made(wait=1.0, longest_wait=10.0)
    waits = endpoint._rounds._wait
    for tries in range(8):
        most = min(2.0**tries, 10.0)
        drawn = [waits(tries, None) for _ in range(50)]
        assert most / 2 <= min(drawn) < max(drawn) <= most
        assert len(set(drawn)) > 1
    assert all(waits(0, 5.0) >= 5.0 for _ in range(50))


def test_an_endpoint_that_wants_a_longer_wait_than_allowed_has_failed(made: Make) -> None:
    def script(got: Got) -> Say:
        late = got.last == "question 1"
        return Say(status=429, headers={"retry-after": "3600"}) if late else Say()

    endpoint, server = made(script, longest_wait=1.0)
    answers = endpoint.ask(questions(3))
    assert of(answers) == ["a", "endpoint", "a"]
    assert len(server.got) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Say(status=500),
        Say(status=503, raw=b"<html>gone</html>"),
        Say(drop="before"),
        Say(drop="middle"),
        Say(raw=b"no JSON"),
        Say(raw=b'{"choices": []}'),
        Say(raw=b"[]"),
        Say(delay=1.0),
    ],
    ids=["500", "html", "dropped", "half", "words", "empty", "list", "late"],
)
def test_a_fault_of_the_moment_is_outlasted(made: Make, fault: Say) -> None:
    endpoint, server = made(lambda got: Say() if got.before >= 1 else fault, timeout=0.4)
    assert of(endpoint.ask(questions(2))) == ["a", "a"]
    assert endpoint.spent.retries == 2
    assert len(server.got) == 4


def test_retries_are_bounded_and_the_others_go_on(made: Make) -> None:
    def script(got: Got) -> Say:
        return Say(status=500) if got.last == "question 2" else Say()

    endpoint, server = made(script, retries=2)
    answers = endpoint.ask(questions(4))
    assert of(answers) == ["a", "a", "endpoint", "a"]
    assert "HTTP 500" in answers[2].problem
    assert server.questions().count("question 2") == 3
    assert endpoint.spent.failures == {"endpoint": 1}


def test_an_unreadable_reply_is_repaired_and_paid_for(made: Make) -> None:
    def script(got: Got) -> Say:
        return Say() if "cannot be read" in got.last else Say("I think a is better")

    endpoint, server = made(script)
    (answer,) = endpoint.ask([question()])
    assert isinstance(answer, Answer)
    assert (answer.data.verdict, answer.repairs) == ("a", 1)
    assert answer.usage.prompt_tokens == 200
    assert answer.cost == pytest.approx(0.004)
    asked = server.got[1].body["messages"]
    assert [m["role"] for m in asked] == ["user", "assistant", "user"]
    assert asked[1]["content"] == "I think a is better"
    assert endpoint.spent.repairs == 1


@pytest.mark.parametrize(
    ("say", "kind", "raw"),
    [
        (Say("words"), "malformed", "words"),
        (Say('{"verdict": "c"}'), "schema", '{"verdict": "c"}'),
        (Say(""), "malformed", ""),
        (Say(None), "malformed", ""),
        (Say('{"verdict": ', finish="length"), "truncated", '{"verdict": '),
        (Say('{"verdict": "a"}', finish="length"), "truncated", '{"verdict": "a"}'),
        (Say(None, refusal="I will not"), "refusal", ""),
        (Say('{"verdict": "a"}', finish="content_filter"), "refusal", '{"verdict": "a"}'),
    ],
)
def test_what_is_no_answer_is_a_failure_of_its_kind(
    made: Make, say: Say, kind: str, raw: str
) -> None:
    endpoint, server = made(lambda got: say)
    (failure,) = endpoint.ask([question()])
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.raw) == (kind, raw)
    repaired = kind in ("malformed", "schema")
    assert len(server.got) == 1 + repaired
    assert failure.usage.prompt_tokens == 100 * len(server.got)
    assert endpoint.spent.failures == {kind: 1}


@pytest.mark.parametrize(
    ("status", "problem"),
    [(401, "refused the key"), (403, "refused the key"), (404, "has no model 'm'"), (402, "paid")],
)
def test_what_no_question_can_survive_is_told_after_one_request(
    made: Make, status: int, problem: str
) -> None:
    endpoint, server = made(lambda got: Say(status=status, error={"message": "go away"}))
    with pytest.raises(ModelError, match=f"{problem}.*go away"):
        endpoint.ask(questions(50))
    assert len(server.got) == 1


def test_an_address_where_nothing_is_told_at_once() -> None:
    with scripted() as server:
        url = server.url
    endpoint = Endpoint(EndpointSettings(model="m", base_url=url))
    with pytest.raises(ModelError, match=r"127\.0\.0\.1.* cannot be reached"):
        endpoint.ask(questions(50))
    assert endpoint.spent.requests == 1


def test_an_address_that_takes_no_connection_is_told_after_one_time_out() -> None:
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # a queue of one, which is filled, so that the next connection hangs
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        endpoint = Endpoint(EndpointSettings(model="m", base_url=url, timeout=0.5))
        with pytest.raises(ModelError, match="cannot be reached"):
            endpoint.ask(questions(9))
        assert endpoint.spent.requests == 1
        for one in waiting:
            one.close()


def test_an_endpoint_that_answers_nothing_is_told_after_three_questions(made: Make) -> None:
    endpoint, server = made(lambda got: Say(status=500), retries=1)
    with pytest.raises(ModelError, match="HTTP 500"):
        endpoint.ask(questions(50))
    assert len(server.got) == 6
    assert isinstance(made(lambda got: Say(status=500))[0].ask([question()])[0], Failure)


def test_one_bad_question_at_the_start_does_not_stop_the_others(made: Make) -> None:
    def script(got: Got) -> Say:
        bad = got.last == "question 0"
        return Say(status=400, error={"message": "too long"}) if bad else Say()

    endpoint, server = made(script)
    answers = endpoint.ask(questions(5))
    assert of(answers) == ["endpoint", *"aaaa"]
    assert "too long" in answers[0].problem
    assert len(server.got) == 5


@pytest.mark.parametrize("takes", ["json_object", "text"])
def test_an_endpoint_without_schemas_gets_another_form(made: Make, takes: str) -> None:
    def script(got: Got) -> Say:
        form = got.body.get("response_format", {"type": "text"})["type"]
        if form not in (takes, "text"):
            said = {"message": f"response_format {form} is unavailable", "param": None}
            return Say(status=400, error=said)
        return Say()

    endpoint, server = made(script)
    with pytest.warns(HandrailWarning) as warned:
        assert of(endpoint.ask(questions(6))) == ["a"] * 6
    forms = [got.body.get("response_format", {"type": "text"})["type"] for got in server.got]
    tried = ["json_schema", "json_object"][: 2 if takes == "text" else 1]
    assert forms == [*tried, *[takes] * 6]
    assert sum(one.category is HandrailWarning for one in warned) == len(tried)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HandrailWarning)
        endpoint.ask(questions(8))  # told once


@pytest.mark.parametrize("name", ["temperature", "seed"])
def test_a_parameter_that_the_model_refuses_is_left_out(made: Make, name: str) -> None:
    def script(got: Got) -> Say:
        if "max_tokens" in got.body:
            said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return Say(status=400, error={"message": said, "param": "max_tokens"})
        if name in got.body:
            said = f"Unsupported value: '{name}' does not support 0 with this model."
            return Say(status=400, error={"message": said, "param": name})
        return Say()

    endpoint, server = made(script)
    with pytest.warns(HandrailWarning, match=f"takes no {name}"):
        assert of(endpoint.ask([question(n, seed=1) for n in range(3)])) == ["a"] * 3
    assert len(server.got) == 5
    assert server.got[-1].body["max_completion_tokens"] == 50


def test_free_text_is_asked_for_without_a_form(made: Make) -> None:
    endpoint, server = made(lambda got: Say(" some words "))
    (answer,) = endpoint.ask([question(reading=TextReading())])
    assert answer.data.text == "some words"
    assert "response_format" not in server.got[0].body


def test_an_endpoint_that_dies_half_way_leaves_failures_and_says_so(made: Make) -> None:
    def script(got: Got) -> Say:
        return Say() if got.number < 20 else Say(status=503)

    endpoint, server = made(script, in_flight=4, retries=1)
    with pytest.warns(HandrailWarning, match="stopped answering .* 180 of 200 questions"):
        answers = endpoint.ask(questions(200))
    kinds = of(answers)
    assert kinds.count("a") == 20
    assert kinds.count("endpoint") == 180
    assert len(server.got) < 40  # not 180 times all retries
    assert sum(a.problem.startswith("not asked") for a in answers if isinstance(a, Failure)) > 160


def test_a_dead_endpoint_that_is_back_is_asked_again(made: Make) -> None:
    down = [False]
    endpoint, _ = made(lambda got: Say(status=503) if down[0] else Say(), retries=0)
    assert of(endpoint.ask(questions(2))) == ["a", "a"]
    down[0] = True
    with pytest.warns(HandrailWarning, match="stopped answering"):
        assert set(of(endpoint.ask([question(n) for n in range(10, 60)]))) == {"endpoint"}
    down[0] = False
    assert of(endpoint.ask(questions(2))) == ["a", "a"]


def test_who_asks_a_dead_endpoint_on_does_not_wait_each_time(made: Make) -> None:
    down = [False]
    endpoint, server = made(lambda got: Say(status=503) if down[0] else Say(), retries=6)
    endpoint.ask(questions(1))
    down[0] = True
    with pytest.warns(HandrailWarning, match="stopped answering .*9 of 9 questions"):
        endpoint.ask([question(n) for n in range(10, 19)])
    asked = len(server.got)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HandrailWarning)  # told once
        for n in range(20, 30):  # such as the stages of a longer piece of work
            assert of(endpoint.ask([question(n), question(n + 100)])) == ["endpoint"] * 2
    assert len(server.got) == asked + 2 * 10
    down[0] = False
    assert of(endpoint.ask([question(20)])) == ["a"]
    down[0] = True
    with pytest.warns(HandrailWarning, match="stopped answering .*7 of 7 questions"):
        endpoint.ask([question(n) for n in range(200, 207)])


def test_a_key_that_is_withdrawn_half_way_stops_the_rest(made: Make) -> None:
    endpoint, server = made(lambda got: Say() if got.number < 10 else Say(status=401), in_flight=2)
    with pytest.warns(HandrailWarning, match="refused the key"):
        kinds = of(endpoint.ask(questions(50)))
    assert kinds.count("a") == 10
    assert len(server.got) <= 12


def test_max_requests_counts_retries_and_repairs(made: Make) -> None:
    def script(got: Got) -> Say:
        return Say() if got.before or "cannot be read" in got.last else Say(status=500)

    endpoint, server = made(script, max_requests=7, in_flight=1)
    with pytest.warns(HandrailWarning, match="limit .* was reached: 7 of 10 questions"):
        kinds = of(endpoint.ask(questions(10)))
    assert kinds == ["a"] * 3 + ["limit"] * 7
    assert len(server.got) == 7


@pytest.mark.parametrize("in_flight", [1, 16])
def test_max_cost_is_never_exceeded_and_used_up(made: Make, in_flight: int) -> None:
    endpoint, server = made(max_cost=0.05, in_flight=in_flight)
    with pytest.warns(HandrailWarning, match="limit on requests or cost"):
        kinds = of(endpoint.ask(questions(60)))
    # A request costs 0.002, and could cost 0.0065 at most: what is left at the end is less.
    assert 0.05 - 0.0065 < endpoint.spent.cost <= 0.05
    assert kinds.count("a") == len(server.got)
    assert kinds.count("limit") == 60 - len(server.got)


def test_max_cost_counts_what_a_lost_request_may_have_cost(made: Make) -> None:
    endpoint, server = made(lambda got: Say(drop="before"), max_cost=0.02, retries=50)
    with pytest.warns(HandrailWarning, match="limit on requests or cost"):
        (failure,) = endpoint.ask([question()])
    assert failure.kind == "limit"
    assert 1 < len(server.got) < 10
    assert endpoint.spent.cost == 0.0


def test_max_cost_takes_the_worst_where_usage_is_not_told(made: Make) -> None:
    endpoint, server = made(lambda got: Say(usage=None), max_cost=0.05)
    with pytest.warns(HandrailWarning, match="limit on requests or cost"):
        answers = endpoint.ask(questions(60))
    assert 5 < len(server.got) < 20
    assert answers[0].cost is None
    assert endpoint.spent.unpriced == len(server.got)


def test_a_cost_limit_without_a_price_is_refused() -> None:
    with pytest.raises(SettingError, match="no price for 'unheard-of'"):
        Endpoint(EndpointSettings(model="unheard-of", max_cost=1.0))


def test_asking_works_within_a_running_loop_and_from_threads(made: Make) -> None:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    endpoint, _ = made()

    async def notebook() -> list[str]:
        return of(endpoint.ask(questions(3)))

    assert asyncio.run(notebook()) == ["a"] * 3
    with ThreadPoolExecutor(4) as pool:
        asked = [[question(10 * t + n) for n in range(5)] for t in range(1, 5)]
        assert all(of(a) == ["a"] * 5 for a in pool.map(endpoint.ask, asked))
    assert endpoint.spent.requests == 23


EVENTS = {
    "good": Say(),
    "words": Say("a is better"),
    "refused": Say(None, refusal="no"),
    "cut": Say('{"verdict": "a"}', finish="length"),
    "400": Say(status=400),
    "429": Say(status=429, headers={"retry-after": "0"}),
    "500": Say(status=500),
    "dropped": Say(drop="middle"),
}
LAST = {"good": "a", "refused": "refusal", "cut": "truncated", "400": "endpoint"}


def plain(events: list[str], retries: int, repairs: int) -> tuple[str, int]:
    """What becomes of a question whose requests are met so, and after how many of them."""
    tries = 0
    for requests, event in enumerate([*events, *["good"] * 10], start=1):
        if event in LAST:
            return LAST[event], requests
        if event == "words":
            if not repairs:
                return "malformed", requests
            repairs, tries = repairs - 1, 0
        elif tries == retries:
            return "endpoint", requests
        else:
            tries += 1
    raise AssertionError("no end")


def test_any_sequence_of_events_ends_as_the_rules_say(made: Make) -> None:
    plans: dict[str, list[str]] = {}

    def script(got: Got) -> Say:
        first = got.body["messages"][0]["content"]
        plan = plans.get(first, [])
        return EVENTS[plan.pop(0)] if plan else Say()

    endpoint, server = made(script, retries=2, repairs=1, wait=0.0)
    endpoint.ask([question(0)])

    @given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=7))
    @settings(max_examples=150)
    def check(events: list[str]) -> None:
        number = len(plans) + 1
        plans[f"question {number}"] = list(events)
        endpoint.ask([question(10_000 + number)])  # it is up: five failures in a row would stop it
        before, spent = len(server.got), endpoint.spent
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HandrailWarning)
            (outcome,) = of(endpoint.ask([question(number)]))
        assert (outcome, len(server.got) - before) == plain(events, 2, 1)
        now = endpoint.spent.since(spent)
        assert now.requests == 1 + now.retries + now.repairs
        assert now.failures == ({} if outcome == "a" else {outcome: 1})

    check()


def test_no_questions_need_no_endpoint() -> None:
    endpoint = Endpoint(EndpointSettings(model="m", base_url="http://127.0.0.1:9/v1"))
    assert endpoint.ask([]) == []


def test_the_thread_ends_with_the_endpoint_closed_or_not(made: Make) -> None:
    import gc
    import threading
    import time

    def asking() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name == "asking"}

    gc.collect()
    before = asking()
    endpoint, server = made()
    endpoint.ask(questions(2))
    assert len(asking() - before) == 1
    endpoint.close()
    assert asking() <= before
    other = Endpoint(EndpointSettings(model="m", base_url=server.url))
    other.ask(questions(2))
    del other
    gc.collect()
    end = time.monotonic() + 10
    while asking() - before and time.monotonic() < end:
        time.sleep(0.01)
    assert asking() <= before
