"""TRL's columns and Parquet: round trips, other libraries' view, and faults."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.records import (
    Check,
    Conversation,
    Guardrail,
    HandrailError,
    Message,
    Playbook,
    RecordError,
    Reply,
    SettingError,
    Turn,
    Verdict,
)
from handrail.sources.columns import export_conversations, export_turns, import_rows, load
from handrail.sources.tables import table_rows
from handrail.sources.tables_out import read_parquet, write_parquet, write_rows

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=40
).filter(str.strip)
MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["user", "assistant", "tool", "system"]), content=TEXT),
    min_size=1,
    max_size=5,
).map(tuple)
PLAYBOOKS = st.none() | st.lists(TEXT, min_size=1, max_size=3, unique=True).map(
    lambda texts: Playbook(
        guardrails=tuple(
            Guardrail(id=f"r{i}", text=t, check=Check(forbid=("PIN",))) for i, t in enumerate(texts)
        )
    )
)


@st.composite
def pair_turns(draw: st.DrawFn) -> Turn:
    good, bad = draw(st.lists(TEXT, min_size=2, max_size=2, unique=True))
    replies = (
        Reply(text=good, rank=1, desirable=True),
        Reply(text=bad, rank=2, desirable=False),
    )
    return Turn(
        conversation_id=draw(st.sampled_from(["", "talk 1", "7"])),
        context=draw(MESSAGES),
        playbook=draw(PLAYBOOKS),
        replies=replies,
    )


@given(pair_turns())
def test_pairs_come_back_as_they_went(turn: Turn) -> None:
    rows = list(export_turns([turn]))
    turns, talks = import_rows(rows)
    assert not talks.records
    assert turns.records == [turn]


# Messages that look as if others stood in them, beside any text.
LINES = st.lists(
    st.sampled_from(["User: Hi", "Agent:", "Agent: Yes?", "Follow these rules:", "- r", "", "Well"])
    | TEXT,
    min_size=1,
    max_size=4,
).map("\n".join)


@given(pair_turns(), st.lists(LINES.filter(str.strip), max_size=3))
def test_plain_texts_come_back_as_they_went(turn: Turn, said: list[str]) -> None:
    more = tuple(Message(role="user", content=text) for text in said)
    turn = turn.model_copy(update={"context": (*turn.context, *more)[-4:]})
    (row,) = export_turns([turn], conversational=False)
    assert row["prompt"].endswith("Agent:")
    (made,) = import_rows([row])[0].records
    assert made.model_dump(exclude={"id"}) == turn.model_dump(exclude={"id"})


@given(st.lists(pair_turns(), min_size=1, max_size=4))
def test_turns_come_back_from_csv(
    tmp_path_factory: pytest.TempPathFactory, made: list[Turn]
) -> None:
    turns = list({turn.id: turn for turn in made}.values())
    path = tmp_path_factory.mktemp("csv", numbered=True) / "a.csv"
    write_rows(path, export_turns(turns, conversational=False))
    back, talks = load(path, on_error="skip")
    assert back.records == turns
    assert not talks.records
    write_rows(path, export_turns(turns, "labelled", conversational=False))
    back, _ = load(path, on_error="skip")
    want: list[Any] = []
    for t in turns:
        for r in t.replies:
            said = Reply(text=r.text, desirable=r.desirable)
            row = (t.context, t.playbook, t.conversation_id, said)
            want += [] if row in want else [row]  # a row twice is left out
    assert [(t.context, t.playbook, t.conversation_id, t.replies[0]) for t in back.records] == want


def plain_row(prompt: str, **extra: Any) -> dict[str, Any]:
    ours = {"playbook": "", "source": "turn-1", "conversation_id": "1"}
    return {"prompt": prompt, "chosen": "a", "rejected": "b", **ours, **extra}


def test_an_export_without_the_messages_beside_the_prompt_is_read() -> None:
    row = plain_row("User: Hi\nthere\nAgent: Yes?\nFacts: x\nAgent:")
    (turn,) = import_rows([row])[0].records
    assert [(m.role, m.content) for m in turn.context] == [
        ("user", "Hi\nthere"),
        ("assistant", "Yes?"),
        ("tool", "x"),
    ]
    assert import_rows([plain_row("Agent:")])[0].records[0].context == ()
    foreign = {"prompt": "User: Hi\nAgent:", "chosen": "a", "rejected": "b", "source": "x"}
    assert len(import_rows([foreign])[0].records[0].context) == 1


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (plain_row("Hi"), "'prompt': it is not a prompt as the export writes it"),
        (plain_row("User: Hi"), "it is not a prompt"),
        (plain_row("Hello\nUser: Hi\nAgent:"), "it is not a prompt"),
        (plain_row("User: Hi\nUser: Ho\nAgent:"), "does not tell whether two messages"),
        (plain_row("User: \nAgent:"), "no words"),
        (
            plain_row("User: Hi\nAgent:", playbook='{"guardrails":[{"id":"r","text":"Hm"}]}'),
            "does not open with the rules",
        ),
        (plain_row("User: Hi\nAgent:", prompt_messages="{"), "no JSON list of messages"),
        (
            plain_row("User: Hi\nAgent:", prompt_messages='[{"role": "user", "content": "Ho"}]'),
            "hold different messages",
        ),
    ],
)
def test_a_plain_prompt_that_does_not_tell_its_messages_is_refused(
    row: dict[str, Any], says: str
) -> None:
    with pytest.raises(RecordError, match=says):
        import_rows([row])


@given(pair_turns())
def test_labels_and_completions(turn: Turn) -> None:
    labelled = import_rows(export_turns([turn], "labelled"))[0].records
    assert [(t.replies[0].text, t.replies[0].desirable) for t in labelled] == [
        (turn.replies[0].text, True),
        (turn.replies[1].text, False),
    ]
    assert all(t.context == turn.context and t.playbook == turn.playbook for t in labelled)
    assert all(t.conversation_id == turn.conversation_id for t in labelled)
    (best,) = import_rows(export_turns([turn], "completion"))[0].records
    assert best.replies[0].text == turn.replies[0].text


@given(MESSAGES, PLAYBOOKS, TEXT)
def test_conversations_come_back_as_they_went(
    messages: tuple[Message, ...], playbook: Playbook | None, last: str
) -> None:
    talk = Conversation(
        messages=(*messages, Message(role="assistant", content=last)), playbook=playbook
    )
    turns, talks = import_rows(export_conversations([talk]))
    assert not turns.records
    assert talks.records == [talk]


def _turns() -> list[Turn]:
    rules = Playbook(guardrails=(Guardrail(id="pin", text="Never ask for the PIN."),))
    return [
        Turn(
            id=f"t{k}",
            playbook=rules if k % 2 else None,
            context=(Message(role="user", content=f"Hello {k}\nthere, “you”"),),
            replies=(
                Reply(text="How can I help?", rank=1, desirable=True),
                Reply(text="Your PIN?", rank=2, desirable=False, breaks=("pin",) if k % 2 else ()),
            ),
        )
        for k in range(6)
    ]


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [row.fields for row in table_rows(path)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
@pytest.mark.parametrize("kind", ["preference", "labelled", "completion"])
def test_files_hold_the_rows(tmp_path: Path, name: str, kind: Any) -> None:
    rows = list(export_turns(_turns(), kind))
    assert write_rows(tmp_path / name, rows) == len(rows)
    assert read_rows(tmp_path / name) == rows


def test_csv_holds_the_standard_form(tmp_path: Path) -> None:
    for kind in ("preference", "labelled"):
        rows = list(export_turns(_turns(), kind, conversational=False))
        write_rows(tmp_path / "a.csv", rows)
        # CSV knows texts only; what the rows mean is the same.
        texts = [{name: str(value) for name, value in row.items()} for row in rows]
        assert read_rows(tmp_path / "a.csv") == texts
        assert load(tmp_path / "a.csv")[0].records == import_rows(rows)[0].records
    with pytest.raises(RecordError, match=r"\.jsonl or \.parquet"):
        write_rows(tmp_path / "a.csv", export_turns(_turns()))


@pytest.mark.parametrize("conversational", [True, False])
@pytest.mark.parametrize(("kind", "columns"), [
    ("preference", {"prompt", "chosen", "rejected"}),
    ("labelled", {"prompt", "completion", "label"}),
])  # fmt: skip
def test_datasets_loads_the_files(
    tmp_path: Path, conversational: bool, kind: Any, columns: set[str]
) -> None:
    datasets = pytest.importorskip("datasets")
    rows = list(export_turns(_turns(), kind, conversational=conversational))
    for name, builder in (("a.jsonl", "json"), ("a.parquet", "parquet")):
        write_rows(tmp_path / name, rows)
        loaded = datasets.load_dataset(
            builder,
            data_files=str(tmp_path / name),
            split="train",
            cache_dir=str(tmp_path / "cache"),
        )
        assert columns <= set(loaded.column_names)
        assert loaded.to_list() == rows


def test_trl_knows_the_shapes() -> None:
    data_utils = pytest.importorskip("trl.data_utils")
    for kind in ("preference", "labelled", "completion"):
        for row in export_turns(_turns(), kind):
            assert data_utils.is_conversational(row)
        for row in export_turns(_turns(), kind, conversational=False):
            assert not data_utils.is_conversational(row)


def test_a_prompt_inside_chosen_and_rejected_is_taken_out() -> None:
    shared = [{"role": "user", "content": "Hi"}]
    row = {
        "chosen": [*shared, {"role": "assistant", "content": "Hello"}],
        "rejected": [*shared, {"role": "assistant", "content": "What?"}],
    }
    (turn,) = import_rows([row])[0].records
    assert [m.content for m in turn.context] == ["Hi"]
    assert [r.text for r in turn.replies] == ["Hello", "What?"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": "x"}, "the columns text are none of TRL's shapes"),
        ({}, r"\(none\)"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "are the same"),
        ({"prompt": "a", "chosen": "", "rejected": "b"}, "'chosen': the text is empty"),
        ({"prompt": "a", "chosen": "b", "rejected": ""}, "'rejected': the text is empty"),
        ({"prompt": "", "chosen": "c", "rejected": "b"}, "'prompt': the text is empty"),
        ({"prompt": 7, "chosen": "c", "rejected": "b"}, "'prompt': expected a list of messages"),
        ({"chosen": "c", "rejected": "b"}, "no column 'prompt'"),
        ({"prompt": "a", "completion": "b", "label": "good"}, "'label': expected true or false"),
        ({"messages": [{"role": "user"}]}, "lacks 'role' or 'content'"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "assistant"),
        ({"messages": [{"role": "boss", "content": "Hi"}]}, "'messages': field 'role'"),
        (
            {"prompt": "a", "completion": [{"role": "user", "content": "b"}]},
            "one assistant message",
        ),
        ({"messages": [], "playbook": "{"}, "'playbook' is not JSON"),
        ({"chosen": [], "rejected": []}, "do not share"),
    ],
)
def test_rows_that_are_none_of_trls(row: dict[str, Any], says: str) -> None:
    with pytest.raises(RecordError, match=says) as caught:
        import_rows([row], "file.jsonl")
    assert "file.jsonl, row 1" in str(caught.value)
    turns, talks = import_rows([row], on_error="skip")
    assert len(turns.skipped) == 1
    assert not turns.records
    assert not talks.records


def _row(*prompt: str, **extra: Any) -> dict[str, Any]:
    roles = ("system", "user", "assistant", "user")
    messages = [{"role": r, "content": c} for r, c in zip(roles, prompt, strict=False)]
    return {"prompt": messages, "chosen": "b", "rejected": "c", **extra}


def test_rows_that_open_alike_are_of_one_conversation() -> None:
    rows = [_row("Be kind.", "Hi"), _row("Be kind.", "Hi", "Yes?", "Help"), _row("Be kind.", "Ho")]
    first, second, third = (t.conversation_id for t in import_rows(rows)[0].records)
    assert first == second
    assert third not in ("", first)
    plain = {"prompt": [], "chosen": "b", "rejected": "c"}
    assert import_rows([plain])[0].records[0].conversation_id == ""


def test_the_column_conversation_id_is_read_or_refused() -> None:
    rows = [_row("Be kind.", "Hi", conversation_id=name) for name in ("x", 7, "")]
    assert [t.conversation_id for t in import_rows(rows)[0].records] == ["x", "7", ""]
    for value in (True, 1.5, ["x"]):
        with pytest.raises(RecordError, match="column 'conversation_id': expected a text"):
            import_rows([_row("Be kind.", "Hi", conversation_id=value)])


def test_one_name_for_two_conversations_is_a_fault() -> None:
    talks = [
        {"messages": [{"role": "assistant", "content": text}], "conversation_id": "x"}
        for text in ("Hi", "Ho", "Hi")
    ]
    with pytest.raises(RecordError, match="another row has the conversation_id 'x'"):
        import_rows(talks)
    turns, made = import_rows(talks, on_error="skip")
    assert [c.messages[0].content for c in made.records] == ["Hi"]
    assert [skip.where[-5:] for skip in turns.skipped] == ["row 2", "row 3"]


def test_a_row_twice_is_left_out_and_counted() -> None:
    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    turns, _ = import_rows([row, row])
    assert len(turns.records) == 1
    assert "repeats" in turns.skipped[0].reason


@given(st.dictionaries(
    st.sampled_from(
        ["prompt", "chosen", "rejected", "completion", "label", "messages", "playbook"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner, max_size=3),
        max_leaves=6,
    ),
))  # fmt: skip
def test_any_row_gives_records_or_a_handrail_error(row: dict[str, Any]) -> None:
    turns, talks = import_rows([row], on_error="skip")
    assert len(turns.records) + len(talks.records) + len(turns.skipped) == 1
    if turns.skipped:
        with pytest.raises(HandrailError):
            import_rows([row])


def test_records_in_parquet_and_back(tmp_path: Path) -> None:
    turns = _turns()
    path = tmp_path / "turns.parquet"
    assert write_parquet(path, turns) == 6
    assert read_parquet(path, Turn).records == turns
    verdict = Verdict(turn="t", a="x", b="y", dimension="adherence", outcome="BOTH")
    write_parquet(tmp_path / "verdicts.parquet", [verdict])
    assert read_parquet(tmp_path / "verdicts.parquet", Verdict).records == [verdict]
    with pytest.raises(RecordError, match="row 1"):
        read_parquet(path, Verdict)
    assert len(read_parquet(path, Verdict, on_error="skip").skipped) == 6


def test_an_id_twice_in_parquet_is_a_fault(tmp_path: Path) -> None:
    turns, path = _turns(), tmp_path / "dup.parquet"
    write_parquet(path, [*turns, turns[2]])
    with pytest.raises(RecordError, match="the id 't2' was used in row 3 already") as caught:
        read_parquet(path, Turn)
    assert caught.value.where == f"{path}, row 7"
    loaded = read_parquet(path, Turn, on_error="skip")
    assert loaded.records == turns
    assert [skip.where for skip in loaded.skipped] == [f"{path}, row 7"]


def test_parquet_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    write_rows(path, export_turns(_turns()))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RecordError, match="not a whole Parquet file"):
        read_rows(path)
    with pytest.raises(RecordError, match="no such file"):
        read_rows(tmp_path / "absent.parquet")
    with pytest.raises(RecordError, match="no rows to write"):
        write_rows(tmp_path / "b.parquet", [])
    with pytest.raises(SettingError, match=r"\.xlsx"):
        write_rows(tmp_path / "b.xlsx", [{"a": "b"}])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingError, match=r"pip install pyarrow"):
        read_rows(path)
