"""Near-equal guardrails of many conversations made one, each under a single wording and id.

Which pairs are worth a question is found by similarity: the cosine of TF-IDF vectors over the
3-grams of characters within words (forms of a word stay near each other), or of an `Embedder`'s
vectors. Whether a pair is one rule is for a language model to say. Questions are asked about the
wordings that the two groups go by so far, the most similar first, and what follows from earlier
answers is not asked: members of one group are the same, members of two groups that were told apart
are not (transitive relations in crowdsourced joins: Wang, Li, Kraska, Franklin and Feng 2013).
A merger needs two answers, in either order of the pair.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from handrail.records import Answer, Embedder, Failure, Guardrail, Skip
from handrail.synthesis.ask import UNANSWERED, Asking, Progress, failed

_ROWS = 512  # texts whose similarities to all others are held at a time
_SMALL = frozenset(
    ("a", "an", "the", "to", "of", "for", "in", "on", "and", "or", "is", "are", "be", "it", "if")
)


def normal(text: str) -> str:
    """A guardrail's text without what does not make another rule: case, spaces, a full stop."""
    return " ".join(text.split()).rstrip(".").casefold()


def guardrail_id(text: str) -> str:
    """A stable, readable id: some words of the text and 8 hex digits of its SHA-256."""
    words = [w[:12] for w in re.findall(r"[^\W_]+", text.lower()) if w not in _SMALL][:4]
    digest = hashlib.sha256(normal(text).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join([*words, digest])


@dataclass(frozen=True)
class Merged:
    """What became of the texts: `guardrails` with the most support first.

    `group` gives the guardrail's id for each text as it was found; `support` in how many
    conversations a guardrail was found; `wordings` its texts with their counts. `candidates` pairs
    were similar enough, `asked` questions were put to the model, `same` pairs were one rule.
    """

    guardrails: tuple[Guardrail, ...]
    group: Mapping[str, str]
    support: Mapping[str, int]
    wordings: Mapping[str, Mapping[str, int]]
    candidates: int = 0
    asked: int = 0
    same: int = 0
    skipped: tuple[Skip, ...] = ()


def similar_pairs(
    texts: Sequence[str],
    least: float = 0.25,
    most: int = 10,
    embedder: Embedder | None = None,
) -> list[tuple[int, int, float]]:
    """Pairs of texts worth comparing, the most similar first: (i, j, cosine) with i < j.

    Args:
        texts: distinct texts.
        least: the least cosine.
        most: of each text its `most` nearest others only.
        embedder: gives the vectors; None: TF-IDF over 3-grams of characters.
    """
    if len(texts) < 2:
        return []
    rows_ND = _tfidf(texts) if embedder is None else _embedded(texts, embedder)
    pairs: dict[tuple[int, int], float] = {}
    for start in range(0, len(texts), _ROWS):
        alike_BN = rows_ND[start : start + _ROWS] @ rows_ND.T
        if sparse.issparse(alike_BN):
            alike_BN = alike_BN.toarray()
        # Rounded, so that what is equal on paper has one order everywhere.
        alike_BN = np.round(np.asarray(alike_BN), 6)
        for b, alike_N in enumerate(alike_BN):
            i = start + b
            alike_N[i] = -np.inf
            near = np.argsort(-alike_N, kind="stable")[:most]
            for j in near[alike_N[near] >= least].tolist():
                pairs[min(i, j), max(i, j)] = float(alike_N[j])
    order = sorted(pairs.items(), key=lambda p: (-p[1], texts[p[0][0]], texts[p[0][1]]))
    return [(i, j, alike) for (i, j), alike in order]


def _grams(text: str) -> Counter[str]:
    """3-grams of characters within words, with the words' ends."""
    grams: Counter[str] = Counter()
    for word in re.findall(r"\w+", normal(text)):
        padded = f" {word} "
        grams.update(padded[k : k + 3] for k in range(len(padded) - 2))
    return grams


def _tfidf(texts: Sequence[str]) -> sparse.csr_array:
    """Rows of length 1: counts times ln((1 + n) / (1 + df)) + 1 (Salton and Buckley 1988)."""
    bags = [_grams(text) for text in texts]
    seen = Counter(gram for bag in bags for gram in bag)
    column = {gram: i for i, gram in enumerate(sorted(seen))}
    idf = np.array([np.log((1 + len(bags)) / (1 + seen[g])) + 1.0 for g in sorted(seen)])
    columns = np.array([column[g] for bag in bags for g in bag], dtype=np.int64)
    counts = np.array([n for bag in bags for n in bag.values()], dtype=np.float64)
    ends = np.cumsum([0, *(len(bag) for bag in bags)])
    rows = sparse.csr_array((counts * idf[columns], columns, ends), shape=(len(bags), len(column)))
    length = np.sqrt(rows.multiply(rows).sum(axis=1))
    return sparse.csr_array(sparse.diags_array(1.0 / np.where(length > 0, length, 1.0)) @ rows)


def _embedded(texts: Sequence[str], embedder: Embedder) -> np.ndarray:
    rows_ND = np.asarray(embedder.embed(list(texts)), dtype=np.float64)
    length_N1 = np.linalg.norm(rows_ND, axis=1, keepdims=True)
    unit: np.ndarray = rows_ND / np.where(length_N1 > 0, length_N1, 1.0)
    return unit


class _Groups:
    """Union-find over the texts, with the wording that each group goes by."""

    def __init__(self, texts: Sequence[str], counts: Sequence[int]) -> None:
        self.texts, self._parent = texts, list(range(len(texts)))
        self._votes = list(counts)
        self.members = {i: [i] for i in range(len(texts))}
        self._apart: defaultdict[int, set[int]] = defaultdict(set)

    def root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def known(self, i: int, j: int) -> bool:
        """Whether it is known already if these two are one rule."""
        a, b = self.root(i), self.root(j)
        return a == b or b in self._apart[a]

    def tell_apart(self, a: int, b: int) -> None:
        self._apart[a].add(b)
        self._apart[b].add(a)

    def join(self, a: int, b: int, clearer: Sequence[str]) -> None:
        """Make two groups (by their roots) one; `clearer` are the model's votes for a wording."""
        keep, gone = min(a, b), max(a, b)
        self._parent[gone] = keep
        self.members[keep] += self.members.pop(gone)
        for other in self._apart.pop(gone, set()):
            self._apart[other].discard(gone)
            self.tell_apart(keep, other)
        voted = [normal(text) for text in clearer]
        for i in self.members[keep]:
            self._votes[i] += voted.count(normal(self.texts[i]))

    def wording(self, root: int) -> str:
        """The most frequent wording, votes counted; the shorter of two, then by the alphabet."""
        best = min(
            self.members[root], key=lambda i: (-self._votes[i], len(self.texts[i]), self.texts[i])
        )
        return self.texts[best]


def merge_guardrails(
    found: Sequence[Sequence[str]],
    asking: Asking,
    least: float = 0.25,
    most: int = 10,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> Merged:
    """Merge the guardrails that were found in conversations into one list.

    The result does not depend on the order of the conversations. A pair whose question failed
    stays apart, and is counted.

    Args:
        found: per conversation its guardrails' texts.
        asking: the model and the prompt `merge`.
        least: the least cosine of a pair that is asked about.
        most: of each text its `most` nearest others only.
        embedder: gives the vectors, as in `similar_pairs`.
        progress: called as ("merge", pairs settled, candidates).
    """
    spelt: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for texts in found:
        for text in texts:
            spelt[normal(text)][text] += 1
    names = sorted(spelt)
    texts = [min(spelt[n], key=lambda t: (-spelt[n][t], t)) for n in names]
    groups = _Groups(texts, [spelt[n].total() for n in names])
    open_pairs = similar_pairs(texts, least, most, embedder)
    candidates, asked, same = len(open_pairs), 0, 0
    skipped: list[Skip] = []
    while open_pairs := [p for p in open_pairs if not groups.known(p[0], p[1])]:
        if progress is not None:
            progress("merge", candidates - len(open_pairs), candidates)
        pairs = _round(open_pairs, groups)
        told = _asked_twice(pairs, groups, asking, skipped)
        if told is None:
            skipped[-1] = skipped[-1].model_copy(update={"count": len(open_pairs)})
            break
        asked += len(pairs) + sum(votes is not None for votes, _ in told)
        for (a, b), (votes, both) in zip(pairs, told, strict=True):
            if votes is not None and both:
                same += 1
                groups.join(a, b, votes)
            else:
                groups.tell_apart(a, b)
    if progress is not None:
        progress("merge", candidates, candidates)
    counts = (candidates, asked, same)
    return _merged(found, names, groups, spelt, counts, skipped)


def _asked_twice(
    pairs: Sequence[tuple[int, int]], groups: _Groups, asking: Asking, skipped: list[Skip]
) -> list[tuple[list[str] | None, bool]] | None:
    """For each pair the wordings that the answers call the clearer one, and whether it is one rule.

    A pair that is called one rule is asked about once more with the two in the other order, as one
    wrong merger spoils two guardrails in every conversation that has them. None: not asked again.
    None for all: nobody answers any more, of which `skipped` then tells once.
    """
    words = [sorted((groups.wording(a), groups.wording(b))) for a, b in pairs]
    first = asking.ask([asking.request("merge", {"a": a, "b": b}) for a, b in words])
    dead = [one for one in first if isinstance(one, Failure) and one.kind in UNANSWERED]
    if len(dead) == len(first):
        skipped.append(failed(dead[0], "pair of guardrails left apart"))
        return None
    yes = [i for i, one in enumerate(first) if isinstance(one, Answer) and one.data.same]
    requests = [asking.request("merge", {"a": words[i][1], "b": words[i][0]}) for i in yes]
    second = dict(zip(yes, asking.ask(requests), strict=True))
    told: list[tuple[list[str] | None, bool]] = []
    for i, one in enumerate(first):
        again = second.get(i)
        for answer in (one, again):
            if isinstance(answer, Failure):
                skipped.append(failed(answer, "pair of guardrails left apart"))
        if not isinstance(one, Answer) or i not in second:
            told.append((None, False))
        elif isinstance(again, Answer) and again.data.same:
            told.append(([one.data.text, again.data.text], True))
        else:
            told.append(([], False))
    return told


def _round(pairs: Sequence[tuple[int, int, float]], groups: _Groups) -> list[tuple[int, int]]:
    """The most similar pairs of groups of which none is in two: their answers go together."""
    busy: set[int] = set()
    chosen = []
    for i, j, _ in pairs:
        a, b = sorted((groups.root(i), groups.root(j)))
        if not busy & {a, b}:
            busy |= {a, b}
            chosen.append((a, b))
    return chosen


def _merged(
    found: Sequence[Sequence[str]],
    names: Sequence[str],
    groups: _Groups,
    spelt: Mapping[str, Counter[str]],
    counts: tuple[int, int, int],
    skipped: Sequence[Skip],
) -> Merged:
    """The groups as guardrails, the most supported first."""
    guardrails: dict[str, Guardrail] = {}
    group: dict[str, str] = {}
    wordings: dict[str, dict[str, int]] = {}
    for root, members in groups.members.items():
        text = groups.wording(root)
        rule = Guardrail(id=guardrail_id(text), text=text)
        guardrails[rule.id] = rule
        wordings[rule.id] = {t: n for i in members for t, n in spelt[names[i]].items()}
        group |= dict.fromkeys(wordings[rule.id], rule.id)
    support = Counter(rule for texts in found for rule in {group[text] for text in texts})
    order = sorted(guardrails, key=lambda g: (-support[g], g))
    return Merged(
        guardrails=tuple(guardrails[g] for g in order),
        group=group,
        support={g: support[g] for g in order},
        wordings={g: wordings[g] for g in order},
        candidates=counts[0],
        asked=counts[1],
        same=counts[2],
        skipped=tuple(skipped),
    )
