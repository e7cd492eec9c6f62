"""The world's server over real HTTP: with OpenAI's client, and with requests that are none."""

import asyncio
import json
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import HandrailError, SettingError
from handrail.world import Faults, Player, serving
from handrail.world.serve import Served, WorldServer
from tests.world.playing_helpers import as_chat, prompt

ASKED = [prompt("merge", a=f"Be kind to {i} guests.", b="Be kind.") for i in range(60)]
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True},
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as base:
        yield base


def client(url: str, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=20)


def ask(url: str, messages: Any = ASKED[0], **more: Any) -> Any:
    with client(url, more.pop("key", "any")) as one:
        return one.chat.completions.create(
            model=more.pop("model", "world"), messages=as_chat(messages), **more
        )


def post(url: str, body: bytes) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{url}/chat/completions", body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_an_answer_is_the_players(url: str) -> None:
    told = ask(url)
    choice = told.choices[0]
    assert choice.message.content == Player().reply(ASKED[0])
    assert (choice.finish_reason, choice.message.role) == ("stop", "assistant")
    assert choice.message.refusal is None
    length = sum(len(m.content) for m in ASKED[0])
    assert told.usage.prompt_tokens == -(-length // 4)
    assert told.usage.completion_tokens == -(-len(choice.message.content) // 4)
    assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens
    assert told.model == "world"


def test_several_answers_and_the_same_again(url: str) -> None:
    told = ask(url, n=3)
    assert [c.index for c in told.choices] == [0, 1, 2]
    assert ask(url).choices == ask(url).choices


def test_max_tokens_cut_an_answer(url: str) -> None:
    choice = ask(url, max_tokens=2).choices[0]
    assert choice.message.content == Player().reply(ASKED[0])[:8]
    assert choice.finish_reason == "length"
    assert ask(url, max_completion_tokens=2).choices[0] == choice


def test_what_it_cannot_play_is_a_refusal(url: str) -> None:
    from handrail.records import Message

    choice = ask(url, [Message(role="user", content="What is the capital of Peru?")]).choices[0]
    assert choice.message.content is None
    assert "carries none" in choice.message.refusal


def test_models_health_and_unknown_paths(url: str) -> None:
    with client(url) as one:
        assert [m.id for m in one.models.list()] == ["world"]
    root = url.removesuffix("/v1")
    with urllib.request.urlopen(f"{root}/health") as response:
        assert json.load(response)["status"] == "ok"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{root}/v2")
    assert caught.value.code == 404
    assert "There is no GET /v2" in json.load(caught.value)["error"]["message"]


def test_another_model_is_not_found(url: str) -> None:
    with pytest.raises(openai.NotFoundError, match="'gpt-9' does not exist; there is 'world'"):
        ask(url, model="gpt-9")


def test_a_wrong_key_is_refused() -> None:
    with serving(key="secret") as url:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            ask(url)
        with pytest.raises(openai.AuthenticationError), client(url) as one:
            one.models.list()
        assert ask(url, key="secret").choices


def test_structured_output_and_none() -> None:
    with serving(refuse=1.0) as url:
        plain, formed = ask(url).choices[0].message, ask(url, response_format=SCHEMA).choices[0]
        assert (plain.content or "").startswith("I'm sorry")
        assert formed.message.content is None
        assert formed.message.refusal == plain.content
    with serving(no_schema=True) as url:
        with pytest.raises(openai.BadRequestError, match="response_format"):
            ask(url, response_format=SCHEMA)
        assert ask(url, response_format={"type": "text"}).choices


def test_retries_get_past_errors_and_rates_are_kept() -> None:
    seen: Counter[int] = Counter()
    with serving(rate_limit_share=0.3, fail=0.3, retry_after=0.01, seed=1) as url:
        for messages in ASKED:
            body = json.dumps({"model": "world", "messages": as_chat(messages)}).encode()
            for _ in range(40):
                status, told = post(url, body)
                seen[status] += 1
                if status == 200:
                    break
                assert told["error"]["message"]
            assert status == 200
    assert set(seen) == {200, 429, 500, 502, 503}
    assert seen[200] == len(ASKED)


def test_a_429_says_when_to_come_again() -> None:
    with serving(rate_limit_share=1.0, retry_after=7) as url:
        with pytest.raises(openai.RateLimitError) as caught:
            ask(url)
        assert caught.value.response.headers["retry-after"] == "7"


def test_it_dies_after_so_many_requests() -> None:
    with serving(die_after=3) as url:
        for _ in range(3):
            assert ask(url).choices
        for _ in range(2):
            with pytest.raises(openai.APIConnectionError):
                ask(url)


def test_many_wait_at_once() -> None:
    """64 requests are all taken before the first of them is answered."""
    server = WorldServer(Served(Faults(latency_ms=600_000)))

    async def all_asked() -> bool:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="x", max_retries=0) as one:
            waiting = [
                asyncio.ensure_future(
                    one.chat.completions.create(model="world", messages=as_chat(ASKED[i % 60]))
                )
                for i in range(64)
            ]
            while server.served.requests < 64 and not any(task.done() for task in waiting):
                await asyncio.sleep(0.01)
            nobody = not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return nobody

    try:
        assert asyncio.run(all_asked())
        assert server.served.requests == 64
    finally:
        server.stop()


def test_a_port_in_use_and_a_strange_address_are_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HandrailError, match=f"port {port} of 127.0.0.1 is in use"):
            WorldServer(Served(), port=port)
    with pytest.raises(HandrailError, match="cannot be used"):
        WorldServer(Served(), host="no such host")


def test_an_unknown_fault_is_told() -> None:
    with pytest.raises(SettingError, match="Did you mean 'malformed'"), serving(malformd=0.1):
        pass


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SettingError, match=r"pip install 'handrail\[llm\]'"), serving():
        pass


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    with serving() as url:
        assert ask(url).choices
    assert threading.active_count() == before
    with pytest.raises(openai.APIConnectionError):
        ask(url)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b'{"model": "world"}', "messages"),
        (b'{"model": "world", "messages": [3]}', "messages"),
        (b'{"model": "world", "messages": [{"role": "user", "content": ""}]}', "messages"),
        (b'{"model": "world", "messages": [{"role": "user", "content": "\\ud800"}]}', "messages"),
        (b'{"model": "world", "messages": [{"role": "user", "content": "x"}], "n": 99}', "n"),
        (b'{"model": "world", "messages": [], "stream": true}', "stream"),
        (b"[" * 100_000, None),
    ],
)
def test_bad_requests_are_told(url: str, body: bytes, param: str | None) -> None:
    status, told = post(url, body)
    assert status == 400
    assert told["error"]["param"] == param
    assert told["error"]["message"]


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer", "cat"])},
        optional={"content": anything},
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def faulty() -> Iterator[str]:
    with serving(malformed=0.3, wrong=0.3, truncate=0.1) as base:
        yield base


@given(
    asked=messages,
    more=st.dictionaries(st.sampled_from(["n", "seed", "max_tokens", "stream"]), leaves),
)
def test_any_request_has_an_answer_of_the_form(
    faulty: str, asked: Any, more: dict[str, Any]
) -> None:
    status, told = post(faulty, json.dumps({"model": "world", "messages": asked, **more}).encode())
    assert status in (200, 400)
    assert told["choices"] if status == 200 else told["error"]["message"]
