"""What tokens cost, by a table that a user can edit, and what questions will cost about."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handrail.records import Request, SettingError, Usage

PACKAGED = Path(__file__).parent / "prices.yaml"
PER = 1_000_000  # tokens, of a price
CHARACTERS = 4  # per token: about right for English; other scripts take more tokens
_DATED = re.compile(r"-(20\d\d-\d\d-\d\d|20\d{6}|\d{4})$")


class Price(BaseModel):
    """What a million tokens cost: of the prompt, and of what the model writes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)

    def cost(self, usage: Usage) -> float:
        """What these tokens cost."""
        tokens = usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion
        return tokens / PER


class _Table(BaseModel):
    """The file's form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: str = ""
    currency: str = "USD"
    models: dict[str, Price]


@dataclass(frozen=True)
class Prices:
    """Prices by patterns of models' names, in their order: the first that fits counts."""

    rows: tuple[tuple[str, Price], ...]
    currency: str = "USD"
    as_of: str = ""

    @classmethod
    def read(cls, path: str | Path | None = None) -> Prices:
        """The packaged table, after the user's own lines where a file is given.

        A file in another currency stands alone.

        Raises:
            SettingError: the file cannot be read or is of another form.
        """
        packaged = _read(PACKAGED)
        own = packaged if path is None else _read(Path(path))
        rows = list(own.models.items())
        if path is not None and own.currency == packaged.currency:
            rows += packaged.models.items()
        return cls(tuple(rows), own.currency, own.as_of)

    def of(self, model: str) -> Price | None:
        """The model's price; None where no line fits its name."""
        names = {model.lower(), _DATED.sub("", model.lower())}
        for pattern, price in self.rows:
            if any(fnmatchcase(name, pattern.lower()) for name in names):
                return price
        return None


def _read(path: Path) -> _Table:
    import yaml

    try:
        data: Any = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingError(f"the prices cannot be read: {why}", "", str(path)) from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = f"{path}, line {line + 1}" if line is not None else str(path)
        raise SettingError("this is not YAML", "See docs/endpoints.md", place) from None
    if isinstance(data, dict) and data.get("as_of") is not None:
        data["as_of"] = str(data["as_of"])  # YAML reads a date as one
    try:
        return _Table.model_validate(data)
    except ValidationError as error:
        # A field that is not known tells more than the one that it is misspelt of.
        problems = error.errors(include_url=False)
        first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
        field = ".".join(str(part) for part in first["loc"])
        said = "it is not known here" if first["type"] == "extra_forbidden" else first["msg"]
        raise SettingError(
            f"{field}: {said}" if field else "this is no table of prices",
            "Write `models:`, and below it NAME: {prompt: 0.15, completion: 0.6}",
            str(path),
        ) from None


@dataclass(frozen=True)
class Estimate:
    """What questions will take, about: `cached` of them nothing.

    `low` counts prompts only, `high` replies of max_tokens each; both without retries and
    repairs, and None where the model has no price.
    """

    questions: int
    cached: int
    prompt_tokens: int
    max_completion_tokens: int
    low: float | None
    high: float | None
    currency: str = "USD"

    @property
    def text(self) -> str:
        """One line for a user."""
        asked = self.questions - self.cached
        if not asked:
            return f"nothing to ask: all {self.cached:,} answers are in the cache"
        head = f"{asked:,} requests"
        if self.cached:
            head += f" ({self.cached:,} more answers are in the cache)"
        tokens = (
            f"about {self.prompt_tokens:,} prompt tokens and at most "
            f"{self.max_completion_tokens:,} of replies"
        )
        if self.low is None or self.high is None:
            return f"{head}, {tokens}; no price is known for the model"
        return f"{head}, {tokens}: {money(self.low)} to {money(self.high)} {self.currency}"


def money(amount: float) -> str:
    """An amount with its cents, and a small one with two digits that say something."""
    digits = 2 if amount >= 1 or amount <= 0 else 1 - math.floor(math.log10(amount))
    return f"{amount:,.{max(2, min(digits, 6))}f}"


def estimate(requests: Sequence[Request], prices: Prices, model: str, cached: int = 0) -> Estimate:
    """What these questions will cost, from about 4 characters a token, before any is asked.

    Args:
        requests: the questions that are not in the cache.
        prices: the table.
        model: the name by which the table knows the model.
        cached: how many more there are that the cache answers.
    """
    usage = Usage(
        sum(prompt_tokens(request) for request in requests),
        sum(request.max_tokens for request in requests),
    )
    price = prices.of(model)
    return Estimate(
        questions=len(requests) + cached,
        cached=cached,
        prompt_tokens=usage.prompt_tokens,
        max_completion_tokens=usage.completion_tokens,
        low=None if price is None else price.cost(Usage(usage.prompt_tokens)),
        high=None if price is None else price.cost(usage),
        currency=prices.currency,
    )


def prompt_tokens(request: Request) -> int:
    """A prompt's tokens, about."""
    return math.ceil(sum(len(m.content) for m in request.messages) / CHARACTERS)
