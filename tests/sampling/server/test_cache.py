"""The file of answers: found again, shared, and honest about what it cannot do."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sampling.server.scripted import Say, question, questions, scripted

from handrail.asking import Form, JsonReading, TextReading
from handrail.records import (
    Answer,
    Failure,
    HandrailWarning,
    Message,
    Request,
    RunError,
    Usage,
)
from handrail.sampling.server import AnswerCache, Endpoint, EndpointSettings, Kept
from handrail.sampling.server.cache import Keys


def settings(url: str, **more: object) -> EndpointSettings:
    return EndpointSettings.of(
        **{"model": "m", "base_url": url, "wait": 0.001, "retries": 1} | more
    )


def key(n: int) -> bytes:
    return n.to_bytes(32, "big")


def test_what_is_kept_is_found_by_another_that_opens_the_file(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "new" / "c.sqlite")
    kept = {key(n): Kept(f"text {n}\n\0ü", "stop", Usage(n, 2 * n), n % 3) for n in range(1200)}
    for one, what in kept.items():
        cache.keep(one, what)
    cache.flush()
    other = AnswerCache(tmp_path / "new" / "c.sqlite")
    assert other.find([*kept, key(5000)]) == kept
    cache.keep(key(1), Kept("newer"))
    cache.close()
    assert other.find([key(1)])[key(1)].text == "newer"
    other.close()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "a", "ab", "b", "é"]),
            st.sampled_from(["", "b", "c"]),
            st.integers(1, 2),
            st.sampled_from([0.0, 0.5]),
            st.sampled_from([None, 1]),
            st.integers(0, 1),
            st.booleans(),
        ),
        min_size=2,
        max_size=2,
    )
)
def test_keys_are_equal_exactly_for_equal_questions(pair: list) -> None:
    class Other(Form):
        number: int

    def asked(
        first: str, second: str, tokens: int, heat: float, seed, sample: int, form
    ) -> Request:
        texts = [f"{first}.", f"{second}."]
        return Request(
            "t",
            "v",
            tuple(Message(role="user", content=text) for text in texts),
            JsonReading(Other) if form else TextReading(),
            max_tokens=tokens,
            temperature=heat,
            seed=seed,
            sample=sample,
            about=f"{id(texts)}",  # is no part of the question
        )

    keys = Keys("m")
    assert (keys(asked(*pair[0])) == keys(asked(*pair[1]))) == (pair[0] == pair[1])
    assert keys(asked(*pair[0])) == Keys("m")(asked(*pair[0]))
    assert keys(asked(*pair[0])) != Keys("n")(asked(*pair[0]))


def test_a_second_run_asks_nothing_and_says_so(tmp_path: Path) -> None:
    with scripted() as server:
        first = Endpoint(settings(server.url), AnswerCache(tmp_path / "c"))
        answers = first.ask(questions(7))
        second = Endpoint(settings(server.url), AnswerCache(tmp_path / "c"))
        again = second.ask(questions(9))
    assert len(server.got) == 9
    assert [a.cached for a in again] == [True] * 7 + [False] * 2
    assert [(a.data, a.text, a.usage) for a in again[:7]] == [
        (a.data, a.text, a.usage) for a in answers
    ]
    assert (second.spent.cached, second.spent.requests) == (7, 2)
    assert second.estimate(questions(10)).cached == 9


def test_another_port_is_the_same_model_and_another_name_is_not(tmp_path: Path) -> None:
    with scripted() as one, scripted() as two:
        Endpoint(settings(one.url), AnswerCache(tmp_path / "c")).ask([question()])
        Endpoint(settings(two.url), AnswerCache(tmp_path / "c")).ask([question()])
        assert len(two.got) == 0
        Endpoint(settings(two.url, model="n"), AnswerCache(tmp_path / "c")).ask([question()])
        assert len(two.got) == 1


@pytest.mark.parametrize(
    "say",
    [
        Say("words"),
        Say(None, refusal="no"),
        Say('{"verdict": "a"}', finish="length"),
        Say(status=400),
        Say(status=500),
    ],
)
def test_failures_are_asked_again(tmp_path: Path, say: Say) -> None:
    with scripted(
        lambda got: say if got.last.endswith("1") or "cannot" in got.last else Say()
    ) as s:
        for _ in range(2):
            endpoint = Endpoint(settings(s.url, retries=0, repairs=0), AnswerCache(tmp_path / "c"))
            answers = endpoint.ask(questions(3))
            assert isinstance(answers[1], Failure)
            endpoint.close()
    assert s.questions().count("question 1") == 2
    assert s.questions().count("question 0") == 1


def test_a_repaired_reply_is_the_answer_to_the_question(tmp_path: Path) -> None:
    with scripted(lambda got: Say() if "cannot be read" in got.last else Say("hm")) as server:
        for cached in (False, True):
            (answer,) = Endpoint(settings(server.url), AnswerCache(tmp_path / "c")).ask(
                [question()]
            )
            assert isinstance(answer, Answer)
            assert (answer.cached, answer.repairs, answer.usage) == (cached, 1, Usage(200, 20))
    assert len(server.got) == 2


def test_a_row_that_can_no_longer_be_read_is_asked_again_and_replaced(tmp_path: Path) -> None:
    with scripted() as server:
        Endpoint(settings(server.url), AnswerCache(tmp_path / "c")).ask([question()])
        db = sqlite3.connect(tmp_path / "c")
        db.execute("UPDATE answers SET text = 'spoilt'")
        db.commit()
        db.close()
        (answer,) = Endpoint(settings(server.url), AnswerCache(tmp_path / "c")).ask([question()])
        assert not answer.cached
        (answer,) = Endpoint(settings(server.url), AnswerCache(tmp_path / "c")).ask([question()])
        assert answer.cached
    assert len(server.got) == 2


def test_an_endpoint_that_dies_half_way_is_resumed_without_a_repeated_request(
    tmp_path: Path,
) -> None:
    script = lambda got: Say() if got.number < 30 or back else Say(drop="before")  # noqa: E731
    back = False
    with scripted(script) as server:
        first = Endpoint(settings(server.url, in_flight=4), AnswerCache(tmp_path / "c"))
        with pytest.warns(HandrailWarning, match="stopped answering"):
            answers = first.ask(questions(80))
        done = {got.last for got in server.got[:30]}
        assert sum(isinstance(a, Answer) for a in answers) == 30
        before, back = len(server.got), True
        second = Endpoint(settings(server.url, in_flight=4), AnswerCache(tmp_path / "c"))
        assert all(isinstance(a, Answer) for a in second.ask(questions(80)))
    asked = [got.last for got in server.got[before:]]
    assert len(asked) == len(set(asked)) == 50
    assert not done & set(asked)


ASKING = """
import sys
from handrail.sampling.server import AnswerCache, Endpoint, EndpointSettings
from tests.sampling.server.scripted import questions
settings = EndpointSettings(model="m", base_url=sys.argv[1], in_flight=8)
endpoint = Endpoint(settings, AnswerCache(sys.argv[2]))
print(sum(a.data is not None for a in endpoint.ask(questions(int(sys.argv[3])))))
"""
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_costs_what_was_on_its_way(tmp_path: Path, how: signal.Signals) -> None:
    delay = 0.05
    with scripted(lambda got: Say(delay=delay)) as server:
        command = [sys.executable, "-c", ASKING, server.url, str(tmp_path / "c"), "500"]
        # What a shell starts in the background is deaf to interrupts, and so are its children.
        heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, preexec_fn=heed)
        end = time.monotonic() + 60
        while len(server.got) < 60 and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(process.pid, how)
        process.wait(30)
        first = len(server.got)
        assert 60 <= first < 500, "it was killed half-way"
        delay = 0.0  # the second run has nothing to wait for
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "500"
    # Eight were on their way; their answers may have come and not been written yet.
    assert len(server.got) - 500 <= 2 * 8


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    with scripted(lambda got: Say(delay=0.01)) as server:
        command = [sys.executable, "-c", ASKING, server.url, str(tmp_path / "c"), "120"]
        pair = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        assert [process.communicate(timeout=60)[0].strip() for process in pair] == ["120", "120"]
        third = Endpoint(settings(server.url), AnswerCache(tmp_path / "c"))
        before = len(server.got)
        assert all(a.cached for a in third.ask(questions(120)))
        assert len(server.got) == before


def full(*args: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_full_disk_stops_the_cache_and_loses_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted() as server:
        cache = AnswerCache(tmp_path / "c")
        endpoint = Endpoint(settings(server.url), cache)
        endpoint.ask(questions(3))
        monkeypatch.setattr(cache, "_insert", full)
        with pytest.warns(HandrailWarning, match="cache .* stopped .*disk is full"):
            answers = endpoint.ask(questions(40))
        assert all(isinstance(a, Answer) for a in answers)
        with warnings.catch_warnings():
            warnings.simplefilter("error", HandrailWarning)  # told once
            assert all(isinstance(a, Answer) for a in endpoint.ask(questions(41)))
        endpoint.close()
        other = AnswerCache(tmp_path / "c")
        assert len(other.find([Keys("m")(q) for q in questions(41)])) == 3


def test_a_full_disk_at_the_start_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnswerCache, "_prepare", full)
    with pytest.raises(RunError, match=r"disk is full.*--no-cache"):
        AnswerCache(tmp_path / "c")


def test_what_is_no_cache_is_refused_untouched(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("some notes of mine, long enough to be taken for a file of its own kind" * 20)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    (tmp_path / "beside").write_text("a file")
    for path, problem in (
        (words, "not a database.*Delete it"),
        (tmp_path / "other", "database of something else.*--cache"),
        (tmp_path, "it is a folder"),
        (tmp_path / "beside" / "c", "cannot be used"),
    ):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(RunError, match=problem):
            AnswerCache(path)
        assert not before or path.read_bytes() == before


def test_a_damaged_file_is_told_and_nothing_was_asked(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "c")
    for n in range(2000):
        cache.keep(key(n), Kept("text " * 50))
    cache.close()
    data = bytearray((tmp_path / "c").read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)
    (tmp_path / "c").write_bytes(bytes(data))
    with scripted() as server:
        with pytest.raises(RunError, match=r"malformed|not a database"):
            Endpoint(settings(server.url), AnswerCache(tmp_path / "c")).ask(questions(2000))
        assert server.got == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot be used"):
        AnswerCache(tmp_path / "c")
    tmp_path.chmod(0o700)


def test_a_file_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    AnswerCache(tmp_path / "c").close()

    class ReadOnly(AnswerCache):
        def _connected(self) -> sqlite3.Connection:
            return sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)

    with pytest.raises(RunError, match=r"readonly.*--cache"):
        ReadOnly(tmp_path / "c")


def test_a_copy_by_pickle_uses_the_same_file(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "c")
    cache.keep(key(1), Kept("x"))
    cache.flush()
    assert pickle.loads(pickle.dumps(cache)).find([key(1)])[key(1)].text == "x"


def test_a_cached_run_loads_neither_client_nor_torch(tmp_path: Path) -> None:
    with scripted() as server:
        Endpoint(settings(server.url), AnswerCache(tmp_path / "c")).ask(questions(5))
    code = ASKING + "print(*{'openai', 'torch', 'transformers'} & set(sys.modules))"
    command = [sys.executable, "-c", code, server.url, str(tmp_path / "c"), "5"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["5"]
