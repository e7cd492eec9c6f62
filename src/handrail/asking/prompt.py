"""Prompts: Jinja files that a user may copy and edit, each known by its content's hash.

A file has a first comment that says what it is for, and parts that begin with a line
`--- system ---` or `--- user ---`. The values that it may use are those of its task
(docs/prompts.md); `{{ data }}` is all of them as one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError
from jinja2.sandbox import SandboxedEnvironment

from handrail.records import Message, SettingError, atomic_write, nearest

PACKAGED = Path(__file__).parent / "files"
_PART = re.compile(r"^--- (system|user|assistant) ---[ \t]*$", re.MULTILINE)
_ABOUT = re.compile(r"\{#(.*?)#\}", re.DOTALL)
_JINJA = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

# What an expression in a template may raise, such as {{ a / 2 }}.
_RAISED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Prompt:
    """One prompt file. `version` is the hash of its text: records name what made them by it."""

    name: str
    text: str
    where: str = ""

    @cached_property
    def version(self) -> str:
        """The first 12 hex digits of the SHA-256 of the file's text."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:12]

    @property
    def label(self) -> str:
        """Name and version, as in `bins@0f3a12bc9d4e`."""
        return f"{self.name}@{self.version}"

    @property
    def about(self) -> str:
        """What the prompt is for, from its first comment."""
        found = _ABOUT.search(self.text)
        return " ".join(found[1].split()) if found else ""

    def render(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """The messages for these values; parts that come out empty are left out.

        Raises:
            SettingError: the file has no part, a value that the task does not have, or a fault.
        """
        given = {**values, "data": as_json({"task": self.name, **values})}
        try:
            parts = [(role, part.render(given).strip()) for role, part in self._compiled]
        except UndefinedError as error:
            known = ", ".join(sorted(given))
            raise SettingError(
                f"the prompt {error.message}", f"Known: {known}", self.where
            ) from None
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            place = f"{self.where}, line {line}" if line else self.where
            raise SettingError(f"the prompt cannot be used: {error}", "Mend it", place) from None
        except _RAISED as error:
            raise SettingError(
                f"the prompt cannot be used: {error}", "Mend it", self.where
            ) from None
        messages = [Message(role=role, content=text) for role, text in parts if text]
        if not messages:
            raise SettingError("the prompt comes out empty", "Write something in it", self.where)
        return tuple(messages)

    def check(self) -> None:
        """Refuse a file that is no template, before anything is asked.

        Raises:
            SettingError: the file has no part, or a fault in a template's words.
        """
        try:
            _ = self._compiled
        except TemplateError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> SettingError:
        line = getattr(error, "lineno", None)
        place = f"{self.where}, line {line}" if line else self.where
        return SettingError(f"the prompt cannot be used: {error}", "Mend it", place)

    @cached_property
    def _compiled(self) -> list[tuple[Any, Template]]:
        """The parts as templates: making one takes longer than a hundred uses of it."""
        return [(role, _JINJA.from_string(part)) for role, part in self._parts]

    @cached_property
    def _parts(self) -> list[tuple[Any, str]]:
        marks = list(_PART.finditer(self.text))
        if not marks:
            raise SettingError(
                "the prompt has no part",
                "Begin each with a line `--- system ---` or `--- user ---`",
                self.where,
            )
        ends = [mark.start() for mark in marks[1:]] + [len(self.text)]
        # A line keeps its number in the file, so that a fault is told where it is.
        return [
            (mark[1], "\n" * self.text[: mark.end()].count("\n") + self.text[mark.end() : end])
            for mark, end in zip(marks, ends, strict=True)
        ]


class Prompts:
    """The packaged prompts, with those of the user's folder in their place."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """`folder` may hold any of the files; a file of another name is an error.

        Raises:
            SettingError: no such folder, or a file that is no prompt's.
        """
        self.folder = None if folder is None else Path(folder)
        self._read: dict[str, Prompt] = {}
        if self.folder is None:
            return
        if not self.folder.is_dir():
            raise SettingError(
                f"there is no folder {self.folder}", "Make one with `handrail prompts export`"
            )
        for path in sorted(self.folder.glob("*.jinja")):
            if path.stem not in prompt_names():
                raise SettingError(
                    f"{path} is no prompt of Handrail's", nearest(path.stem, prompt_names())
                )

    def __getitem__(self, name: str) -> Prompt:
        """The prompt of this name.

        Raises:
            SettingError: there is none, or its file cannot be read or is not UTF-8.
        """
        if name not in self._read:
            self._read[name] = self._load(name)
        return self._read[name]

    def _load(self, name: str) -> Prompt:
        if name not in prompt_names():
            raise SettingError(f"there is no prompt '{name}'", nearest(name, prompt_names()))
        own = None if self.folder is None else self.folder / f"{name}.jinja"
        path = own if own is not None and own.exists() else PACKAGED / f"{name}.jinja"
        try:
            return Prompt(name, path.read_text("utf-8"), str(path))
        except UnicodeDecodeError as error:
            raise SettingError(
                f"byte {error.start} is not UTF-8", "Save it as UTF-8", str(path)
            ) from None
        except OSError as error:
            raise SettingError(
                f"cannot be read ({error.strerror})", "Check the file", str(path)
            ) from None


def prompt_names() -> list[str]:
    """The names of all prompts."""
    return sorted(path.stem for path in PACKAGED.glob("*.jinja"))


def export_prompts(folder: str | Path, names: Sequence[str] = ()) -> list[Path]:
    """Copy packaged prompts into a folder, to be edited there and given as `--prompts`.

    Args:
        folder: made where there is none.
        names: which ones; all where none is named.

    Returns:
        The files written.

    Raises:
        SettingError: an unknown name, or a file that stands there already with another text.
        RunError: a file cannot be written.
    """
    packaged = Prompts()
    texts = {Path(folder) / f"{n}.jinja": packaged[n].text for n in names or prompt_names()}
    if Path(folder).exists() and not Path(folder).is_dir():
        raise SettingError(f"{folder} is no folder", "Name another")
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode("utf-8"):
            raise SettingError(
                f"{path} was edited already", "Choose another folder, or delete the file first"
            )
    for path, text in texts.items():
        with atomic_write(path) as file:
            file.write(text)
    return list(texts)


def as_json(value: Any) -> str:
    r"""JSON to be shown within a prompt: readable, and without "</", which could end a block."""
    return _indented(value, "\n").replace("</", "<\\/")


def _indented(value: Any, line: str) -> str:
    """As `json.dumps(value, ensure_ascii=False, indent=1)`, which is slow: it is Python's own.

    `line` is a line break with the indentation so far. Keys are texts.
    """
    if isinstance(value, str):
        return encode_basestring(value)
    if type(value) is int:
        return str(value)
    inner = line + " "
    if isinstance(value, dict) and value:
        items = [  # texts, which most values are, are written here: a call costs more than they do
            f"{encode_basestring(k)}: "
            f"{encode_basestring(v) if type(v) is str else _indented(v, inner)}"
            for k, v in value.items()
        ]
        return "{" + inner + f",{inner}".join(items) + line + "}"
    if isinstance(value, list | tuple) and value:
        return "[" + inner + f",{inner}".join([_indented(v, inner) for v in value]) + line + "]"
    return json.dumps(value, ensure_ascii=False)
