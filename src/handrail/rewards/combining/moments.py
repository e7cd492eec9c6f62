"""Mean and spread of all numbers seen so far, batch by batch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handrail.records import RecordError, atomic_write


@dataclass
class Moments:
    """Welford's running mean and variance, a batch at a time.

    Batches are merged as Chan, Golub and LeVeque 1983 ("Algorithms for computing the sample
    variance", equations 1.5) do, so that `m2`, the sum of squared differences from the mean, stays
    exact where the mean is large. Numbers that are not finite are left out.
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def add(self, numbers: Sequence[float]) -> None:
        """Take a batch in; the order within it does not matter."""
        batch = np.asarray(numbers, dtype=np.float64)
        batch = batch[np.isfinite(batch)]
        if not batch.size:
            return
        total, gap = self.count + batch.size, float(batch.mean()) - self.mean
        spread = float(((batch - batch.mean()) ** 2).sum())
        self.m2 += spread + gap * gap * self.count * batch.size / total
        self.mean += gap * batch.size / total
        self.count = total

    @property
    def deviation(self) -> float:
        """The sample standard deviation; 1 where there is no spread to divide by."""
        spread = math.sqrt(self.m2 / (self.count - 1)) if self.count > 1 else 0.0
        return spread if spread > 1e-12 * max(1.0, abs(self.mean)) else 1.0

    def scaled(self, number: float) -> float:
        """How many standard deviations a number lies above the mean."""
        return (number - self.mean) / self.deviation

    def as_dict(self) -> dict[str, float]:
        """Plain values, from which `of` makes the same moments again."""
        return {"count": self.count, "mean": self.mean, "m2": self.m2}

    @classmethod
    def of(cls, plain: Mapping[str, Any], where: str = "") -> Moments:
        """The moments that `as_dict` gave.

        Raises:
            RecordError: a value is missing, no number, or impossible.
        """
        values: dict[str, float] = {}
        for name in ("count", "mean", "m2"):
            value: Any = plain.get(name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or (name != "mean" and value < 0):
                raise RecordError(
                    f"'{name}' is {value!r}, which no moments have",
                    "Name a file that a combined reward saved",
                    where,
                )
            values[name] = float(value)
        return cls(int(values["count"]), values["mean"], values["m2"])


def write_moments(path: str | Path, moments: Mapping[str, Moments]) -> Path:
    """Write the moments of each part, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    plain = {"moments": {name: one.as_dict() for name, one in moments.items()}}
    with atomic_write(path) as file:
        json.dump(plain, file, ensure_ascii=False, indent=1)
    return Path(path)


def read_moments(path: str | Path) -> dict[str, Moments]:
    """The moments of each part that `write_moments` wrote.

    Raises:
        RecordError: the file cannot be read, or holds something else.
    """
    try:
        held = json.loads(Path(path).read_text("utf-8"))["moments"]
        plain = {str(name): dict(one) for name, one in held.items()}
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise RecordError(problem, "Check the path", str(path)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        mend = "Name a file that a combined reward saved"
        raise RecordError("this holds no moments", mend, str(path)) from None
    return {name: Moments.of(one, f"{path}, {name}") for name, one in plain.items()}
