"""A key reaches the endpoint, and nothing else: no error, file, copy, log or traceback."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest
from tests.sampling.server.scripted import Got, Say, question, questions, scripted

from handrail.asking import TextReading
from handrail.records import HandrailError, ModelError, SettingError
from handrail.sampling.server import AnswerCache, Endpoint, EndpointSettings
from handrail.sampling.server.wire import Wire

KEY = "sk-proj-Zx81QvThisIsTheKey77"


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_TEST_KEY", KEY)


def settings(url: str, **more: object) -> EndpointSettings:
    return EndpointSettings.of(
        **{"model": "m", "base_url": url, "key_env": "HANDRAIL_TEST_KEY", "wait": 0.001} | more
    )


def echo(got: Got) -> Say:
    """An endpoint that repeats the key wherever it can."""
    heard = got.headers["authorization"]
    if got.last == "question 1":
        return Say(status=400, error={"message": f"bad header {heard}", "param": heard})
    if got.last == "question 2":
        return Say(None, refusal=f"I know {heard}")
    return Say(f"You sent {heard}")


def test_the_key_reaches_the_endpoint_and_nothing_that_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(echo) as server:
        endpoint = Endpoint(settings(server.url), AnswerCache(tmp_path / "c"))
        asked = [question(n, reading=TextReading()) for n in range(4)]
        answers = endpoint.ask(asked)
        assert {got.headers["authorization"] for got in server.got} == {f"Bearer {KEY}"}
        shown = [repr(answers), repr(endpoint), repr(endpoint.settings), repr(vars(endpoint))]
        shown += [str(pickle.dumps(endpoint)), str(pickle.dumps(answers)), caplog.text]
        endpoint.close()
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"You sent" in files
    assert KEY.encode() not in files
    assert "You sent Bearer (the key)" in shown[0]
    assert not [text for text in shown if KEY in text]


@pytest.mark.parametrize("status", [401, 403, 404, 400, 429, 500])
def test_no_error_shows_the_key(status: int) -> None:
    def script(got: Got) -> Say:
        said = f"the key {got.headers['authorization']} is wrong" + "." * 270
        return Say(status=status, error={"message": said})

    with scripted(script) as server, pytest.raises(ModelError) as caught:
        Endpoint(settings(server.url, retries=0)).ask(questions(9))
    error: BaseException | None = caught.value
    assert "the key" in str(error)
    seen = []
    while error is not None:
        seen.append(error)
        assert KEY not in repr(vars(error)) + str(error)
        error = error.__cause__ or error.__context__
    assert len(seen) == 1, "no other error hangs on it, which could hold the request"
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_key_given_as_a_name_is_not_repeated() -> None:
    for given in (KEY, "x" * 20 + " "):
        with pytest.raises(SettingError, match="never a key") as caught:
            EndpointSettings.of(model="m", key_env=given)
        assert given not in str(caught.value) + repr(vars(caught.value))
        assert caught.value.__context__ is None
    with pytest.raises(ModelError) as told:  # a key may look like a name
        EndpointSettings(model="m", key_env="ab12cd34ef56").key()
    assert "ab12cd34ef56" not in str(told.value)
    with pytest.raises(ModelError) as told:
        EndpointSettings(model="m", key_env="AKIA12CD34EF56").key()
    assert "AKIA12" not in f"{told.value}{told.value.mend}"


@pytest.mark.parametrize(
    "url",
    [f"https://user:{KEY}@host/v1", f"https://host/v1?key={KEY}", f"https://host/v1#{KEY}"],
)
def test_a_key_in_the_address_is_refused_and_not_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingError, match="environment variable") as caught:
        EndpointSettings.of(model="m", base_url=url)
    assert KEY not in str(caught.value)
    assert caught.value.__context__ is None
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(SettingError, match="OPENAI_BASE_URL") as caught:
        _ = EndpointSettings(model="m").url
    assert KEY not in str(caught.value)
    assert caught.value.__context__ is None


def test_no_command_shows_the_key_even_when_it_fails_with_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from handrail import world, write
    from handrail.cli.group import invoke

    caplog.set_level(logging.DEBUG)
    write(tmp_path / "turns.jsonl", world.training_turns(2, seed=1))

    def script(got: Got) -> Say:
        heard = got.headers["authorization"]
        return Say(f"I heard {heard}") if right else Say(status=401, error={"message": heard})

    with scripted(script) as server:
        line = ["generate", "--model", "openai:m", "--base-url", server.url, "--debug", "--json"]
        line += ["--key-env", "HANDRAIL_TEST_KEY", "--turns", str(tmp_path / "turns.jsonl")]
        line += ["--cache", str(tmp_path / "c.sqlite")]
        for seed, right in enumerate((True, False)):
            more = ["--seed", str(seed), "--out", str(tmp_path / f"{seed}.jsonl")]
            assert invoke([*line, *more]) == (0 if right else 2)
    shown = capfd.readouterr()
    assert "refused the key (HTTP 401: Bearer (the key))" in shown.err
    assert "Traceback" in shown.err
    assert KEY not in shown.out + shown.err + caplog.text
    files = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"0.jsonl", "c.sqlite"} <= set(files)
    assert "1.jsonl" not in files
    assert not [name for name, content in files.items() if KEY.encode() in content]


def test_no_key_where_one_is_needed_is_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "NOT_THERE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        Endpoint(EndpointSettings(model="m")).ask([question()])
    with scripted() as server:
        with pytest.raises(ModelError, match="NOT_THERE is not set"):
            Endpoint(settings(server.url, key_env="NOT_THERE")).ask([question()])
        monkeypatch.setenv("HANDRAIL_TEST_KEY", "a b\n")
        with pytest.raises(HandrailError, match="is no key"):
            Endpoint(settings(server.url)).ask([question()])
        assert server.got == []


def test_the_settings_as_json_hold_no_key() -> None:
    assert KEY not in json.dumps(EndpointSettings(model="m").model_dump(mode="json"))


@pytest.mark.parametrize(("key", "told"), [("us", "trust us"), ("trust us", "(the key)")])
def test_a_word_for_a_key_is_left_in_replies(key: str, told: str) -> None:
    wire = Wire(EndpointSettings(model="m"))
    wire._key = key
    assert wire._scrub("trust us") == told
