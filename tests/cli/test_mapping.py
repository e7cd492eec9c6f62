"""`data import --map`: several names of one role, one column for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from handrail.cli import files
from handrail.cli.group import invoke

CHATS = "id,role,text\n1,Kim,Hi\n1,Bot,Hello\n1,Lee,And?\n1,Desk,Yes\n"
LINE = ["data", "import", "chats.csv", "out.jsonl"]


@pytest.fixture(autouse=True)
def chats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chats.csv").write_text(CHATS)


def test_a_role_may_have_several_names(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["agent=Bot", "customer=Kim", "agent=Desk", "customer=Lee"]
    assert invoke([*LINE, *(word for name in names for word in ("--map", name))]) == 0
    (talk,) = files.read_records("out.jsonl").records
    assert [m.role for m in talk.messages] == ["user", "assistant", "user", "assistant"]
    assert invoke([*LINE[:-1], "b.jsonl", "--map", "agent=Desk", "--map", "agent=Bot"]) == 2
    assert "Kim" in capsys.readouterr().err


def test_what_one_column_holds_may_be_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([*LINE, "--map", "text=words", "--map", "text=text"]) == 2
    assert capsys.readouterr().err == (
        "Error: --map text is given 2 times (words, text), and one column holds it. Name one; "
        "only agent, customer, system, tool may have several names\n"
    )
    assert not Path("out.jsonl").exists()
    assert invoke([*LINE, "--map", "tex=words", "--map", "tex=text"]) == 2
    assert "Did you mean 'text'?" in capsys.readouterr().err
