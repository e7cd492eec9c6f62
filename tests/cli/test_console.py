"""Progress lines where stderr is no terminal, and tables."""

from __future__ import annotations

import pytest

from handrail.cli import console as module
from handrail.cli.console import Console, clock, table


def test_progress_lines_tell_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    console = Console()
    for done in range(0, 101):
        console.progress("train", done, 100, "loss 0.5" if done else "")
        now[0] += 1.0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train: 0%"
    assert lines[1] == "train: 20%, 1:20 left  loss 0.5"
    assert lines[-1] == "train: 100%, took 1:40  loss 0.5"
    assert len(lines) == 6


def test_a_finished_stage_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    for _ in range(3):
        console.progress("judge", 5, 5)
    assert capsys.readouterr().err.count("judge") == 1


def test_quiet_says_nothing_but_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.quiet = True
    console.progress("train", 0, 1)
    console.say("a note")
    console.warn("a warning")
    console.error("an error")
    assert capsys.readouterr().err == "a warning\nan error\n"


def test_json_is_the_only_thing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.json = True
    console.progress("train", 0, 1)
    console.result({"loss": 0.5, "name": "é"}, "for a reader")
    assert capsys.readouterr().out == '{"loss": 0.5, "name": "é"}\n'


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.6, 61, 3725)] == ["0:00", "1:00", "1:01", "1:02:05"]


def test_tables_align_words_left_and_numbers_right() -> None:
    text = table([("sft", "7"), ("ipo-long", "120")], ("system", "n"))
    assert text.splitlines() == ["system      n", "sft         7", "ipo-long  120"]
