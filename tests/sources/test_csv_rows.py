"""CSV with stray quotes: nothing but the broken lines is lost, and cells of several lines stay."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.records import RecordError
from handrail.sources.columns import load as load_columns
from handrail.sources.csv_rows import CsvTable
from handrail.sources.transcripts import Imported, load

HEAD = "conversation,role,text"


def _talks(count: int = 200) -> list[str]:
    """Lines of a table: conversation k has lines 3k + 2 to 3k + 4 of the file."""
    lines = [HEAD]
    for k in range(count):
        lines += [f"{k},customer,Hi {k}", f"{k},agent,Hello {k}", f"{k},customer,Bye {k}"]
    return lines


def _load(path: Path, lines: list[str]) -> Imported:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load(path, on_error="skip")


LATER = {
    "nothing": ("99,agent,Hello", "never closed"),
    "a quoted cell": ('99,agent,"Hi, you"', "not closed before the next quote opens"),
    "a quote at the end": ('99,agent,The screen is 27"', "closed only after other rows"),
    "a quote within": ('99,agent,The 27" screen, blue', "not closed"),
}


@pytest.mark.parametrize("later", sorted(LATER))
def test_a_stray_quote_costs_its_own_conversation(tmp_path: Path, later: str) -> None:
    lines, path = _talks(), tmp_path / "a.csv"
    lines[8] = '2,agent,"Hello with a stray quote'
    lines[299], says = LATER[later]
    loaded = _load(path, lines)
    bad = {"2", "99"} if later == "a quote within" else {"2"}
    assert [c.id for c in loaded.records] == [str(k) for k in range(200) if str(k) not in bad]
    assert len(loaded.skipped) == len(bad)
    assert loaded.skipped[0].where == f"{path}, line 9"
    assert says in loaded.skipped[0].reason
    with pytest.raises(RecordError, match="the quote that opens the cell 'text'") as caught:
        load(path)
    assert caught.value.where == f"{path}, line 9"
    assert "Close the cell there" in caught.value.mend


def test_the_conversation_is_told_from_beside_the_quote(tmp_path: Path) -> None:
    lines = [",".join(reversed(line.split(","))) for line in _talks(9)]
    lines[8] = '"Hello with a stray quote,agent,2'
    loaded = _load(tmp_path / "a.csv", lines)
    assert [c.id for c in loaded.records] == [str(k) for k in range(9) if k != 2]


def test_the_line_is_that_of_the_quote(tmp_path: Path) -> None:
    table = 'conversation,role,text,note\n1,agent,"a\nb","c\n2,agent,d,e\n'
    (row, tail, after) = CsvTable(table).rows()
    assert row.line == 3
    assert row.cells == ["1", "agent", "a\nb", '"c']
    assert "cell 'note' is never closed" in row.problem
    assert tail.line == 3
    assert tail.problem
    assert after.cells == ["2", "agent", "d", "e"]


def test_rows_swallowed_where_nothing_repeats(tmp_path: Path) -> None:
    lines = ["prompt,chosen,rejected", *(f"p{k},c{k},r{k}" for k in range(20))]
    lines[5], lines[9] = 'p4,c4,"r4', 'p8,c8,27"'
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    turns, _ = load_columns(path, on_error="skip")
    assert len(turns.records) == 19
    assert [skip.where for skip in turns.skipped] == [f"{path}, line 6"]


def test_lists_in_texts_are_no_rows() -> None:
    text = 'Which one?\n1, agents, see below\n2, agent "A", and so on\n3, none, thanks'
    rows = [*(["1", "agent", f"a {k}"] for k in range(9)), ["2", "agent", text], ["2", "b", "x"]]
    assert [row.cells for row in CsvTable(_written(rows)).rows()] == rows


def test_many_stray_quotes_in_a_large_file_take_seconds() -> None:
    lines = [HEAD, *(f"{k},agent,some words of this message" for k in range(20_000))]
    for k in range(50, len(lines), 100):
        lines[k] = f'{k},agent,"stray'
    began = time.process_time()
    rows = list(CsvTable("\n".join(lines)).rows())
    assert time.process_time() - began < 5
    assert sum(bool(row.problem) for row in rows) == 200


def _written(rows: list[list[str]]) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink).writerows([HEAD.split(","), *rows])
    return sink.getvalue()


TEXTS = st.text('ab ,"\n\r', max_size=30)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 9), TEXTS), max_size=12))
def test_cells_of_several_lines_come_back(drawn: list[tuple[int, str]]) -> None:
    rows = [["1", "agent", "one\ntwo"], ["1", "customer", "three\nfour"]]
    rows += [[str(k), "agent", f"{i} {text}"] for i, (k, text) in enumerate(drawn)]
    assert [row.cells for row in CsvTable(_written(rows)).rows()] == rows


WORDS = st.text("ab '.", min_size=1, max_size=8).filter(str.strip)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 4), WORDS, st.none() | st.integers(0, 30)), max_size=25))
def test_stray_quotes_lose_what_each_line_alone_would(
    drawn: list[tuple[int, str, int | None]],
) -> None:
    lines = [f"{k},{role},clean" for k in range(1, 5) for role in ("agent", "customer")] * 3
    for k, text, at in drawn:
        line = f"{k},agent,{text}"
        lines.append(line if at is None else f'{line[:at]}"{line[at:]}')
    expected = {}
    for number, line in enumerate(lines, start=2):
        try:
            (cells,) = csv.reader([line], strict=True)
        except csv.Error:
            continue
        expected[number] = cells
    found = list(CsvTable("\n".join([HEAD, *lines])).rows())
    assert {row.line: row.cells for row in found if not row.problem} == expected
    assert {row.line for row in found} == set(range(2, len(lines) + 2))


@pytest.mark.parametrize("size", [200_000, 3_000_000])
def test_a_long_cell_is_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.csv"
    said = 'He said ""yes"", and\n' * (size // 20)
    path.write_text(f'{HEAD}\n1,customer,"{said}"\n1,agent,Hello\n')
    (talk,) = load(path).records
    assert talk.messages[0].content == said.replace('""', '"').strip()


def test_a_quote_that_is_never_closed_is_told_before_a_long_rest(tmp_path: Path) -> None:
    lines = _talks(4_000)
    lines[8] = '2,agent,"Hello with a stray quote'
    loaded = _load(tmp_path / "a.csv", lines)
    assert len(loaded.records) == 3_999
    (skip,) = loaded.skipped
    assert "the quote that opens the cell 'text' is never closed" in skip.reason


ROWS = "1;customer;Hi, you\n1;agent;Hello\n"


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\n" + HEAD.replace(",", ";") + "\n" + ROWS,
        '"sep=;"\r\n' + HEAD.replace(",", ";") + "\r\n" + ROWS.replace("\n", "\r\n"),
        "SEP=|\n" + (HEAD.replace(",", "|") + "\n" + ROWS.replace(";", "|")),
        "sep=;;;\n" + HEAD.replace(",", ";") + "\n" + ROWS,
        HEAD.replace(",", ";") + ";;\n" + ROWS.replace("\n", ";;\n"),
        HEAD.replace(",", ";") + ";;\n" + ROWS.replace("you\n", "you;\n"),
        HEAD.replace(",", ";") + ";\n" + ROWS.replace("\n", "; \n"),
    ],
)
def test_what_excel_adds_to_a_table_is_understood(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    (talk,) = load(path).records
    assert [m.content for m in talk.messages] == ["Hi, you", "Hello"]


def test_a_text_in_a_column_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        f"{HEAD},,\n1,customer,Hi,,\n1,agent,Hello,,\n2,customer,Hi,,x\n2,agent,Yes,,\n"
    )
    with pytest.raises(RecordError, match="a column that has no name") as caught:
        load(path)
    assert caught.value.where == f"{path}, line 4"
    loaded = load(path, on_error="skip")
    assert [c.id for c in loaded.records] == ["1"]
    assert len(loaded.skipped) == 1


def test_line_breaks_in_cells_are_one_character(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f'{HEAD}\r\n1,customer,"Hi\r\nyou"\r\n1,agent,Hello\r\n'.encode())
    (talk,) = load(path).records
    assert talk.messages[0].content == "Hi\nyou"
