"""From a reply's text to the data that was asked for, or a clear "that is not it"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from handrail.records import Unreadable


class Form(BaseModel):
    """Base of what a model is asked to fill in; further fields that it adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Text(Form):
    """A free text."""

    text: str


@dataclass(frozen=True)
class JsonReading:
    """Reads one JSON object of a form, alone or among other words, fenced or not.

    Several objects of the form that say different things are no answer.
    """

    form: type[Form]

    @property
    def schema(self) -> dict[str, Any]:
        """The form's JSON schema, in the strict subset that endpoints take."""
        return strict_schema(self.form)

    def read(self, text: str) -> BaseModel:
        """The object; raises `Unreadable`."""
        found: list[BaseModel] = []
        problem = ""
        for candidate in _objects(text):
            try:
                data = self.form.model_validate(candidate)
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(str(part) for part in first["loc"]) or "the object"
                problem = problem or f"{place}: {first['msg']}"
                continue
            if data not in found:
                found.append(data)
        if len(found) == 1:
            return found[0]
        if found:
            raise Unreadable(f"it holds {len(found)} different answers", "schema")
        if problem:
            raise Unreadable(f"the JSON object is not of the form asked for ({problem})", "schema")
        raise Unreadable("it holds no JSON object")


@dataclass(frozen=True)
class TextReading:
    """Takes the text as it is, without the space around it."""

    @property
    def schema(self) -> None:
        """No schema: free text."""
        return None

    def read(self, text: str) -> Text:
        """The text; raises `Unreadable` where there is none."""
        if not text.strip():
            raise Unreadable("it is empty")
        return Text(text=text.strip())


@lru_cache(maxsize=64)
def strict_schema(form: type[BaseModel]) -> dict[str, Any]:
    """The form's JSON schema with every field required and no others allowed, at every level."""

    def strict(node: Any) -> Any:
        if isinstance(node, list):
            return [strict(item) for item in node]
        if not isinstance(node, dict):
            return node
        out = {k: strict(v) for k, v in node.items() if k not in ("title", "default")}
        if out.get("type") == "object" and "properties" in out:
            out["required"] = list(out["properties"])
            out["additionalProperties"] = False
        return out

    made: dict[str, Any] = strict(form.model_json_schema())
    return made


_DECODER = json.JSONDecoder()
_START = re.compile(r"\{")


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object in a text that is not within another one, in order."""
    at = 0
    while (start := _START.search(text, at)) is not None:
        try:
            value, end = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.end()
            continue
        at = end
        if isinstance(value, dict):
            yield value
