"""Agreement of two annotators on any labels: share of equal ones, Cohen's kappa, also weighted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from handrail.ranking.estimates import (
    DEFAULT,
    Estimate,
    Floats,
    Partition,
    Resampling,
    percentile,
)

Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True)
class Kappa:
    """Two annotators on the same items: share of equal labels, and Cohen's kappa.

    `dropped` counts items that one of them did not label. `table[i][j]` counts items that the
    first labelled `values[i]` and the second `values[j]`.
    """

    share: Estimate
    kappa: Estimate
    values: tuple[Any, ...]
    table: tuple[tuple[int, ...], ...]
    weights: Weights
    dropped: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "share": self.share.as_dict(),
            "kappa": self.kappa.as_dict(),
            "values": list(self.values),
            "table": [list(row) for row in self.table],
            "weights": self.weights,
            "dropped": self.dropped,
        }


def cohen(
    first: Sequence[Hashable | None],
    second: Sequence[Hashable | None],
    clusters: Sequence[Hashable] | None = None,
    weights: Weights = "none",
    values: Sequence[Any] | None = None,
    how: Resampling = DEFAULT,
) -> Kappa:
    """Cohen's kappa (1960), or weighted kappa (1968), of two annotators' labels.

    Args:
        first: the first annotator's labels; None where there is none.
        second: the second's, item by item.
        clusters: what each item belongs to; without it each is its own.
        weights: how bad a difference is: any alike ("none"), or by how many places the two labels
            lie apart in `values`, "linear" or "quadratic".
        values: the labels in their order; by default those found, sorted.
        how: settings of the intervals.

    Raises:
        ValueError: the columns differ in length, or a label is not among `values`.
    """
    names = list(clusters) if clusters is not None else list(range(len(first)))
    if not len(first) == len(second) == len(names):
        raise ValueError("the columns differ in length")
    known = [
        (x, y, c)
        for x, y, c in zip(first, second, names, strict=True)
        if x is not None and y is not None
    ]
    found = _ordered({label for x, y, _ in known for label in (x, y)}, values, weights)
    code = {value: i for i, value in enumerate(found)}
    try:
        x_N = np.array([code[x] for x, _, _ in known], np.int64)
        y_N = np.array([code[y] for _, y, _ in known], np.int64)
    except KeyError as error:
        raise ValueError(f"the label {error.args[0]!r} is not among the values") from None
    k = len(found)
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (x_N, y_N), 1)
    groups = [c for _, _, c in known]
    return Kappa(
        share=Partition.of([x_N == y_N], [groups]).estimate(how),
        kappa=kappa_of(x_N, y_N, k, groups, how, weights),
        values=tuple(found),
        table=tuple(tuple(int(n) for n in row) for row in counts),
        weights=weights,
        dropped=len(first) - len(known),
    )


def kappa_of(
    x_N: NDArray[np.int64],
    y_N: NDArray[np.int64],
    k: int,
    clusters: Sequence[Hashable],
    how: Resampling = DEFAULT,
    weights: Weights = "none",
) -> Estimate:
    """Kappa of two columns of codes 0 to k - 1, with its interval by cluster bootstrap."""
    if x_N.size == 0:
        return Estimate(float("nan"), -1.0, 1.0, 0, "no items", 0, how.level)
    code = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    tables = np.zeros((len(code), k * k))
    rows_N = np.array([code[name] for name in clusters], np.int64)
    np.add.at(tables, (rows_N, x_N * k + y_N), 1.0)
    rng = np.random.default_rng(how.seed)
    draws = rng.multinomial(len(code), np.full(len(code), 1 / len(code)), how.resamples)
    penalty = _penalty(k, weights)
    value = float(_kappas(tables.sum(0)[None], penalty)[0])
    replicates = _kappas(draws @ tables, penalty)
    kind = "" if weights == "none" else f" ({weights} weights)"
    method = f"Cohen's kappa{kind}, bootstrap over {len(code)} clusters, {how.resamples} resamples"
    known = replicates[~np.isnan(replicates)]
    return percentile(known, value, x_N.size, method, len(code), how.level, (-1.0, 1.0))


def _penalty(k: int, weights: Weights) -> Floats:
    """How bad each pair of labels is, shape (k, k); 0 on the diagonal."""
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))).astype(np.float64)
    if weights == "none":
        return (apart > 0).astype(np.float64)
    return apart if weights == "linear" else apart**2


def _kappas(tables: Floats, penalty: Floats) -> Floats:
    """Kappa of each confusion table, shape (R, k * k) -> (R,); NaN with one answer only."""
    k = len(penalty)
    p = tables.reshape(-1, k, k) / tables.sum(1)[:, None, None]
    observed = (p * penalty).sum((1, 2))
    chance = np.einsum("ri,rj,ij->r", p.sum(2), p.sum(1), penalty)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance > 1e-12, 1.0 - observed / chance, np.nan)


def _ordered(seen: set[Any], values: Sequence[Any] | None, weights: Weights) -> list[Any]:
    if values is not None:
        return list(values)
    try:
        return sorted(seen)
    except TypeError:
        if weights != "none":
            raise ValueError("weighted labels need their order: give `values`") from None
        return sorted(seen, key=repr)
