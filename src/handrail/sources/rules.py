"""A user's playbook file: a JSON or YAML list of rule texts, or of whole guardrails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from handrail.records import Conversation, Guardrail, Playbook, Provenance, RecordError, Turn
from handrail.records.faults import explain
from handrail.records.store import ending
from handrail.sources.decoding import read_text
from handrail.sources.kinds import YAML

R = TypeVar("R", Turn, Conversation, Turn | Conversation)


def load_playbook(path: str | Path) -> Playbook:
    """Read a playbook from a `.json`, `.yaml` or `.yml` file; other names are read as JSON.

    The file holds a list, or an object whose `guardrails` is one. An entry is the rule's text, or
    an object with `text` and, if wished, `id`, `family` and `check` (see docs/records.md).

    Raises:
        RecordError: no such file, not JSON or YAML, no guardrails, a field that does not exist, a
            check whose pattern does not compile.
    """
    path = Path(path)
    try:
        text = read_text(path)
    except RecordError as error:
        # There is no option for a playbook's encoding.
        mend = "Save the playbook as UTF-8" if "UTF-8" in error.mend else error.mend
        raise RecordError(error.problem, mend, error.where) from None
    yaml_like = ending(path) in YAML
    try:
        data = yaml.safe_load(text) if yaml_like else json.loads(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        if not yaml_like and ending(path) != ".json":
            raise RecordError(
                "a playbook is a JSON or YAML file, and this is neither by its name, nor JSON",
                "Write each rule on a line of its own behind '- ', and let the name end in .yaml",
                str(path),
            ) from None
        kind = "YAML" if yaml_like else "JSON"
        raise RecordError(f"this is not {kind}: {reason}", "Mend the file", str(path)) from None
    return make_playbook(data, str(path), path.name)


def make_playbook(data: Any, where: str, source: str = "") -> Playbook:
    """A playbook from a list of rules (texts or guardrails), or an object that holds it."""
    if isinstance(data, dict):
        if "guardrails" not in data:
            raise RecordError(
                "there is no list 'guardrails'",
                "Give a list of rules, or {guardrails: [...]}",
                where,
            )
        data = data["guardrails"]
    if not isinstance(data, list):
        raise RecordError(
            f"expected a list of rules, found {type(data).__name__}",
            "Give a list of rule texts or of guardrails",
            where,
        )
    if not data:
        raise RecordError("the playbook has no guardrails", "Write at least one rule", where)
    rules = tuple(_guardrail(item, number, where) for number, item in enumerate(data, start=1))
    try:
        return Playbook(
            guardrails=rules,
            provenance=Provenance(source=source, made_by="handrail.sources.rules"),
        )
    except ValidationError:
        ids = [r.id for r in rules]
        twice = next(i for i in ids if ids.count(i) > 1)
        raise RecordError(f"two guardrails have the id '{twice}'", "Rename one", where) from None


def under(playbook: Playbook | None, record: R) -> R:
    """The record with the playbook, where it has none itself."""
    if playbook is None or record.playbook is not None:
        return record
    return record.model_copy(update={"playbook": playbook})


def _guardrail(item: Any, number: int, where: str) -> Guardrail:
    place = f"{where}, rule {number}"
    if isinstance(item, str):
        item = {"text": item.strip()}
    if not isinstance(item, dict):
        raise RecordError(
            f"expected a text or an object, found {type(item).__name__}", "Write the rule", place
        )
    item = {str(k): v for k, v in item.items()}
    item.setdefault("id", f"rule-{number}")
    try:
        return Guardrail.model_validate(item)
    except ValidationError as error:
        raise explain(error, Guardrail, place) from None
