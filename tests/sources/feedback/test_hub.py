"""Data sets through the library `datasets`: small ones made here, and the errors it gives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from handrail.records import RecordError, RunError, SettingError
from handrail.sources.feedback import FEEDBACK
from handrail.sources.feedback.hub import HubName, hub_tables
from tests.sources.feedback.small import FLAT, GOOD, TREE, write

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_names() -> None:
    assert HubName.parse("a/b") == ("a/b", None, None)
    assert HubName.parse("a/b:c@main") == ("a/b", "c", "main")
    assert HubName.parse("a/b@refs/convert/parquet") == ("a/b", None, "refs/convert/parquet")
    with pytest.raises(SettingError, match="no data set is named"):
        HubName.parse(":c")


def test_a_folder_of_files_with_its_splits(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "helpful-base"
    folder.mkdir(parents=True)
    row = GOOD["hh_rlhf"][0][0]
    other = {k: v.replace("Hi", "Hey") for k, v in row.items()}
    write(folder / "train.jsonl.gz", [row])
    write(folder / "test.jsonl.gz", [other])
    source = FEEDBACK["hh_rlhf"]
    turns = source.from_hub(str(folder)).records
    assert [t.tags for t in turns] == [
        {"set": "hh_helpful", "category": "base", "split": split} for split in ("train", "test")
    ]
    assert [t.tags["split"] for t in source.from_hub(str(folder), "test").records] == ["test"]
    with pytest.raises(SettingError, match=r"cannot be loaded .*dev"):
        source.from_hub(str(folder), "dev")


def test_a_configuration_or_a_folder_of_the_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`NAME:CONFIG` takes a configuration by its name, and else a folder, as HH-RLHF has them."""
    write(tmp_path / "a.jsonl", GOOD["webgpt"][0])
    found = datasets.load_dataset("json", data_files=str(tmp_path / "a.jsonl"))
    asked: list[dict[str, Any]] = []

    def load_dataset(path: str, **how: Any) -> Any:
        asked.append({"of": path} | {k: v for k, v in how.items() if v is not None})
        return found

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda *_, **__: ["comparisons"])
    (table,) = hub_tables("o/w:comparisons")
    assert (table.name, table.split) == ("o/w/comparisons/train", "train")
    assert [row.where for row in table.rows] == ["o/w:comparisons, train, row 1"]
    hub_tables("o/w:helpful-base@main")
    assert asked == [
        {"of": "o/w", "name": "comparisons"},
        {"of": "o/w", "data_dir": "helpful-base", "revision": "main"},
    ]


@pytest.mark.parametrize(("name", "rows"), [("oasst", FLAT), ("oasst", [TREE, TREE])])
def test_what_the_library_saved_to_a_folder(tmp_path: Path, name: str, rows: list[Any]) -> None:
    """Arrow gives every struct all its fields: labels that a message has not are null there."""
    data = datasets.Dataset.from_list(rows)
    data.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": data}).save_to_disk(str(tmp_path / "several"))
    (one,) = FEEDBACK[name].from_hub(str(tmp_path / "one")).records
    (several,) = FEEDBACK[name].from_hub(str(tmp_path / "several"), "train").records
    assert one.replies == several.replies
    assert [(r.rank, r.labels) for r in one.replies] == [(2, {"quality": 0.5}), (1, {})]
    with pytest.raises(SettingError, match="there is no split 'dev'"):
        FEEDBACK[name].from_hub(str(tmp_path / "several"), "dev")


def test_a_bad_row_is_named_by_split_and_number(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [*GOOD["llmbar"][0], GOOD["llmbar"][0][0] | {"label": 3}])
    with pytest.raises(RecordError, match=r"train, row 2: field 'label': expected one of 1, 2"):
        FEEDBACK["llmbar"].from_hub(str(tmp_path))


def test_without_the_library_one_error_says_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SettingError, match=r"need the library datasets.*pip install datasets"):
        FEEDBACK["webgpt"].from_hub("a/b")


def test_without_a_network_one_error_says_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match=r"the hub cannot be reached .*Check the network") as error:
        FEEDBACK["webgpt"].from_hub("nobody/nothing-of-the-kind")
    assert error.value.where == "nobody/nothing-of-the-kind"


@pytest.mark.parametrize(
    ("raised", "kind", "problem"),
    [
        (datasets.exceptions.DatasetNotFoundError("no such"), RecordError, "no such data set"),
        (RuntimeError("Dataset scripts are no longer supported"), SettingError,
         "Name its Parquet copy: a/b:c@refs/convert/parquet"),
        (ValueError("Unknown split"), SettingError, "cannot be loaded .Unknown split."),
        (datasets.exceptions.DatasetGenerationError("bad"), SettingError, "cannot be loaded"),
    ],
)  # fmt: skip
def test_the_librarys_errors_are_ours(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[Exception], problem: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(datasets, "get_dataset_config_names", fail)
    with pytest.raises(kind, match=problem):
        FEEDBACK["webgpt"].from_hub("a/b:c")


def test_star_is_not_on_the_hub(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", GOOD["llmbar"][0])
    with pytest.raises(RecordError, match="STAR is read from its files"):
        FEEDBACK["star"].from_hub(str(tmp_path))
