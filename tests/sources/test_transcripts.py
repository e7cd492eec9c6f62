"""The user's own files: both layouts, roles, order, empty and repeated turns, encodings, faults."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.records import HandrailError, RecordError, SettingError
from handrail.sources.transcripts import Imported, Mapping, load

ROWS = [
    {"chat": "a", "who": "Customer", "said": "Hi", "n": 1},
    {"chat": "a", "who": "Agent", "said": "Hello, how can I help?", "n": 2},
    {"chat": "b", "who": "Customer", "said": "My card is lost", "n": 1},
    {"chat": "a", "who": "Customer", "said": "A refund, please", "n": 3},
    {"chat": "b", "who": "Agent", "said": "I am sorry to hear that.", "n": 2},
]
MAPPING = Mapping(conversation="chat", role="who", text="said")


def _write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def _shape(imported: Imported) -> dict[str, list[tuple[str, str]]]:
    return {c.id: [(m.role, m.content) for m in c.messages] for c in imported.records}


EXPECTED = {
    "a": [("user", "Hi"), ("assistant", "Hello, how can I help?"), ("user", "A refund, please")],
    "b": [("user", "My card is lost"), ("assistant", "I am sorry to hear that.")],
}


def test_one_message_a_row_in_json_lines_and_csv(tmp_path: Path) -> None:
    lines = load(_write(tmp_path / "a.jsonl", list(ROWS)), MAPPING)
    assert _shape(lines) == EXPECTED
    table = "chat;who;said;n\n" + "\n".join(
        ";".join(f'"{v}"' for v in row.values()) for row in ROWS
    )
    (tmp_path / "a.csv").write_text(table, encoding="utf-8")
    assert _shape(load(tmp_path / "a.csv", MAPPING)) == EXPECTED
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(table.replace(";", "\t").encode()))
    assert _shape(load(tmp_path / "a.tsv.gz", MAPPING)) == EXPECTED
    (tmp_path / "a.json").write_text(json.dumps(ROWS), encoding="utf-8")
    assert _shape(load(tmp_path / "a.json", MAPPING)) == EXPECTED


def test_one_conversation_a_row_with_usual_names(tmp_path: Path) -> None:
    rows = [
        {"id": "x", "messages": [{"role": "user", "content": "Hi"},
                                 {"role": "assistant", "content": "Hello"}]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}]},
    ]  # fmt: skip
    shape = _shape(load(_write(tmp_path / "talks.jsonl", rows)))
    assert shape == {
        "x": [("user", "Hi"), ("assistant", "Hello")],
        "talks-2": [("user", "Hi"), ("assistant", "Yes?")],
    }


def test_multi_line_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        'session,speaker,text\n1,customer,"Hi,\nI have a ""question"""\n1,agent,Yes?\n'
    )
    shape = _shape(load(tmp_path / "a.csv"))
    assert shape["1"][0] == ("user", 'Hi,\nI have a "question"')


def test_order_by_number_and_by_time(tmp_path: Path) -> None:
    shuffled = [ROWS[3], ROWS[1], ROWS[0]]
    mapping = MAPPING.model_copy(update={"order": "n"})
    assert _shape(load(_write(tmp_path / "n.jsonl", list(shuffled)), mapping))["a"] == EXPECTED["a"]
    timed = [{**r, "n": f"2024-05-0{r['n']}T10:00:00Z"} for r in shuffled]
    assert _shape(load(_write(tmp_path / "t.jsonl", list(timed)), mapping))["a"] == EXPECTED["a"]


@pytest.mark.parametrize(("value", "says"), [("soon", "neither all numbers"), (None, "no place")])
def test_order_that_is_none(tmp_path: Path, value: object, says: str) -> None:
    rows = [ROWS[0], {**ROWS[1], "n": value}]
    with pytest.raises(RecordError, match=says) as caught:
        load(_write(tmp_path / "n.jsonl", rows), MAPPING.model_copy(update={"order": "n"}))
    assert "line 2" in str(caught.value)
    assert "'n'" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (["2024-01-02 10:00", "2024-01-02 10:01", "01/03/2024", "2024-01-02 10:03"], 3),
        (["01/03/2024", "2024-01-02 10:00", "2024-01-02 10:01"], 1),
        ([1, 2, "2024-01-02 10:00", 4], 3),
        (["2024-01-02 10:00Z", "2024-01-02 10:01", "2024-01-02 10:02Z"], 2),
        (["soon", "later"], 1),
    ],
)
def test_the_odd_value_of_an_order_is_named(
    tmp_path: Path, values: list[object], line: int
) -> None:
    path = _write(tmp_path / "n.jsonl", [{**ROWS[1], "n": value} for value in values])
    with pytest.raises(RecordError) as caught:
        load(path, MAPPING.model_copy(update={"order": "n"}))
    assert caught.value.where == f"{path}, line {line}"
    assert f"found {values[line - 1]!r}" in str(caught.value)


def test_empty_repeated_and_split_messages_are_mended_and_counted(tmp_path: Path) -> None:
    rows = [
        ROWS[0], ROWS[0], {**ROWS[0], "said": " "}, {**ROWS[0], "said": None},
        {**ROWS[0], "said": "Are you there?"}, ROWS[1],
    ]  # fmt: skip
    imported = load(_write(tmp_path / "a.jsonl", rows), MAPPING)
    assert _shape(imported)["a"][0] == ("user", "Hi\nAre you there?")
    assert imported.counts == {
        "repeated messages merged": 1,
        "empty messages dropped": 2,
        "messages of one side joined": 1,
    }


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**ROWS[1], "who": "Agnet"}, "Did you mean 'agent'"),
        ({**ROWS[1], "who": "Zorro"}, "--map agent=NAME"),
        ({**ROWS[1], "who": ""}, "'who' names no role"),
        ({**ROWS[1], "who": 7}, "'who' names no role"),
        ({**ROWS[1], "said": 7}, "expected a text, found int"),
        ({**ROWS[1], "chat": None}, "does not name a conversation"),
        ({**ROWS[1], "chat": True}, "does not name a conversation"),
        ({"who": "Agent", "said": "x"}, "no field 'chat'"),
        ({"chat": "a", "said": "x"}, "no field 'who'"),
        ([1, 2], "expected a JSON object, found list"),
    ],
)
def test_bad_rows_name_line_field_and_mend(tmp_path: Path, row: object, says: str) -> None:
    path = _write(tmp_path / "a.jsonl", [ROWS[0], row, ROWS[2], ROWS[4]])
    with pytest.raises(RecordError, match=says) as caught:
        load(path, MAPPING)
    assert "line 2" in str(caught.value)
    skipped = load(path, MAPPING, on_error="skip")
    assert list(_shape(skipped)) == ["b"]
    assert skipped.skipped


def test_own_role_names_and_one_name_for_two(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "who": "caller_7"}, {**ROWS[1], "who": "Desk"}]
    mapping = MAPPING.model_copy(update={"agent": "desk", "customer": ("Caller 7",)})
    assert _shape(load(_write(tmp_path / "a.jsonl", rows), mapping))["a"] == EXPECTED["a"][:2]
    both = Mapping(agent="desk", customer="Desk")
    with pytest.raises(SettingError, match="given to two roles"):
        load(tmp_path / "a.jsonl", both)


def test_swapped_roles_are_noticed(tmp_path: Path) -> None:
    rows = []
    for k in range(4):
        rows += [
            {"chat": k, "who": "agent", "said": "I lost my card"},
            {"chat": k, "who": "customer", "said": "May I have your name, please?"},
        ]
    path = _write(tmp_path / "a.jsonl", rows)
    counted = "the roles look swapped: of 4 messages in words of an agent, 4 are a customer's"
    with pytest.raises(RecordError, match=counted):
        load(path, MAPPING)
    imported = load(path, MAPPING, on_error="skip")
    assert len(imported.records) == 4
    assert imported.skipped == []
    (warning,) = imported.warnings
    assert "swapped" in warning.reason
    assert "skip" not in warning.reason
    assert warning.where == str(path)
    mended = MAPPING.model_copy(update={"agent": "customer", "customer": "agent"})
    assert _shape(load(path, mended))["0"][0][0] == "user"


def _asked(content: object, **more: object) -> list[dict[str, object]]:
    """A conversation of one row whose agent says `content`."""
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content, **more}]
    return [{"messages": said}]


@pytest.mark.parametrize(
    ("content", "more", "says"),
    [
        ("", {}, "is empty. Give them their words"),
        (" \n", {}, "is empty. Give them their words"),
        ([], {}, "is empty. Give them their words"),
        (None, {"tool_calls": [{}]}, "is empty (tool calls are not read). Give"),
    ],
)
def test_an_agent_who_says_nothing_is_not_called_absent(
    tmp_path: Path, content: object, more: dict[str, object], says: str
) -> None:
    path = _write(tmp_path / "a.jsonl", [*_asked(content, **more), *_asked("Hello")])
    with pytest.raises(RecordError) as caught:
        load(path)
    assert f"every message of the agent in this conversation {says}" in str(caught.value)
    assert "--map" not in str(caught.value)
    imported = load(path, on_error="skip")
    assert list(_shape(imported)) == ["a-2"]
    assert len(imported.skipped) == 1


def test_text_parts_are_joined_and_other_parts_are_named(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Hello."}, {"type": "output_text", "text": "Yes?"}]
    path = tmp_path / "a.jsonl"
    imported = load(_write(path, list(_asked(parts))))
    assert _shape(imported)["a-1"][1] == ("assistant", "Hello.\nYes?")
    for part, says in (
        (
            {"type": "image_url", "image_url": {"url": "x"}},
            "part 2 is of the kind 'image_url', not",
        ),
        ({"type": "text", "text": None}, "part 2 is of the kind 'text', and has none"),
        ({"text": "Hello"}, "part 2 is of the kind 'None', not text"),
        ("Hello", "part 2 is of the kind 'str', not text"),
    ):
        _write(path, [*_asked([parts[0], part]), *_asked("Hello")])
        with pytest.raises(RecordError, match=says) as caught:
            load(path)
        assert caught.value.where == f"{path}, line 1, message 2"
        imported = load(path, on_error="skip")
        assert list(_shape(imported)) == ["a-2"]
        (skip,) = imported.skipped
        assert says in skip.reason


def test_tool_calls_are_left_out_and_counted(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    said: list[dict[str, object]] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "content": "balance: 5"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "assistant", "content": "One moment.", "function_call": {"name": "look_up"}},
        {"role": "assistant", "content": "It is 5.", "tool_calls": None},
    ]
    imported = load(_write(tmp_path / "a.jsonl", [{"messages": said}]))
    assert imported.counts["tool calls left out"] == 4
    assert imported.counts["empty messages dropped"] == 2
    assert [role for role, _ in _shape(imported)["a-1"]] == ["user", "tool", "assistant"]
    del said[-1]["content"]
    with pytest.raises(RecordError, match="no field for the text"):
        load(_write(tmp_path / "a.jsonl", [{"messages": said}]))


def test_conversations_without_an_agent(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", [ROWS[0], ROWS[2], ROWS[4]])
    with pytest.raises(RecordError, match="no message of the agent"):
        load(path, MAPPING)
    assert list(_shape(load(path, MAPPING, on_error="skip"))) == ["b"]


def _talk(name: object, said: str = "Hi", role: str = "agent") -> dict[str, object]:
    return {"id": name, "messages": [{"role": role, "text": said}]}


def test_the_first_conversation_of_an_id_is_kept_and_later_ones_are_counted(
    tmp_path: Path,
) -> None:
    rows = [_talk("c1", "one"), _talk("c2"), _talk("c1", "two"), _talk("c3"), _talk("c1", "three")]
    path = _write(tmp_path / "a.jsonl", [*rows, {"id": "c2", "messages": None}])
    with pytest.raises(RecordError, match=r"'c1' came before .*line 1\)") as caught:
        load(path)
    assert caught.value.where == f"{path}, line 3"
    imported = load(path, on_error="skip")
    assert _shape(imported) == {
        "c1": [("assistant", "one")],
        "c2": [("assistant", "Hi")],
        "c3": [("assistant", "Hi")],
    }
    assert [skip.where for skip in imported.skipped] == [f"{path}, line {n}" for n in (3, 5, 6)]
    (only,) = load(
        _write(path, [{"id": "c2", "messages": None}, _talk("c4")]), on_error="skip"
    ).skipped
    assert only.reason.startswith("field 'messages' is not a list of messages")


def test_rows_of_a_conversation_that_came_whole_are_left_out(tmp_path: Path) -> None:
    row = {"id": "c1", "role": "agent", "text": "Hello"}
    whole_first = load(_write(tmp_path / "a.jsonl", [_talk("c1"), row]), on_error="skip")
    assert _shape(whole_first) == {"c1": [("assistant", "Hi")]}
    assert len(whole_first.skipped) == 1
    rows_first = load(_write(tmp_path / "b.jsonl", [row, _talk("c1")]), on_error="skip")
    assert _shape(rows_first) == {"c1": [("assistant", "Hello")]}
    assert len(rows_first.skipped) == 1


def test_rows_without_an_id_get_one_that_no_earlier_row_has(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", [_talk("a-2"), _talk(None), _talk("a-2"), _talk(None)])
    imported = load(path, on_error="skip")
    assert list(_shape(imported)) == ["a-2", "a-3", "a-4"]
    assert len(imported.skipped) == 1


WHOLE_ROWS = st.one_of(
    st.builds(
        _talk,
        st.sampled_from(["c1", "c2", 3, None]),
        st.sampled_from(["Hi", "Yes?", " "]),
        st.sampled_from(["agent", "customer", "nobody"]),
    ),
    st.sampled_from([{"id": "c1", "messages": None}, {"messages": ["Hi"]}, ["no object"], {}]),
)


@given(rows=st.lists(WHOLE_ROWS, min_size=1, max_size=8))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_conversation_of_a_row_is_read_or_counted(tmp_path: Path, rows: list[object]) -> None:
    imported = load(_write(tmp_path / "a.jsonl", rows), on_error="skip")
    assert len(imported.records) + sum(skip.count for skip in imported.skipped) == len(rows)
    firsts: dict[str, object] = {}
    for row in rows:
        if isinstance(row, dict) and row.get("id") is not None:
            firsts.setdefault(str(row["id"]), row)
    for name, talk in _shape(imported).items():
        if not name.startswith("a-"):
            assert firsts[name] == _talk(json.loads(name) if name == "3" else name, talk[0][1])


MESSAGE_ROWS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["c1", "c2", "c3"]),
        "role": st.sampled_from(["agent", "agent", "customer", "nobody"]),
        "text": st.sampled_from(["Hi", "Yes?", " ", 7]),
    }
)


@given(rows=st.lists(MESSAGE_ROWS, min_size=1, max_size=10))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_conversation_of_many_rows_is_read_or_counted_once(
    tmp_path: Path, rows: list[object]
) -> None:
    imported = load(_write(tmp_path / "a.jsonl", rows), on_error="skip")
    named = {row["id"] for row in rows if isinstance(row, dict)}
    assert len(imported.records) + sum(skip.count for skip in imported.skipped) == len(named)


LATIN = 'chat,who,said\na,customer,"Grüße"\na,agent,"Ça va – ja"\n'


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_are_read(tmp_path: Path, codec: str) -> None:
    (tmp_path / "a.csv").write_bytes(LATIN.encode(codec))
    assert _shape(load(tmp_path / "a.csv", MAPPING))["a"][0] == ("user", "Grüße")


def test_other_encodings_only_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(LATIN.encode("cp1252"))
    position = LATIN.index("ü")
    with pytest.raises(RecordError, match=rf"byte {position} \(0xfc\) is not UTF-8") as caught:
        load(path, MAPPING)
    assert "--encoding cp1252" in str(caught.value)
    assert "line 2" in str(caught.value)
    for asked in ("cp1252", "detect"):
        shape = _shape(load(path, MAPPING, encoding=asked))
        assert shape["a"] == [("user", "Grüße"), ("assistant", "Ça va – ja")]
    with pytest.raises(SettingError, match="no text encoding 'utf-9'"):
        load(path, MAPPING, encoding="utf-9")
    path.write_bytes(LATIN.replace("–", "-").encode("latin-1") + b"\x81")
    with pytest.raises(RecordError):
        load(path, MAPPING, encoding="cp1252")
    path.write_bytes(LATIN.encode("utf-16-le"))
    with pytest.raises(HandrailError):
        load(path, MAPPING)
    assert _shape(load(path, MAPPING, encoding="utf-16-le"))["a"][0] == ("user", "Grüße")


def test_wrongly_decoded_text_is_warned_of(tmp_path: Path) -> None:
    broken = "GrÃ¼ÃŸe, itâ€™s me"
    rows = [{**ROWS[0], "said": broken}, ROWS[1]]
    imported = load(_write(tmp_path / "a.jsonl", rows), MAPPING)
    assert imported.counts["messages with wrongly decoded text"] == 1
    assert "mojibake" in imported.warnings[0].reason
    assert "line 1" in imported.warnings[0].where


def test_files_cut_off(tmp_path: Path) -> None:
    whole = "".join(json.dumps(r) + "\n" for r in ROWS)
    path = tmp_path / "a.jsonl"
    path.write_text(whole[:-15])
    with pytest.raises(RecordError, match="cut off here"):
        load(path, MAPPING)
    assert list(_shape(load(path, MAPPING, on_error="skip"))) == ["a"]
    table = tmp_path / "a.csv"
    table.write_text('chat,who,said\na,agent,Hi\nb,agent,"Hello the')
    with pytest.raises(RecordError, match="cut off here"):
        load(table, MAPPING)
    assert list(_shape(load(table, MAPPING, on_error="skip"))) == ["a"]
    table.write_text("chat,who,said\na,agent,Hi\nb,agent")
    with pytest.raises(RecordError, match="2 cells, the header 3"):
        load(table, MAPPING)
    zipped = tmp_path / "a.jsonl.gz"
    zipped.write_bytes(gzip.compress(whole.encode())[:-20])
    with pytest.raises(RecordError, match="cut off or damaged"):
        load(zipped, MAPPING)
    salvaged = load(zipped, MAPPING, on_error="skip")
    assert salvaged.skipped[0].what == "row"
    assert "cut off or damaged" in salvaged.skipped[0].reason
    zipped.write_bytes(gzip.compress(whole.encode())[:-4])  # only the checksum is cut
    assert _shape(load(zipped, MAPPING, on_error="skip")) == EXPECTED
    listed = tmp_path / "b.json.gz"
    listed.write_bytes(gzip.compress(json.dumps(ROWS).encode())[:-20])
    with pytest.raises(RecordError, match="cut off or damaged"):
        load(listed, MAPPING, on_error="skip")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "", "no conversations"),
        ("a.csv", "chat,who,who\n", "two columns have the name 'who'"),
        ("a.json", '{"a": 1}', "expected a list"),
        ("a.json", "[", "cut off"),
        ("a.xlsx", "PK", "'.xlsx' are not read"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RecordError, match=says):
        load(tmp_path / name, MAPPING)


def test_playbooks_from_files_and_columns(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "- Be polite.\n- text: Never ask for the PIN.\n  id: pin\n"
    )
    path = _write(tmp_path / "a.jsonl", list(ROWS))
    (first, _) = load(path, MAPPING, playbook=tmp_path / "rules.yaml").records
    assert first.playbook is not None
    assert [g.id for g in first.playbook.guardrails] == ["rule-1", "pin"]
    rows = [{**r, "rules": "rules.yaml" if r["chat"] == "a" else '["Say sorry."]'} for r in ROWS]
    own = load(
        _write(tmp_path / "b.jsonl", list(rows)), MAPPING.model_copy(update={"playbook": "rules"})
    )
    texts = [[g.text for g in c.playbook.guardrails] for c in own.records if c.playbook]
    assert texts == [["Be polite.", "Never ask for the PIN."], ["Say sorry."]]
    with pytest.raises(RecordError, match="no field 'rules' for the playbook"):
        load(path, MAPPING.model_copy(update={"playbook": "rules"}))


@pytest.mark.parametrize("value", ["none", 3, None, {"role": "user"}])
def test_messages_that_are_no_list_are_told_so(tmp_path: Path, value: object) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"messages": value}) + "\n")
    with pytest.raises(RecordError, match="'messages' is not a list of messages, but") as caught:
        load(path)
    assert caught.value.where == f"{path}, line 1"


def test_a_column_of_a_csv_may_hold_messages_as_json(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Hi, you"}, {"role": "assistant", "content": "Hello"}]
    path = tmp_path / "a.csv"
    quoted = json.dumps(said).replace('"', '""')
    path.write_text(f'id,messages\n7,"{quoted}"\n8,"[{{\'role\': 1}}]"\n')
    loaded = load(path, on_error="skip")
    assert [(c.id, [m.content for m in c.messages]) for c in loaded.records] == [
        ("7", ["Hi, you", "Hello"])
    ]
    (skip,) = loaded.skipped
    assert "field 'messages' is no JSON list of messages" in skip.reason
    assert "as JSON Lines or Parquet" in skip.reason


def test_who_skips_is_not_advised_to_skip(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    image = [{"type": "image"}]
    rows = [
        {"id": "a", "messages": [{"role": "assistant", "content": ""}]},
        {"id": "b", "messages": [{"role": "assistant", "content": image}]},
    ]
    for row in rows:
        path.write_text(json.dumps(row) + "\n")
        with pytest.raises(RecordError, match="--on-error skip"):
            load(path)
        (skip,) = load(path, on_error="skip").skipped
        assert "skip" not in skip.reason
