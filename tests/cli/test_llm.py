"""What commands that ask a language model share: options, the model by its name, what it cost."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import handrail
from handrail import world
from handrail.cli.console import Console
from handrail.cli.group import invoke
from handrail.cli.llm import default_cache, given_llm, llm_options, spent_lines, spent_summary
from handrail.cli.verb import verb
from handrail.records import Answer, RunError, SettingError, Spent, Usage, write_jsonl
from handrail.sampling.server import Endpoint
from tests.sampling.server.scripted import Got, Say, question, questions, scripted


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with turns.jsonl; the cache and the environment are its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    write_jsonl("turns.jsonl", world.training_turns(1, 1)[:4])
    return tmp_path


def parsed(*line: str) -> dict[str, Any]:
    """What a command with the options is given for a command line."""
    seen: dict[str, Any] = {}

    @verb("handrail x")
    @click.option("--model")
    @llm_options
    def command(console: Console, **options: Any) -> None:
        seen.update(options)

    command.main(list(line), standalone_mode=False, obj=Console())
    return seen


def test_only_options_that_were_given_are_handed_on() -> None:
    assert parsed("--model", "m") == {"model": "m", "llm": {}, "prompts": None}
    seen = parsed("--in-flight", "0", "--no-cache", "--max-cost", "2.5", "--prompts", "p")
    assert seen["llm"] == {"in_flight": 0, "no_cache": True, "max_cost": 2.5}
    assert given_llm(seen) == {
        "in_flight": 0,
        "no_cache": True,
        "max_cost": 2.5,
        "prompts": Path("p"),
    }
    assert seen == {"model": None}


def test_a_model_by_its_name_remembers_by_default(folder: Path) -> None:
    with scripted() as server:
        for name in ("openai:m", "m"):
            model = handrail.open_model(name, base_url=server.url)
            assert all(isinstance(a, Answer) for a in model.ask(questions(3)))
        assert len(server.got) == 3
        handrail.open_model("m", base_url=server.url, no_cache=True).ask(questions(3))
        assert len(server.got) == 6
        handrail.open_model("m", base_url=server.url, cache="own.sqlite").ask(questions(3))
    assert len(server.got) == 9
    assert default_cache().is_relative_to(folder)
    assert default_cache().exists()
    assert Path("own.sqlite").exists()


@pytest.mark.parametrize(
    ("system", "place"),
    [("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local")],
)
def test_the_default_place_is_the_systems(
    system: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / place / "handrail" / "answers.sqlite"


def test_the_world_is_a_model_over_http(folder: Path) -> None:
    model = handrail.open_model("world:malformed=1.0,seed=3")
    (answer,) = model.ask([question()])
    assert model.settings.base_url.startswith("http://127.0.0.1:")
    assert model.spent.requests >= 1
    assert answer.model == "world:malformed=1.0,seed=3"
    assert not default_cache().exists(), "what costs nothing is not kept, unless it is asked for"
    with pytest.raises(SettingError, match="wrnog"):
        handrail.open_model("world:wrnog=0.1")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": "openai:"}, "names no model"),
        ({"name": "m", "in_flight": 0}, "'in_flight' cannot be '0'"),
        ({"name": "m", "max_cost": 1.0}, "no price for 'm'"),
        ({"name": "m", "base_url": "localhost:1"}, "'base_url' cannot be used"),
        ({"name": "m", "retrys": 1}, "Did you mean 'retries'"),
        ({"name": "m", "prices": "none.yaml"}, "prices cannot be read"),
    ],
)
def test_settings_that_cannot_be_are_told(
    folder: Path, given: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SettingError, match=problem):
        handrail.open_model(**given)


def run(*line: str) -> int:
    return invoke(["generate", "--turns", "turns.jsonl", "--out", "out.jsonl", *line])


def test_generate_asks_an_endpoint_and_tells_what_it_took(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(got: Got) -> Say:
        return Say(status=500) if got.number == 1 else Say("All is well.")

    with scripted(script) as server:
        asked = ("--model", "openai:gpt-4o-mini", "--base-url", server.url, "--n", "2")
        assert run(*asked) == 0
        shown = capsys.readouterr()
        assert "8 requests, about" in shown.err
        assert "8 replies to 4 turns: out.jsonl" in shown.out
        assert "8 questions: 9 requests, 1 retry\n800 + 80 tokens" in shown.out
        assert "0.00017 USD" in shown.out  # 800 x 0.15 + 80 x 0.60, for a million
        assert run(*asked, "--json") == 0
        shown = capsys.readouterr()
        assert "all 8 answers are in the cache" in shown.err
        summary = json.loads(shown.out)
        assert summary["asked"]["cached"] == 8
        assert summary["asked"]["requests"] == 0
        assert len(server.got) == 9
    turns = handrail.turns("out.jsonl").records
    assert [len(turn.replies) for turn in turns] == [2] * 4
    assert {reply.author for turn in turns for reply in turn.replies} == {"gpt-4o-mini"}


def test_an_interrupt_tells_what_is_kept_and_the_next_run_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Endpoint, *asked: Any) -> Any:
        whole(self, asked[0][:2])
        raise KeyboardInterrupt

    whole = Endpoint.ask
    with scripted(lambda got: Say("Fine.")) as server:
        line = ("--model", "openai:m", "--base-url", server.url)
        monkeypatch.setattr(Endpoint, "ask", interrupt)
        assert run(*line) == 130
        shown = capsys.readouterr().err
        assert f"Stopped. Nothing was written. The answers that came are kept ({folder}" in shown
        monkeypatch.setattr(Endpoint, "ask", whole)
        assert run(*line) == 0
    assert "4 questions: 2 requests, 2 from the cache" in capsys.readouterr().out


def test_generate_keeps_what_came_and_counts_what_did_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda got: Say("Fine.")) as server:
        line = ("--model", "openai:m", "--base-url", server.url, "--max-requests", "3")
        assert run(*line) == 0
    shown = capsys.readouterr()
    assert "3 replies to 4 turns" in shown.out
    assert "1 time: reply: limit" in shown.out
    assert "1 of 4 questions have no answer" in shown.err
    with scripted(lambda got: Say(None, refusal="no")) as server:
        Path("out.jsonl").unlink()
        assert run("--model", "openai:n", "--base-url", server.url) == 2
    assert "not one reply came (refusal: no)" in capsys.readouterr().err
    assert not Path("out.jsonl").exists()


def test_options_of_an_endpoint_for_a_model_that_is_none_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--model", "world", "--max-cost", "3") == 2
    assert "--max-cost: the model 'world' runs in this process" in capsys.readouterr().err


def test_what_was_spent_is_told_in_words_and_as_data() -> None:
    spent = Spent(
        questions=1200,
        requests=1003,
        cached=200,
        retries=2,
        repairs=1,
        failures={"refusal": 2, "schema": 1},
        usage=Usage(10_000, 2_000),
        cost=12.5,
        unpriced=0,
        currency="EUR",
    )
    assert spent_lines(spent) == [
        "1,200 questions: 1,003 requests, 200 from the cache, 2 retries, 1 repair",
        "10,000 + 2,000 tokens (prompts + replies), 12.50 EUR",
        "3 questions without an answer: 2 refusal, 1 schema",
    ]
    assert spent_summary(spent)["failures"] == {"refusal": 2, "schema": 1}
    assert spent_summary(spent)["cost"] == 12.5
    unknown = Spent(questions=1, requests=1, unpriced=1)
    assert spent_summary(unknown)["cost"] is None
    assert spent_lines(unknown)[1].endswith("price not known")


def test_prompts_are_listed_shown_and_copied(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["prompts", "export", "mine", "reply", "bins"]) == 0
    assert sorted(path.name for path in Path("mine").iterdir()) == ["bins.jinja", "reply.jinja"]
    file = Path("mine/reply.jinja")
    file.write_text("{# Short. #}\n--- user ---\nReply to {{ conversation }}\n")
    capsys.readouterr()
    assert invoke(["prompts", "list", "--prompts", "mine", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["prompts"]}
    assert [name for name, row in rows.items() if row["own"]] == ["reply"]
    assert rows["reply"]["about"] == "Short."
    assert invoke(["prompts", "list"]) == 0
    assert "bins@" in capsys.readouterr().out
    assert invoke(["prompts", "show", "reply", "--prompts", "mine"]) == 0
    assert capsys.readouterr().out == file.read_text()
    assert invoke(["prompts", "show", "repyl"]) == 2
    assert "Did you mean 'reply'" in capsys.readouterr().err
    assert invoke(["prompts", "export", "mine"]) == 2
    assert "was edited already" in capsys.readouterr().err
    assert len(list(Path("mine").iterdir())) == 2


def test_prompts_are_not_copied_to_where_no_folder_can_be(folder: Path) -> None:
    Path("file").write_text("x")
    with pytest.raises(SettingError, match="no folder"):
        handrail.asking.export_prompts("file")
    with pytest.raises(RunError, match="could not be written"):
        handrail.asking.export_prompts("file/below")
