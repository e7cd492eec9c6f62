"""A data set of the hub, or of a folder that the library `datasets` wrote, as tables of rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from handrail.records import HandrailError, RecordError, RunError, SettingError
from handrail.sources.feedback.maker import Table
from handrail.sources.tables import Row


class HubName(NamedTuple):
    """What to fetch: `NAME[:CONFIG][@REVISION]`; NAME may be a folder."""

    name: str
    config: str | None = None
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubName:
        """Take a text apart; a folder that exists is one whatever its name holds.

        Raises:
            SettingError: no name.
        """
        if Path(text).is_dir():
            return cls(text)
        rest, _, revision = text.partition("@")
        name, _, config = rest.partition(":")
        if not name.strip():
            raise SettingError("no data set is named", "Write NAME, NAME:CONFIG or a folder", text)
        return cls(name, config or None, revision or None)


def hub_tables(text: str, split: str | None = None) -> list[Table]:
    """The splits of a data set, one table each.

    Args:
        text: `NAME[:CONFIG][@REVISION]` on the hub, or a folder of data files or of
            `save_to_disk`. CONFIG is a configuration's name, else a folder of the data set.
        split: only this one; by default all.

    Raises:
        SettingError: `datasets` is not installed, or there is no such configuration or split.
        RecordError: there is no such data set.
        RunError: the hub cannot be reached.
    """
    library, named = _library(), HubName.parse(text)
    try:
        with _quiet():
            found = _load(library, named, split)
    except HandrailError:
        raise
    except Exception as error:  # what the library raises is of many kinds
        raise _told(library, error, text) from None
    splits = found.items() if isinstance(found, dict) else [(str(found.split or split), found)]
    parts = [named.name, *([named.config] if named.config else [])]
    return [Table("/".join([*parts, name]), _rows(text, name, data)) for name, data in splits]


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise SettingError(
            "data sets of the hub need the library datasets, which is not installed",
            "Install it (`pip install datasets`, or the extra `hub`), or name a file",
            "--from-hub",
        ) from None
    return datasets


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself that the hub is asked again and again: the error after that tells enough."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _load(library: Any, named: HubName, split: str | None) -> Any:
    """The data set, or its split."""
    folder = Path(named.name)
    if any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")):
        found = library.load_from_disk(named.name)
        if split is None or not isinstance(found, dict):
            return found
        if split not in found:
            raise SettingError(
                f"there is no split '{split}'", f"Known: {', '.join(found)}", named.name
            )
        return found[split]
    given: dict[str, Any] = {"revision": named.revision}
    if named.config is not None:
        known = library.get_dataset_config_names(named.name, **given)
        given["name" if named.config in known else "data_dir"] = named.config
    return library.load_dataset(named.name, split=split, **given)


def _rows(text: str, split: str, data: Any) -> Iterator[Row]:
    for number, fields in enumerate(data, start=1):
        yield Row(f"{text}, {split}, row {number}", fields)


def _told(library: Any, error: Exception, text: str) -> HandrailError:
    """The library's error as one of ours, with the mend."""
    said = " ".join(str(error).split())
    said = said if len(said) <= 200 else said[:197] + "..."
    if "scripts are no longer supported" in said:
        return SettingError(
            "this data set is a program, which datasets does not run",
            f"Name its Parquet copy: {text.partition('@')[0]}@refs/convert/parquet",
            text,
        )
    if isinstance(error, ConnectionError):
        return RunError(
            f"the hub cannot be reached ({said})",
            "Check the network, or fetch the data set's file and name it instead",
            text,
        )
    if isinstance(error, library.exceptions.FileNotFoundDatasetsError | FileNotFoundError):
        return RecordError(
            f"there is no such data set, or it is not open to you ({said})",
            "Check its name; `huggingface-cli login` signs you in",
            text,
        )
    return SettingError(f"the data set cannot be loaded ({said})", "Check its name and split", text)
