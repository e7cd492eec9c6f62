"""Prompt files: the user's own in the packaged one's place, versions, and every kind of fault."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from handrail.asking import Prompt, Prompts, export_prompts, prompt_names
from handrail.records import SettingError

VALUES = {"conversation": [], "a": "one", "b": "two"}


def test_a_users_file_stands_in_for_the_packaged_one_and_has_its_own_version(
    tmp_path: Path,
) -> None:
    (tmp_path / "helpful.jinja").write_text("{# Mine. #}\n--- user ---\n{{ a }} or {{ b }}?\n")
    own, packaged = Prompts(tmp_path), Prompts()
    (message,) = own["helpful"].render(VALUES)
    assert (message.role, message.content) == ("user", "one or two?")
    assert own["helpful"].about == "Mine."
    digest = hashlib.sha256((tmp_path / "helpful.jinja").read_bytes()).hexdigest()
    assert own["helpful"].label == f"helpful@{digest[:12]}"
    assert own["helpful"].version != packaged["helpful"].version
    assert own["bins"] == packaged["bins"]


def test_exported_files_have_the_packaged_versions(tmp_path: Path) -> None:
    assert {path.stem for path in export_prompts(tmp_path)} == set(prompt_names())
    own, packaged = Prompts(tmp_path), Prompts()
    assert [own[n].version for n in prompt_names()] == [packaged[n].version for n in prompt_names()]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no part"),
        ("Hello", "has no part"),
        ("--- user ---\n\n", "comes out empty"),
        ("--- user ---\n{% if %}x{% endif %}", r"line 2: the prompt cannot be used: Expected"),
        ("--- user ---\n{{ nothing }}", "'nothing' is undefined. Known: a, b, conversation, data"),
        ("--- user ---\n{{ a.b.c }}", "has no attribute 'b'"),
        ("--- user ---\n{{ a / 2 }}", "cannot be used: unsupported operand"),
        ("--- user ---\n{{ 1 / 0 }}", "cannot be used: division by zero"),
        ("--- user ---\n{% include 'x' %}", "cannot be used: no loader"),
        ("--- user ---\n{% for i in range(10 ** 9) %}x{% endfor %}", "cannot be used: Range too"),
        ("--- user ---\n{{ a.__class__.__mro__ }}", "cannot be used: access to attribute"),
        ("--- user ---\n{{ '%d' % a }}", "cannot be used: %d format"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_error(text: str, told: str) -> None:
    with pytest.raises(SettingError, match=told) as caught:
        Prompt("helpful", text, "mine/helpful.jinja").render(VALUES)
    assert str(caught.value).startswith("mine/helpful.jinja")


def test_a_file_can_be_checked_before_it_is_needed() -> None:
    Prompt("helpful", "--- user ---\n{{ nothing }}").check()  # what it is given is not known yet
    for text in ("Hello", "--- user ---\n{% if %}"):
        with pytest.raises(SettingError, match=r"no part|line 2: the prompt cannot be used"):
            Prompt("helpful", text, "mine").check()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="there is no folder"):
        Prompts(tmp_path / "nowhere")
    (tmp_path / "helpful.jinja").write_bytes(b"--- user ---\n\xff")
    with pytest.raises(SettingError, match=r"helpful.jinja: byte 13 is not UTF-8"):
        Prompts(tmp_path)["helpful"]
    (tmp_path / "bins.jinja").mkdir()
    with pytest.raises(SettingError, match=r"bins.jinja: cannot be read \(Is a directory\)"):
        Prompts(tmp_path)["bins"]
    with pytest.raises(SettingError, match=r"no prompt 'helpfull'. Did you mean 'helpful'"):
        Prompts()["helpfull"]
    (tmp_path / "helpfull.jinja").write_text("x")
    with pytest.raises(SettingError, match="is no prompt of Handrail's"):
        Prompts(tmp_path)
