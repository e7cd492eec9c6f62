"""Paraphrases of low replies with their ratings adjusted (RLHF thesis, section 5.3.1, algorithm 1).

A paraphrase may say less than the reply, so that the reply's rating is not quite its own. The
thesis lowers it by the similarity of the two texts and by their languages, but prints no formula.
The one here is ours:

    n = max(0, cos(paraphrase, reply))       similarity, normalised to 0..1
    n = n * other_language                   where the two are in different languages
    adjusted = rating * (1 - factor * (1 - n)), kept within 0..1

With factor 1 it is rating x n: the two examples of the thesis's table 4 (0.333 to 0.20, 0.25 to
0.17) then have similarities of 0.60 and 0.68. It never raises a rating, as only low replies, which
a worse wording cannot make better, are paraphrased.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from handrail.records import Embedder, Reply, SettingError, Skip, Turn
from handrail.rewards.data.balancing import Augmented, Augmenter
from handrail.rewards.data.paraphrases import Paraphraser

# Each text's likeliest language (None: undecided) and how sure that is, as `synthesis.detect` does.
Detector = Callable[[Sequence[str]], Sequence[tuple[str | None, float]]]
SURE = 0.5  # below this confidence a language is undecided


@dataclass(frozen=True)
class Similarity:
    """How like a paraphrase is to its original: cosine of embeddings, and the two languages.

    A language is None where nothing detects it or it is undecided; it then counts as the same.
    """

    cosine: float
    languages: tuple[str | None, str | None] = (None, None)

    @property
    def same_language(self) -> bool:
        """Whether the two are in one language, as far as can be told."""
        first, second = self.languages
        return first is None or second is None or first == second


@dataclass(frozen=True)
class Adjustment:
    """How far a rating falls with the similarity; the module's text has the formula.

    Attributes:
        factor: share of the rating that is lost where nothing is alike; 0: ratings stay.
        other_language: what the similarity is multiplied by where the languages differ.
    """

    factor: float = 1.0
    other_language: float = 0.5

    def __post_init__(self) -> None:
        for name in ("factor", "other_language"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} is {getattr(self, name)}", "Give a number from 0 to 1")

    def rating(self, rating: float, similarity: Similarity) -> float:
        """The paraphrase's rating in 0..1, from the original's.

        Raises:
            SettingError: a cosine that is NaN: the embedder does not work.
        """
        if math.isnan(similarity.cosine):
            raise SettingError("the embedder gave no finite vectors", "Use another embedder")
        near = min(1.0, max(0.0, similarity.cosine))
        if not similarity.same_language:
            near *= self.other_language
        return min(1.0, max(0.0, rating * (1 - self.factor * (1 - near))))


def similarities(
    paraphrases: Sequence[str],
    originals: Sequence[str],
    embedder: Embedder,
    detect: Detector | None = None,
) -> list[Similarity]:
    """Algorithm 1's first procedure: languages and cosine of each pair of texts."""
    if not paraphrases:
        return []
    vectors_NE = np.asarray(embedder.embed([*paraphrases, *originals]), dtype=np.float64)
    lengths_N = np.linalg.norm(vectors_NE, axis=1, keepdims=True)
    # A text without an embedding is like nothing; one whose embedding is not finite stays NaN.
    unit_NE = np.divide(vectors_NE, lengths_N, out=np.zeros_like(vectors_NE), where=lengths_N != 0)
    n = len(paraphrases)
    cosines_N = (unit_NE[:n] * unit_NE[n:]).sum(1)
    codes: list[str | None] = [None] * (2 * n)
    if detect is not None:
        found = detect([*paraphrases, *originals])
        codes = [code if sure >= SURE else None for code, sure in found]
    pairs = zip(cosines_N, codes[:n], codes[n:], strict=True)
    return [Similarity(float(cosine), (a, b)) for cosine, a, b in pairs]


def augment(
    turns: Sequence[Turn],
    paraphraser: Paraphraser,
    embedder: Embedder,
    detect: Detector | None = None,
    adjustment: Adjustment | None = None,
) -> Augmented:
    """A further turn for each turn, with its replies in other words and their ratings adjusted.

    A paraphrase has no rank and no labels: nobody gave it any. A reply without a rating, or that
    nothing paraphrases, has none and is counted.

    Args:
        turns: their replies have ratings in 0..1; `balance` gives those with low ratings.
        paraphraser: says each reply in other words.
        embedder: of both texts, for their similarity.
        detect: tells their languages; without it they count as the same.
        adjustment: of the ratings.
    """
    places = [(t, r) for t, turn in enumerate(turns) for r in range(len(turn.replies))]
    originals = [turns[t].replies[r].text for t, r in places]
    made: dict[tuple[int, int], str] = {}
    skipped: list[Skip] = []
    for (t, r), old, new in zip(places, originals, paraphraser.paraphrase(originals), strict=True):
        where = f"turn '{turns[t].id}', replies.{r}"
        if isinstance(new, Skip):
            skipped.append(new.model_copy(update={"where": where}))
        elif turns[t].replies[r].rating is None:
            reason = "the reply has no rating to adjust"
            skipped.append(Skip(what="paraphrase", reason=reason, where=where))
        elif not new.strip() or new.strip() == old.strip():
            reason = "the paraphrase is the reply itself"
            skipped.append(Skip(what="paraphrase", reason=reason, where=where))
        else:
            made[t, r] = new.strip()
    old_texts = [turns[t].replies[r].text for t, r in made]
    alike = dict(
        zip(made, similarities(list(made.values()), old_texts, embedder, detect), strict=True)
    )
    how = adjustment or Adjustment()
    author = f"paraphrase by {paraphraser.name}"
    out = []
    for t, turn in enumerate(turns):
        replies = []
        for r, reply in enumerate(turn.replies):
            if (t, r) in made and reply.rating is not None:
                rating = how.rating(reply.rating, alike[t, r])
                text = made[t, r]
                replies.append(Reply(text=text, author=author, rating=rating, weight=reply.weight))
        if replies:
            out.append(_further(turn, replies, author))
    return Augmented(out, skipped)


def _further(turn: Turn, replies: Sequence[Reply], author: str) -> Turn:
    provenance = turn.provenance.model_copy(
        update={"made_by": f"handrail.rewards.data.augment, {author}", "parents": (turn.id,)}
    )
    update = {"id": f"{turn.id}~augment1", "replies": tuple(replies), "provenance": provenance}
    return turn.model_copy(update=update)


def augmenter(
    paraphraser: Paraphraser,
    embedder: Embedder,
    detect: Detector | None = None,
    adjustment: Adjustment | None = None,
) -> Augmenter:
    """`augment` with these settings, as `balance` takes it."""
    return lambda turns: augment(turns, paraphraser, embedder, detect, adjustment)


class NgramEmbedder:
    """`Embedder` without a model: counts of words and of 3-letter pieces of them, hashed.

    Forms of one word stay near each other; words that only mean the same do not. It gives the two
    examples of the thesis's table 4 similarities of 0.62 and 0.65, so ratings of 0.21 and 0.16.
    """

    name = "ngrams"

    def __init__(self, width: int = 512) -> None:
        self.width = width

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One row of `width` counts per text, roots taken so that a frequent word weighs less."""
        return [self._row(text) for text in texts]

    def _row(self, text: str) -> list[float]:
        words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
        pieces = [f" {w} "[i : i + 3] for w in words for i in range(len(w))]
        row = [0.0] * self.width
        for piece, n in Counter([*words, *pieces]).items():
            row[zlib.crc32(piece.encode("utf-8", "replace")) % self.width] += n
        return [math.sqrt(value) for value in row]
