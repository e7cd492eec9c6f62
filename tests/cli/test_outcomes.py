"""Every way a command can end: exit code, what is on stdout, what is on stderr."""

from __future__ import annotations

import errno
import json
import warnings
from pathlib import Path

import pytest

from handrail.cli import api, group
from handrail.cli.group import invoke
from handrail.records import HandrailWarning, RunError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """`handrail report` fails with whatever is put into the list."""
    causes: list[BaseException] = []

    def report(_run_dir: Path, **_: object) -> Path:
        raise causes[0]

    monkeypatch.setattr(api, "report", report)
    return causes


def test_a_result_goes_to_stdout_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["doctor", "--json"]) == 0
    out, _ = capsys.readouterr()
    found = json.loads(out)
    assert found["machine"]["cores"] >= 1
    assert {"mode", "dtype", "parameters"} <= set(found["fits"][0])


def test_a_users_problem_is_one_message_and_exits_2(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(RunError("nothing is here", "Run it first", "runs/x"))
    assert invoke(["report", "runs/x"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Error: runs/x: nothing is here. Run it first\n"


def test_a_warning_is_one_line_on_stderr_and_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def report(_run_dir: Path, **_: object) -> Path:
        warnings.warn("this is slow. Use the other", HandrailWarning, stacklevel=1)
        return Path("runs/x/report.html")

    monkeypatch.setattr(api, "report", report)
    assert invoke(["report", "runs/x"]) == 0
    out, err = capsys.readouterr()
    assert "report.html" in out
    assert err == "Warning: this is slow. Use the other\n"


def test_json_errors_leave_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "check", "no-such-file.jsonl", "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "there is no such file" in err
    assert "Traceback" not in err


def test_a_defect_is_owned_up_to_and_its_traceback_kept(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failing.append(IndexError("list index out of range"))
    assert invoke(["report", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "This is a defect of Handrail's, not yours: IndexError" in err
    assert "Traceback" not in err
    (kept,) = tmp_path.glob("handrail-traceback-*.txt")
    assert str(kept) in err
    assert "IndexError: list index out of range" in kept.read_text()


def test_debug_shows_the_traceback(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(IndexError("list index out of range"))
    assert invoke(["report", "runs/x", "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt_exits_130_and_says_what_is_kept(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(KeyboardInterrupt())
    assert invoke(["report", "runs/x"]) == 130
    assert "Stopped. The report that was there is still there." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cause", "mend"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
        (OSError(errno.EACCES, "Permission denied"), "that you may write to"),
        (MemoryError(), "Out of memory"),
    ],
)
def test_a_failing_machine_is_no_defect(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    cause: BaseException,
    mend: str,
) -> None:
    failing.append(cause)
    assert invoke(["report", "runs/x"]) == 2
    assert mend in capsys.readouterr().err


def test_usage_errors_exit_2_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["trian"]) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err
    assert invoke(["report", "x", "--jsno"]) == 2
    assert "--json" in capsys.readouterr().err


def test_a_closed_pipe_is_quiet(
    monkeypatch: pytest.MonkeyPatch, failing: list[BaseException]
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(group.os, "dup2", lambda _a, b: closed.append(b))
    failing.append(BrokenPipeError())
    assert invoke(["report", "runs/x"]) == 0
    assert closed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["--version"]) == 0
    assert capsys.readouterr().out.startswith("handrail, version 0.")
