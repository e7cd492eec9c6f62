"""From a reply's text to the data that was asked for, or a clear "that is not it".

What is read is what the text says and nothing else: a reply that says two things, or half of one,
is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from handrail.asking.loose import Found, objects
from handrail.asking.refusing import answer_of, no_answer
from handrail.records import Unreadable


class Form(BaseModel):
    """Base of what a model is asked to fill in; further fields that it adds are ignored.

    Words of a closed list are read in any case, numbers also as texts and texts as numbers.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", coerce_numbers_to_str=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        made = {key: _writable(value) for key, value in given.items()}
        for key, words in _words(cls).items():
            if isinstance(made.get(key), str):
                made[key] = words.get(_plain(made[key]), made[key])
        return made


@lru_cache(maxsize=64)
def _words(form: type[Form]) -> dict[str, dict[str, Any]]:
    """The closed lists of words of a form's keys, under what is left of them in any writing."""
    lists = {key: field.annotation for key, field in keys(form).items()}
    return {
        key: {_plain(word): word for word in get_args(kind)}
        for key, kind in lists.items()
        if get_origin(kind) is Literal
    }


@lru_cache(maxsize=64)
def keys(form: type[Form]) -> dict[str, FieldInfo]:
    """The form's fields under the keys that an answer has ("class" is no name in Python)."""
    return {field.alias or name: field for name, field in form.model_fields.items()}


def _plain(word: Any) -> str:
    """A word without case and the marks that stand for a space: "Partly_refused"."""
    return re.sub(r"[\s_-]+", " ", str(word)).strip().casefold()


def _writable(value: Any) -> Any:
    """A value whose texts can be written as UTF-8: JSON's escapes allow half a character."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return value


class Text(Form):
    """A free text."""

    text: str


def _fine(_data: Any) -> str:
    return ""


@dataclass(frozen=True)
class JsonReading:
    """Reads one JSON object of a form, alone or among other words, fenced or not.

    Objects without any of the form's required fields are other words. Several of the form that
    differ in a required field are no answer, and neither is one next to another that is broken or
    has wrong values. `check` may find a further fault in the data: it tells it, or "" for none.
    """

    form: type[Form]
    check: Callable[[Any], str] = _fine

    @property
    def schema(self) -> dict[str, Any]:
        """The form's JSON schema, in the strict subset that endpoints take."""
        return strict_schema(self.form)

    def read(self, text: str) -> BaseModel:
        """The object; raises `Unreadable`."""
        said = answer_of(text)
        needed = _needed(self.form)
        there = objects(said)
        named = [self._named(value) for value in there.objects]
        found = [self._filled(value) for value in named if needed & value.keys()]
        answers = {repr(_answer(one, needed)) for one in found}
        if len(answers) > 1:
            raise Unreadable(f"it holds {len(answers)} different answers", "schema")
        if any(_broken(key, there) for key in needed):
            raise Unreadable("a JSON object in it is broken or cut off")
        if found:
            self._alone(found[0], there.words)
            return found[0]
        if named:
            keys_text = " or ".join(f"'{key}'" for key in sorted(needed))
            raise Unreadable(f"the JSON object has no field {keys_text}", "schema")
        raise no_answer(said, "it holds no JSON object")

    def _alone(self, data: BaseModel, words: str) -> None:
        """Refuse words beside the object that give a field another value ("Verdict: b")."""
        given = data.model_dump(by_alias=True)
        for key in _needed(self.form):
            values = _closed(keys(self.form)[key])
            for said in re.findall(rf"\b{re.escape(key)}\b\W{{0,4}}:\W{{0,4}}(\w+)", words, re.I):
                if (
                    re.fullmatch(values, said, re.I)
                    and said.casefold() != str(given[key]).casefold()
                ):
                    raise Unreadable(f"its words give '{key}' another value", "schema")

    def _named(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The object with the form's names for its keys, in whichever case they were written."""
        known = {key.casefold(): key for key in keys(self.form)}
        made: dict[str, Any] = {}
        for key, item in value.items():
            name = known.get(key.strip().casefold(), key)
            if made.setdefault(name, item) != item:
                raise Unreadable(f"it says two things of '{name}'", "schema")
        return made

    def _filled(self, value: Mapping[str, Any]) -> BaseModel:
        try:
            data = self.form.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the object"
            problem = f"the JSON object is not of the form asked for ({place}: {first['msg']})"
            raise Unreadable(problem, "schema") from None
        if problem := self.check(data):
            raise Unreadable(problem, "schema")
        return data


def _broken(key: str, there: Found) -> bool:
    """Whether a key stands in a fragment, as in one whose brace was lost, or within another key."""
    named = rf"\b{re.escape(key)}\b"
    quoted = rf"""["']{re.escape(key)}["']?\s*:"""
    keys_there = [k for value in there.objects for k in value if k.strip().casefold() != key]
    texts = (*there.fragments, *keys_there)
    return any(re.search(named, one, re.IGNORECASE) for one in texts) or bool(
        re.search(quoted, there.words, re.IGNORECASE)
    )


def _closed(field: FieldInfo) -> str:
    """A pattern of the values that a field may have, where these are few or numbers."""
    if get_origin(field.annotation) is Literal:
        return "|".join(re.escape(str(word)) for word in get_args(field.annotation))
    if field.annotation is bool:
        return "true|false"
    return r"\d+" if field.annotation in (int, float) else r"(?!)"


@lru_cache(maxsize=64)
def _needed(form: type[Form]) -> frozenset[str]:
    """The keys that carry the answer: those that must be there, or all where none must."""
    fields = keys(form)
    return frozenset(key for key, f in fields.items() if f.is_required()) or frozenset(fields)


def _answer(data: BaseModel, needed: frozenset[str]) -> list[Any]:
    """What the needed fields hold."""
    given = data.model_dump(by_alias=True)
    return [given[key] for key in sorted(needed)]


@dataclass(frozen=True)
class TextReading:
    """Takes the text as it is, without the space around it and a reasoning model's thoughts."""

    @property
    def schema(self) -> None:
        """No schema: free text."""
        return None

    def read(self, text: str) -> Text:
        """The text; raises `Unreadable` where there is none."""
        return Text(text=answer_of(text))


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
