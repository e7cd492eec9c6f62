"""Those who labelled, among themselves: what a judge can reach, and what takes no judge at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handrail.ranking.alpha import fleiss, krippendorff
from handrail.ranking.estimates import DEFAULT, Estimate, Floats, Partition, Resampling
from handrail.ranking.meta import ANSWERS, Labels, for_longer, left_out, ratio


@dataclass(frozen=True)
class People:
    """The labellers among themselves, and what takes no judge at all.

    `left_out`: share of labels that are what most of the other labellers of the item said.
    `pairwise`: share of pairs of labellers of an item who say the same. `alpha` is Krippendorff's
    for nominal answers, `fleiss` Fleiss's kappa (None where items have different numbers of
    labellers, or one). `always` is the share of the most frequent answer, `commonest`; `longer`
    the share of decided labels for the longer reply, `ties` that of ties.
    """

    items: int
    labels: int
    left_out: Estimate
    pairwise: Estimate
    alpha: Estimate
    fleiss: Estimate | None
    always: Estimate
    commonest: str
    longer: Estimate
    ties: Estimate


def people(labels: Labels, how: Resampling = DEFAULT) -> People:
    """How the labellers agree among themselves, clustered by prompt."""
    votes, label = labels.votes_N3, labels.label_N3
    count_N, names = votes.sum(1), labels.clusters

    def mean(scores_N: Floats) -> Estimate:
        return Partition.of([scores_N], [labels.clusters]).estimate(how)

    units = [
        [name for name, n in zip(ANSWERS, row, strict=True) for _ in range(int(n))] for row in votes
    ]
    pairs_N = (votes * (votes - 1)).sum(1)
    even = len({*count_N}) == 1 and count_N[0] > 1
    most = int(np.argmax(label.sum(0))) if len(labels.keys) else 0
    picked = for_longer(label, labels.longer_N)
    return People(
        items=len(labels.keys),
        labels=int(count_N.sum()),
        left_out=mean(left_out(votes, None)),
        pairwise=mean(ratio(pairs_N, count_N * (count_N - 1))),
        alpha=krippendorff(units, values=ANSWERS, clusters=names, how=how).alpha,
        fleiss=fleiss(units, names, how) if even else None,
        always=mean(label[:, most]),
        commonest=ANSWERS[most],
        longer=mean(ratio(picked[0], picked.sum(0))),
        ties=mean(label[:, 2]),
    )
