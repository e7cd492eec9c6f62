"""Agreement of many annotators with gaps: Krippendorff's alpha, and Fleiss's kappa.

Shape suffixes: U units (items), A annotators, V distinct values, R bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from handrail.ranking.estimates import DEFAULT, Estimate, Floats, Resampling, percentile
from handrail.ranking.matches import draws

Metric = Literal["nominal", "ordinal", "interval"]
Label = Hashable | None  # None: this annotator did not label this unit
_HELD = 4_000_000


@dataclass(frozen=True)
class Reliability:
    """Krippendorff's alpha of some annotators: 1 agreement, 0 what chance gives.

    `observed` and `expected` are the disagreements, `alpha` is 1 - observed / expected. `units`
    counts the units with two or more labels, `single` those with one, which say nothing; `labels`
    the labels in use, `annotators` the most that any unit has.
    """

    alpha: Estimate
    observed: float
    expected: float
    units: int
    single: int
    labels: int
    annotators: int
    values: tuple[Any, ...]
    metric: Metric

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.alpha.as_dict(),
            "observed": None if np.isnan(self.observed) else self.observed,
            "expected": None if np.isnan(self.expected) else self.expected,
            "units": self.units,
            "single": self.single,
            "labels": self.labels,
            "annotators": self.annotators,
            "values": list(self.values),
            "metric": self.metric,
        }


def krippendorff(
    units: Sequence[Sequence[Label]],
    metric: Metric = "nominal",
    values: Sequence[Any] | None = None,
    clusters: Sequence[Hashable] | None = None,
    how: Resampling = DEFAULT,
) -> Reliability:
    """Krippendorff's alpha (2011, "Computing Krippendorff's Alpha-Reliability").

    Args:
        units: per unit its labels; None where an annotator gave none. Units may have any number
            of labels, and which annotator gave which does not matter.
        metric: difference of two values: "nominal" (equal or not), "ordinal" (by how many labels
            lie between their ranks, recomputed in every replicate) or "interval" (squared).
        values: the values in their order; by default those found, sorted. Interval values are
            numbers.
        clusters: what each unit belongs to; units are resampled by themselves without it.
        how: settings of the interval (bootstrap over units or clusters).

    Raises:
        ValueError: a label is not among `values`, or an interval value is no number.
    """
    found = _values(units, values)
    code = {value: i for i, value in enumerate(found)}
    counts_UV = np.zeros((len(units), len(found)))
    for row, labels in zip(counts_UV, units, strict=True):
        for label in labels:
            if label is not None:
                if label not in code:
                    raise ValueError(f"the label {label!r} is not among the values")
                row[code[label]] += 1
    sizes_U = counts_UV.sum(1)
    paired = sizes_U >= 2
    names = [c for c, p in zip(clusters or range(len(units)), paired, strict=True) if p]
    numbers = _numbers(found) if metric == "interval" else np.zeros(len(found))
    counts, sizes = counts_UV[paired], sizes_U[paired]
    moments = _moments(counts, sizes, names)
    observed, expected = (float(x[0]) for x in _disagreement(moments.sum(0)[None], metric, numbers))
    n = int(paired.sum())
    return Reliability(
        alpha=_alpha(moments, metric, numbers, n, how),
        observed=observed,
        expected=expected,
        units=n,
        single=int((sizes_U == 1).sum()),
        labels=int(sizes.sum()),
        annotators=int(sizes_U.max(initial=0)),
        values=tuple(found),
        metric=metric,
    )


def _values(units: Sequence[Sequence[Label]], values: Sequence[Any] | None) -> list[Any]:
    if values is not None:
        return list(values)
    seen = {label for labels in units for label in labels if label is not None}
    try:
        return sorted(seen)
    except TypeError:
        raise ValueError("the labels have no order of their own; give `values`") from None


def _numbers(values: Sequence[Any]) -> Floats:
    try:
        return np.array([float(v) for v in values])
    except (TypeError, ValueError):
        raise ValueError("interval values are numbers") from None


def _moments(counts_UV: Floats, sizes_U: Floats, names: Sequence[Hashable]) -> Floats:
    """Coincidences of values by cluster, shape (C, V * V): each unit's pairs over its size - 1."""
    v = counts_UV.shape[1]
    code: dict[Hashable, int] = {}
    cluster_U = np.array([code.setdefault(c, len(code)) for c in names], np.int64)
    pairs = counts_UV[:, :, None] * counts_UV[:, None, :]
    diagonal = np.arange(v)
    pairs[:, diagonal, diagonal] -= counts_UV
    pairs /= np.maximum(sizes_U - 1, 1)[:, None, None]
    out = np.zeros((len(code), v * v))
    np.add.at(out, cluster_U, pairs.reshape(len(pairs), v * v))
    return out


def _disagreement(sums_RV: Floats, metric: Metric, numbers_V: Floats) -> tuple[Floats, Floats]:
    """Observed and expected disagreement of each table of coincidences, shape (R, V * V)."""
    v = numbers_V.size
    o = sums_RV.reshape(len(sums_RV), v, v)
    n_RV = o.sum(2)
    total = n_RV.sum(1)
    if metric == "nominal":
        delta = np.broadcast_to(1.0 - np.eye(v), o.shape)
    elif metric == "interval":
        delta = np.broadcast_to((numbers_V[:, None] - numbers_V[None, :]) ** 2, o.shape)
    else:
        middle_RV = np.cumsum(n_RV, 1) - n_RV / 2
        delta = (middle_RV[:, :, None] - middle_RV[:, None, :]) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = (o * delta).sum((1, 2)) / total
        chance = (n_RV[:, :, None] * n_RV[:, None, :] * delta).sum((1, 2))
        return observed, chance / (total * (total - 1))


def _alpha(moments: Floats, metric: Metric, numbers: Floats, n: int, how: Resampling) -> Estimate:
    method = f"Krippendorff's alpha ({metric})"
    clusters = len(moments)
    if n == 0:
        return Estimate(float("nan"), -1.0, 1.0, 0, f"{method}, no items", 0, how.level)
    value = float(_one(moments.sum(0)[None], metric, numbers)[0])
    drawn = draws(
        clusters, how.resamples, how.seed, max(1, _HELD // max(clusters, numbers.size**2))
    )
    parts = [_one(d @ moments, metric, numbers) for d in drawn]
    replicates = np.concatenate(parts) if parts else np.zeros(0)
    method += f", bootstrap over {clusters} units or clusters, {how.resamples} resamples"
    known = replicates[~np.isnan(replicates)]
    return percentile(known, value, n, method, clusters, how.level, (-1.0, 1.0))


def _one(sums: Floats, metric: Metric, numbers: Floats) -> Floats:
    """Alpha of each table; NaN where all labels are equal, so that nothing can be told."""
    observed, expected = _disagreement(sums, metric, numbers)
    with np.errstate(invalid="ignore", divide="ignore"):
        alphas: Floats = np.where(expected > 0, 1.0 - observed / expected, np.nan)
    return alphas


def fleiss(
    units: Sequence[Sequence[Hashable]],
    clusters: Sequence[Hashable] | None = None,
    how: Resampling = DEFAULT,
) -> Estimate:
    """Fleiss's kappa (1971) of nominal labels, where every unit has equally many, two or more.

    Raises:
        ValueError: units differ in how many labels they have; Krippendorff's alpha takes those.
    """
    sizes = {len(labels) for labels in units}
    if len(sizes) > 1 or sizes & {0, 1}:
        raise ValueError("each unit needs equally many labels, two or more")
    if not units:
        return Estimate(float("nan"), -1.0, 1.0, 0, "Fleiss's kappa, no items", 0, how.level)
    (m,) = sizes
    found = {value: i for i, value in enumerate(dict.fromkeys(x for u in units for x in u))}
    counts = np.zeros((len(units), len(found)))
    for row, labels in zip(counts, units, strict=True):
        np.add.at(row, [found[label] for label in labels], 1.0)
    code: dict[Hashable, int] = {}
    names = clusters or range(len(units))
    rows = np.array([code.setdefault(c, len(code)) for c in names], np.int64)
    agreed_U = ((counts**2).sum(1) - m) / (m * (m - 1))
    sums = np.zeros((len(code), len(found) + 2))  # counts of each label, agreement, units
    np.add.at(sums, rows, np.column_stack([counts, agreed_U, np.ones(len(units))]))

    def kappas(tables: Floats) -> Floats:
        share = tables[:, :-2] / (tables[:, -1:] * m)
        chance = (share**2).sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            kappa = (tables[:, -2] / tables[:, -1] - chance) / (1 - chance)
        return np.where(chance < 1, kappa, np.nan)

    value = float(kappas(sums.sum(0)[None])[0])
    drawn = draws(len(code), how.resamples, how.seed)
    replicates = np.concatenate([np.zeros(0), *(kappas(part @ sums) for part in drawn)])
    known = replicates[~np.isnan(replicates)]
    method = f"Fleiss's kappa, bootstrap over {len(code)} clusters, {how.resamples} resamples"
    return percentile(known, value, len(units), method, len(code), how.level, (-1.0, 1.0))
