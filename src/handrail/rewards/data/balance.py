"""Means against uneven ratings, combined and named as in the RLHF thesis (its tables 6 and 7).

Most ratings lie in the middle, so that a model of them hardly learns what is very bad or very
good. The thesis copies low replies (`over_s`), draws from the middle (`under_s_8k`), adds
paraphrases of low replies (`augment`) and weighs their loss (`wgt_s_075`); section 5.3.1.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

from handrail.records import SettingError
from handrail.rewards.data.ranges import Edges

# The losses of absolute reward models: the name that training has, and the tables' one.
LOSSES = {"logistic": "logistic", "sigmoid_mse": "sig + mse", "mse": "mse"}
NONE = "none"
FORMS = (
    "logistic, sig + mse, mse, augment, over_s, over_s_x3 (each three times), over_s_8k (up to "
    "8,000), under_s_8k, under_s_200, under_s_30%, wgt_s_05, wgt_s_075, wgt_1_4"
)


@dataclass(frozen=True)
class Balance:
    """What is done to uneven ratings. Nothing by default; all means can be combined.

    Attributes:
        loss: the loss that the data are meant for, part of the name only: "logistic",
            "sigmoid_mse", "mse", or "".
        augment: add a paraphrase of each low reply, its rating adjusted.
        over: how often each low reply is there: 2 in the thesis. Of 1.5, half of them twice.
        over_to: copy low replies until there are so many, instead of `over`.
        under: replies of the middle to keep, as evenly from the `bins` as these allow; a float
            below 1 is a share of them.
        strength: low replies have a loss weight of this share of N / N_low, their share's inverse.
        constant: the loss weight of low replies, instead of `strength`.
        edges: where the low range ends and the high one begins.
        bins: of equal width, from which the middle is drawn.
    """

    loss: str = ""
    augment: bool = False
    over: float = 1.0
    over_to: int | None = None
    under: int | float | None = None
    strength: float = 0.0
    constant: float = 0.0
    edges: Edges = field(default_factory=Edges)
    bins: int = 5

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def parse(cls, name: str, **settings: Any) -> Balance:
        """The means that a name of the thesis's kind tells: "augment + under_s_8k + wgt_s_075".

        Args:
            name: parts in any order, between them "+"; "none" for no means at all.
            settings: fields that names do not tell: `edges` and `bins`.

        Raises:
            SettingError: an unknown part, one twice, or two that contradict each other.
        """
        found: dict[str, Any] = {}
        for part in _parts(name):
            for key, value in _part(part).items():
                if key in found:
                    raise SettingError(f"'{name}' says '{key}' twice", "Leave one of them out")
                found[key] = value
        return cls(**found, **settings)

    @property
    def name(self) -> str:
        """As the tables name it; `parse` reads it back."""
        parts = [LOSSES[self.loss]] if self.loss else []
        parts += ["augment"] * self.augment
        if self.over_to is not None:
            parts.append(f"over_s_{_amount(self.over_to)}")
        elif self.over != 1:
            parts.append("over_s" if self.over == 2 else f"over_s_x{_number(self.over)}")
        if self.under is not None:
            parts.append(f"under_s_{_amount(self.under)}")
        if self.strength:
            parts.append(f"wgt_s_{_number(self.strength).replace('.', '')}")
        if self.constant:
            parts.append(f"wgt_{_number(self.constant).replace('.', '_')}")
        return " + ".join(parts) or NONE

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return replace(self, loss="").name != NONE


def _check(b: Balance) -> None:
    if b.loss and b.loss not in LOSSES:
        raise SettingError(f"unknown loss '{b.loss}'", f"Known: {', '.join(LOSSES)}")
    if not (math.isfinite(b.over) and b.over >= 1):
        raise SettingError(f"{b.over:g} is no factor to copy by", "Give 1 or more; 2 is the usual")
    if b.over_to is not None and (b.over_to < 1 or b.over != 1):
        raise SettingError("over_to is a number of replies, and excludes over", "Give one of them")
    if b.under is not None and not (0 < b.under < 1 or (b.under >= 1 and b.under == int(b.under))):
        raise SettingError(
            f"{b.under} is no number of replies to keep of the middle",
            "Give a whole number, or a share between 0 and 1",
        )
    if not 0 <= b.strength <= 1:
        raise SettingError(f"{b.strength:g} is no strength of a weight", "Give 0 to 1, as in 0.75")
    if not (math.isfinite(b.constant) and b.constant >= 0) or (b.constant and b.strength):
        raise SettingError(
            "the loss weight is a positive constant or a strength, not both", "Give one of them"
        )
    if b.bins < 1:
        raise SettingError(f"the middle cannot have {b.bins} bins", "Give at least one")


def _parts(name: str) -> list[str]:
    """The parts of a name; "sig" and "mse" are one."""
    parts = [part.strip().lower() for part in name.split("+")]
    if parts in ([NONE], [""]):
        return []
    if "sig" in parts and "mse" in parts:
        parts.remove("mse")
        parts[parts.index("sig")] = "sigmoid_mse"
    return parts


def _part(part: str) -> dict[str, Any]:
    """The fields that one part sets.

    Raises:
        SettingError: a part of no known form.
    """
    if part in LOSSES:
        return {"loss": part}
    if part == "augment":
        return {"augment": True}
    if part == "over_s":
        return {"over": 2.0}
    for pattern, reads in _FORMS:
        match = pattern.fullmatch(part)
        if match:
            found = reads(match)
            if not any(found.values()):
                raise SettingError(f"'{part}' does nothing", "Leave it out, or give more than 0")
            return found
    raise SettingError(f"'{part}' is no means against uneven ratings", f"Known forms: {FORMS}")


def _strength(digits: str) -> float:
    """A strength without its point: "05" and "50" are one half, "075" and "75" three quarters."""
    if digits in ("1", "100"):
        return 1.0
    if digits.startswith("0"):
        return float(f"0.{digits[1:] or '0'}")
    if len(digits) == 2:
        return int(digits) / 100
    raise SettingError(f"'wgt_s_{digits}' has no plain strength", "Write wgt_s_05 for 50 %")


def _kept(amount: str) -> int | float:
    """What "8k", "200" or "30%" amounts to."""
    if amount.endswith("%"):
        return float(amount[:-1]) / 100
    return round(float(amount[:-1]) * 1000) if amount.endswith("k") else int(amount)


_FORMS = (
    (re.compile(r"over_s_x(\d+(?:\.\d+)?)"), lambda m: {"over": float(m[1])}),
    (re.compile(r"over_s_(\d+(?:\.\d+)?k|\d+)"), lambda m: {"over_to": int(_kept(m[1]))}),
    (
        re.compile(r"under_s_(\d+(?:\.\d+)?[k%]|\d+)"),
        lambda m: {"under": _kept(m[1])},
    ),
    (re.compile(r"wgt_s_(\d+)"), lambda m: {"strength": _strength(m[1])}),
    (re.compile(r"wgt_(\d+)(?:_(\d+))?"), lambda m: {"constant": float(f"{m[1]}.{m[2] or 0}")}),
)


def _number(value: float) -> str:
    """A number in the fewest digits that read back as it is."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _amount(value: int | float) -> str:
    """A number of replies as names have it: 8k, 200, 30%."""
    if value < 1:
        return f"{_number(round(value * 100, 10))}%"
    return f"{int(value) // 1000}k" if value % 1000 == 0 else str(int(value))
