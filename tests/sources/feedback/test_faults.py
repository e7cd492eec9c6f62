"""Every loader on broken input: one clear error that names the place, or a counted skip."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.records import HandrailError, RecordError, SettingError
from handrail.records.store import OnError
from handrail.sources.feedback import FEEDBACK, load
from handrail.sources.feedback.registry import check_contract
from tests.sources.feedback.small import CASES, GOOD, NEEDED, write

ALL = {"oasst": {"feedback": "none"}}


def test_each_source_but_the_one_of_folders_has_its_small_rows() -> None:
    assert set(GOOD) == set(FEEDBACK) - {"star"}
    assert {name: len(shapes) for name, shapes in GOOD.items()} == {
        name: len(columns) for name, columns in NEEDED.items()
    }


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_good_rows_are_read_in_every_kind_of_file(tmp_path: Path, name: str, shape: int) -> None:
    rows = GOOD[name][shape]
    turns = load(name, write(tmp_path / "a.jsonl", rows)).records
    assert turns
    assert load(name, write(tmp_path / "a.jsonl.gz", rows)).records == turns
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    assert load(name, tmp_path / "a.json").records == turns
    assert all(t.tags["set"].startswith(name) and t.provenance.licence for t in turns)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_a_missing_column_stops_or_is_counted(tmp_path: Path, name: str, shape: int) -> None:
    rows, column = GOOD[name][shape], NEEDED[name][shape]
    bad = [{k: v for k, v in row.items() if k != column} for row in rows]
    path = write(tmp_path / "bad.jsonl", bad)
    with pytest.raises(RecordError, match=rf"bad.jsonl, line 1: field '{column}' is missing"):
        load(name, path)
    if name == "oasst":
        return  # its rows hang together
    good = load(name, write(tmp_path / "a.jsonl", rows)).records
    loaded = load(name, write(tmp_path / "a.jsonl", [*rows, *bad]), on_error="skip")
    assert loaded.records == good
    assert [s.where.rpartition(" ")[2] for s in loaded.skipped if s.what == "row"] == [
        str(len(rows) + i) for i in range(1, len(bad) + 1)
    ]


def refusal(name: str, path: Path, on_error: OnError = "stop") -> HandrailError | None:
    """The error that a file gives; None where it gives turns, which then keep the contract."""
    try:
        loaded = load(name, path, on_error)
        check_contract(name, loaded)
        for turn in loaded.records:
            turn.model_dump_json().encode()
    except HandrailError as error:
        return error
    return None


@pytest.mark.parametrize(("name", "shape"), CASES)
@pytest.mark.parametrize("value", [None, 3.5, True, "", [], {}, ["x"], float("nan")])
def test_a_value_of_another_type_never_gives_a_traceback(
    tmp_path: Path, name: str, shape: int, value: Any
) -> None:
    """A value that a column may hold is read; of all others an error tells the column."""
    for column in GOOD[name][shape][0]:
        bad = copy.deepcopy(GOOD[name][shape])
        bad[0][column] = value
        path = write(tmp_path / "bad.jsonl", bad)
        told = refusal(name, path)
        assert told is None or ("bad.jsonl" in told.where and told.mend)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_half_a_file_stops_or_its_rest_is_counted_once(
    tmp_path: Path, name: str, shape: int
) -> None:
    rows = GOOD[name][shape]
    other = json.loads(json.dumps(rows).replace("?", "? And so on"))
    path = write(tmp_path / "a.jsonl.gz", [*rows, *other])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RecordError, match="cut off"):
        load(name, path)
    loaded = load(name, path, on_error="skip", **ALL.get(name, {}))
    assert sum("cut off" in s.reason for s in loaded.skipped) == 1


@pytest.mark.parametrize("name", sorted(set(FEEDBACK) - {"star"}))
def test_no_file_an_empty_one_a_folder_and_what_is_no_json(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match="there is no such file"):
        load(name, tmp_path / "none.jsonl")
    with pytest.raises(RecordError, match="no turns with feedback"):
        load(name, write(tmp_path / "empty.jsonl", []))
    with pytest.raises(RecordError, match="this is a folder"):
        load(name, tmp_path)
    with pytest.raises(RecordError, match="line 1: expected a JSON object, found list"):
        load(name, write(tmp_path / "list.jsonl", [[1]]))
    (tmp_path / "text.jsonl").write_text("hello\n", encoding="utf-8")
    with pytest.raises(RecordError, match="line 1: this is not JSON"):
        load(name, tmp_path / "text.jsonl")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
    found: list[tuple[Any, ...]] = []
    for key, inner in items:
        found += [(*path, key), *_places(inner, (*path, key))]
    return found


LEAVES = st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats()
JSON = st.recursive(
    LEAVES | st.text(st.characters(), max_size=8),  # half of a surrogate pair among them
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_whatever_stands_anywhere_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, shape: int, data: st.DataObject
) -> None:
    """Any JSON in any place, at any depth: turns that keep the contract, or one clear error."""
    rows = copy.deepcopy(GOOD[name][shape])
    place = data.draw(st.sampled_from(_places(rows)))
    holder: Any = rows
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = data.draw(JSON)
    path = write(tmp_path_factory.getbasetemp() / f"{name}.jsonl", rows)
    kinds: tuple[OnError, ...] = ("stop", "skip")
    for on_error in kinds:
        told = refusal(name, path, on_error)
        assert told is None or (on_error == "stop" and str(path) in told.where)


def test_unknown_sources_and_settings_are_told_with_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOOD["webgpt"][0])
    with pytest.raises(RecordError, match=r"no source of feedback 'webgbt'. Did you mean 'webgpt'"):
        load("webgbt", path)
    with pytest.raises(SettingError, match=r"there is no setting 'rating' .* 'ratings'"):
        load("webgpt", path, rating=True)
    with pytest.raises(SettingError, match="'ratings' of webgpt"):
        load("webgpt", path, ratings="so")
    with pytest.raises(SettingError, match="'llmbar' has no options"):
        load("llmbar", path, ties=False)
    with pytest.raises(SettingError, match=r"'threads' of oasst.*Did you mean 'best'"):
        load("oasst", path, threads="bst")
    with pytest.raises(SettingError, match="'min_replies' of oasst"):
        load("oasst", path, min_replies=0)
