"""File and line of a turn that an error names, in every kind of file; else the error as it was."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handrail
from handrail.cli.group import invoke
from handrail.cli.places import place_of, placed
from handrail.records import HandrailWarning, RecordError, RenderError
from handrail.sources.tables_out import write_parquet

LINES = [
    '{"id":"t1","context":[{"role":"user","content":"hi"}],'
    '"replies":[{"text":"yes","rating":0.5,"rank":1},{"text":"no","rating":0.1,"rank":2}]}',
    "",
    "not JSON",
    '{"id":"t2","context":[{"role":"user","content":"ho"}],'
    '"replies":[{"text":"yes","rating":7},{"text":"no","rating":0.1}]}',
    '{"context":[{"role":"user","content":"hm"}],"replies":[{"text":"no","rating":-1}]}',
]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*LINES[:2], *LINES[3:]]) + "\n", "utf-8")
    return path


def test_the_line_of_an_id_counts_blank_and_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(LINES) + "\n", "utf-8")
    assert place_of(str(path), "t1") == f"{path}, line 1"
    assert place_of(str(path), "t2") == f"{path}, line 4"
    assert place_of(str(path), "t3") == ""
    zipped = tmp_path / "a.jsonl.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert place_of(str(zipped), "t2") == f"{zipped}, line 4"


def test_an_id_that_was_filled_in_has_its_line(good: Path) -> None:
    third = handrail.read(good).records[2]
    assert third.id.startswith("turn-")
    assert place_of(str(good), third.id) == f"{good}, line 4"


def test_a_turn_of_a_conversation_stands_where_that_does(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    made = handrail.world.generate(3, seed=1)
    handrail.write(path, made)
    turn = handrail.turns(path).records[-1]
    assert turn.id.startswith(f"{made[2].id}/")
    assert place_of(str(path), turn.id) == f"{path}, line 3"


def test_rows_of_parquet(good: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    write_parquet(path, handrail.read(good).records)
    assert place_of(str(path), "t2") == f"{path}, row 2"


def test_what_cannot_be_read_again_has_no_place(good: Path, tmp_path: Path) -> None:
    assert place_of("", "t1") == ""
    assert place_of(str(tmp_path), "t1") == ""
    assert place_of(str(tmp_path / "gone.jsonl"), "t1") == ""
    good.write_text("gone to the dogs\n", "utf-8")
    assert place_of(str(good), "t1") == ""


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("turn 't2', replies.0", "line 3, turn 't2', replies.0"),
        ("turn 't2'", "line 3, turn 't2'"),
        ("turn t2", "line 3, turn t2"),
        ("turn 't9', replies.0", "turn 't9', replies.0"),
        ("mix.yaml", "mix.yaml"),
        ("", ""),
    ],
)
def test_an_error_keeps_all_but_its_place(where: str, told: str, good: Path) -> None:
    with pytest.raises(RenderError) as error, placed(str(good)):
        raise RenderError("it is too long", "Shorten it", where)
    assert (error.value.problem, error.value.mend) == ("it is too long", "Shorten it")
    assert error.value.where == (f"{good}, {told}" if told.startswith("line") else told)


@given(st.text(min_size=1).filter(lambda name: "', " not in name))  # where the error goes on
def test_any_id_is_found_in_the_error_that_names_it(name: str) -> None:
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handrail.cli.places.place_of", lambda _, turn: seen.append(turn) or "a:1")
        with pytest.raises(RecordError, match=r"^a:1, turn "), placed("a"):
            raise RecordError("bad", "", f"turn '{name}'")
    assert seen == [name]


def test_preparing_and_training_name_the_line(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.jsonl")
    assert invoke(["reward", "prepare", str(good), "--out", out]) == 2
    assert f"{good}, line 3, turn 't2', replies.0: the rating 7" in capsys.readouterr().err
    for loss, told in (
        ("logistic", "line 3, turn 't2', replies.0 (7): its rating is outside"),
        ("bradley_terry", "line 4, turn 'turn-"),
    ):
        words = ["reward", "train", str(good), "--loss", loss, "--out", str(tmp_path / "run")]
        assert invoke(words) == 2
        assert f"{good}, {told}" in capsys.readouterr().err


def test_the_file_to_evaluate_on_is_named_for_its_own_turns(good: Path, tmp_path: Path) -> None:
    learnt = tmp_path / "b.jsonl"
    learnt.write_text(LINES[0].replace('"t1"', '"t2"') + "\n", "utf-8")
    run = tmp_path / "run"
    with (
        pytest.warns(HandrailWarning, match="learnt from too"),
        pytest.raises(RecordError) as error,
    ):
        handrail.train_reward(learnt, "logistic", eval_turns=good, out=run)
    assert error.value.where.startswith(f"{good}, line 3, turn 't2'")


def test_turns_without_a_file_are_named_as_before(good: Path) -> None:
    read = handrail.read(good).records
    with pytest.raises(RecordError) as error:
        handrail.prepare_rewards(read)
    assert error.value.where == "turn 't2', replies.0"
    with pytest.raises(RecordError) as error:
        handrail.prepare_rewards(handrail.turns(good))
    assert error.value.where == f"{good}, line 3, turn 't2', replies.0"


def test_what_does_not_fit_the_budget_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"\n{LINES[0]}\n", "utf-8")
    with pytest.raises(RenderError) as error:
        handrail.train(path, "dpo", out=tmp_path / "run", settings={"max_tokens": 5})
    assert error.value.where == f"{path}, line 2, turn t1"
