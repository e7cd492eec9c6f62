"""A combined reward from plain data, as a YAML file holds it: read strictly.

parts:
  - {model: runs/pref/final, weight: 0.5}
  - {model: runs/abs/final, as: probability, weight: 0.5}
  - {rule: playbook, weight: 0.2}
  - {length: {over: 80, per_word: 0.01}}
  - {repetition: {n: 3, rate: 0.5}}
normalise: running
clip: 4
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from handrail.records import HandrailError, Scorer, SettingError, nearest
from handrail.rewards.combining.combine import As, CombinedReward, Part
from handrail.rewards.combining.penalties import LengthPenalty, Penalty, RepetitionPenalty
from handrail.rewards.combining.rules import RuleScorer

FILE = ("parts", "normalise", "clip", "moments", "name")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "model": ("model", "weight", "as", "name"),
    "rule": ("rule", "weight", "name"),
    "length": ("length",),
    "repetition": ("repetition",),
}
LENGTH = ("over", "target", "per_word", "per_token", "tokenizer", "most")
REPETITION = ("n", "rate")
NORMALISE = ("running", "none")

OpenModel = Callable[[str], Scorer]
CountTokens = Callable[[str], Callable[[str], int]]  # a tokenizer's name: what counts its tokens


def combined_of(
    data: Mapping[str, Any], where: str, open_model: OpenModel, count_tokens: CountTokens
) -> CombinedReward:
    """The combined reward that plain data describe.

    Every name, type and range is checked before the first model is opened. Names of models,
    tokenizers and moments are looked for beside the file first.

    Args:
        data: what the file holds.
        where: the file, for errors and for names beside it.
        open_model: gives the scorer of a model's name.
        count_tokens: gives what counts tokens, of a tokenizer's name.

    Raises:
        SettingError: names file, field and mend.
        HandrailError: a model, tokenizer or file of moments that cannot be opened.
    """
    _only(data, FILE, where)
    entries = data.get("parts")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise _wrong(where, "parts", entries, "a list of parts", "As in - {model: runs/pref/final}")
    places = [f"{where}, parts[{n}]" for n in range(len(entries))]
    kinds = [_kind(entry, place) for entry, place in zip(entries, places, strict=True)]
    if not {"model", "rule"} & set(kinds):
        raise SettingError("there are penalties and no score", "Add a model or a rule", where)
    made = list(zip(entries, kinds, places, strict=True))
    for entry, kind, place in made:
        _checked(entry, kind, place)
    normalise = _word(data.get("normalise", "none"), NORMALISE, f"{where}, normalise")
    clip = data.get("clip")
    if clip is not None:
        clip = _number(clip, f"{where}, clip")
    base = Path(where).parent
    penalties = [
        _penalty(entry, kind, place, base, count_tokens)
        for entry, kind, place in made
        if kind not in ("model", "rule")
    ]
    parts = [
        _part(entry, kind, place, base, open_model)
        for entry, kind, place in made
        if kind in ("model", "rule")
    ]
    name = _text(data.get("name", Path(where).stem), f"{where}, name")
    with _At(where):
        made_of = CombinedReward(_distinct(parts), penalties, normalise == "running", clip, name)
    if data.get("moments") is not None:
        made_of.restore(beside(_text(data["moments"], f"{where}, moments"), base))
        made_of.frozen = True
    return made_of


def beside(name: str, folder: Path) -> str:
    """A path as it stands from the folder of the file that names it, where there is one."""
    near = folder / name
    return str(near) if near.exists() else name


def _kind(entry: object, where: str) -> Literal["model", "rule", "length", "repetition"]:
    """What a part is; its fields are known ones."""
    if not isinstance(entry, Mapping):
        raise SettingError(f"a part is a mapping, found {entry!r}", "As in {rule: playbook}", where)
    kinds = [kind for kind in FIELDS if kind in entry]
    if len(kinds) != 1:
        found = " and ".join(f"'{kind}'" for kind in kinds) or "none of them"
        mend = "Make parts of them" if kinds else nearest(str(next(iter(entry), "")), FIELDS)
        raise SettingError(f"a part has one of {', '.join(FIELDS)}, found {found}", mend, where)
    (kind,) = kinds
    if kind in ("length", "repetition") and "weight" in entry:
        mend = "Leave the weight out: its rate says how much it takes off"
        raise SettingError(f"'{kind}' is a penalty and has no weight", mend, where)
    _only(entry, FIELDS[kind], where)
    return kind  # type: ignore[return-value]


def _checked(entry: Mapping[str, Any], kind: str, where: str) -> None:
    """Everything about a part that needs no model."""
    if kind in ("length", "repetition"):
        inner = entry[kind]
        if not isinstance(inner, Mapping):
            example = "{over: 80, per_word: 0.01}" if kind == "length" else "{n: 3, rate: 0.5}"
            raise _wrong(where, kind, inner, "a mapping", f"As in {{{kind}: {example}}}")
        _only(inner, LENGTH if kind == "length" else REPETITION, f"{where}.{kind}")
        return
    if _number(entry.get("weight", 1.0), f"{where}.weight") <= 0:
        mend = "Give a number above 0, or leave the part out"
        raise SettingError(f"the weight {entry['weight']} is impossible", mend, f"{where}.weight")
    _word(entry.get("as", "score"), get_args(As), f"{where}.as")
    name = _text(entry[kind], f"{where}.{kind}")
    if kind == "rule":
        with _At(f"{where}.rule"):
            RuleScorer(name)
    elif name.lower().endswith((".yaml", ".yml")):
        raise SettingError("a part is no combined reward", "List its parts here", f"{where}.model")


def _part(
    entry: Mapping[str, Any], kind: str, where: str, base: Path, open_model: OpenModel
) -> Part:
    weight, name = float(entry.get("weight", 1.0)), str(entry.get("name", ""))
    if kind == "rule":
        return Part(RuleScorer(entry["rule"]), weight, name=name)
    with _At(f"{where}.model"):
        scorer = open_model(beside(entry["model"], base))
        return Part(scorer, weight, entry.get("as", "score"), name)


def _penalty(
    entry: Mapping[str, Any], kind: str, where: str, base: Path, count_tokens: CountTokens
) -> Penalty:
    inner, place = entry[kind], f"{where}.{kind}"
    numbers = {k: _number(v, f"{place}.{k}") for k, v in inner.items() if k != "tokenizer"}
    for name in {"over", "target", "n"} & set(numbers):
        if numbers[name] != int(numbers[name]):
            raise _wrong(place, name, inner[name], "a whole number", "Leave out the fraction")
    with _At(place):
        if kind == "repetition":
            return RepetitionPenalty(numbers.get("rate", 1.0), int(numbers.get("n", 3)))
        per = {"per_word", "per_token"} & set(numbers)
        if len(per) != 1:
            raise SettingError("a length has either 'per_word' or 'per_token'", "Give one of them")
        unit = per.pop().removeprefix("per_")
        if (unit == "token") != ("tokenizer" in inner):
            mend = "Name a model's folder, as in tokenizer: runs/pref/final"
            raise SettingError("'per_token' and 'tokenizer' come together", mend)
        over, target = (int(numbers[k]) if k in numbers else None for k in ("over", "target"))
        rate, most = numbers[f"per_{unit}"], numbers.get("most", math.inf)
        made = LengthPenalty(rate, over, target, most)
        if unit == "word":
            return made
        tokenizer = beside(_text(inner["tokenizer"], f"{place}.tokenizer"), base)
        return replace(made, count=count_tokens(tokenizer))


def _distinct(parts: Sequence[Part]) -> list[Part]:
    """Parts whose scorers have one name, as two uses of a model have, told apart by a number."""
    seen: dict[str, int] = {}
    out = []
    for part in parts:
        n = seen[part.told] = seen.get(part.told, 0) + 1
        told = part.told if n == 1 else f"{part.told}-{n}"
        out.append(Part(part.scorer, part.weight, part.reads, told))
    return out


class _At:
    """Adds the place in the file to errors."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, HandrailError):
            of = f" ({error.where})" if error.where else ""
            raise type(error)(error.problem, error.mend, f"{self.where}{of}") from None


def _only(data: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in data:
        if name not in known:
            mend = nearest(str(name), known)
            raise SettingError(f"there is no field '{name}' here", mend, where)


def _wrong(where: str, field: str, found: object, wanted: str, mend: str) -> SettingError:
    return SettingError(f"'{field}' is {wanted}, found {found!r}", mend, where)


def _number(value: object, where: str) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not math.isfinite(value):  # type: ignore[arg-type]
        raise SettingError(f"expected a number, found {value!r}", "As in 0.5", where)
    return float(value)  # type: ignore[arg-type]


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingError(f"expected a name, found {value!r}", "Write a text", where)
    return value


def _word(value: object, known: Sequence[str], where: str) -> str:
    if value not in known:
        raise SettingError(f"'{value}' is not known", nearest(str(value), known), where)
    return str(value)
