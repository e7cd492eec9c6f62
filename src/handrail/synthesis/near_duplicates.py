"""Texts that are nearly equal to an earlier one, by the Jaccard similarity of their shingles.

A text's shingles are its 5-grams of characters, case and white space folded. Candidates come from
MinHash signatures in LSH bands (datasketch; Broder 1997, Leskovec et al. chapter 3); each is then
compared exactly, so that nothing is dropped that is not as similar as asked. What the bands miss is
the method's only error: the number of bands and rows is chosen for at most `miss` at the threshold.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from handrail.records import SettingError
from handrail.synthesis.filters import Why

GRAM = 5
_TOLD = 500  # texts between reports of progress


def shingles(text: str) -> frozenset[bytes]:
    """The 5-grams of a text's characters; a shorter text is its own and only one."""
    folded = " ".join(text.casefold().split())
    grams = (folded[i : i + GRAM] for i in range(max(1, len(folded) - GRAM + 1)))
    return frozenset(gram.encode("utf-8", "surrogatepass") for gram in grams)


def jaccard(a: frozenset[bytes], b: frozenset[bytes]) -> float:
    """Shared shingles over all; two texts without any letter are equal."""
    both = len(a & b)
    every = len(a) + len(b) - both
    return both / every if every else 1.0


@dataclass(frozen=True)
class NearDuplicates:
    """Drops a text as similar as `threshold` to an earlier one that was kept.

    Attributes:
        threshold: Jaccard similarity, above 0 to 1; 1 drops equal texts only (case and white
            space aside).
        permutations: of a MinHash signature.
        miss: how likely a pair at the threshold may be missed.
        seed: of the hash functions.
    """

    threshold: float = 0.8
    permutations: int = 128
    miss: float = 0.01
    seed: int = 1
    name: str = "near-duplicates"

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise SettingError(
                f"{self.threshold} is no similarity", "Give one above 0, up to 1, such as 0.8"
            )

    def why(
        self, texts: Sequence[str], names: Sequence[str], progress: Callable[[int, int], None]
    ) -> list[Why | None]:
        """The earlier text that a text nearly equals, the most similar one."""
        minhash, lsh = self._tools()
        sets: list[frozenset[bytes]] = []
        whys: list[Why | None] = []
        for i, text in enumerate(texts):
            sets.append(shingles(text))
            signature = minhash(num_perm=self.permutations, seed=self.seed, hashfunc=zlib.crc32)
            signature.update_batch(sorted(sets[i]))
            near = [(jaccard(sets[i], sets[j]), -j) for j in lsh.query(signature)]
            best = max(near, default=(0.0, 0))
            if best[0] >= self.threshold:
                detail = f"{best[0]:.2f} like {names[-best[1]]}"
                whys.append(Why("it nearly equals an earlier one", detail))
            else:
                whys.append(None)
                lsh.insert(i, signature)
            if (i + 1) % _TOLD == 0 or i + 1 == len(texts):
                progress(i + 1, len(texts))
        return whys

    def _tools(self) -> tuple[Any, Any]:
        try:
            from datasketch import MinHash, MinHashLSH
        except ImportError:
            raise SettingError(
                "finding near-duplicates needs the package datasketch",
                "pip install 'handrail[filters]'",
            ) from None
        bands, rows = self.bands()
        return MinHash, MinHashLSH(num_perm=self.permutations, params=(bands, rows))

    def bands(self) -> tuple[int, int]:
        """Bands and rows: the most rows (fewest candidates) that miss no more than `miss`.

        A pair of similarity s shares no band of r rows among b with probability (1 - s^r)^b.
        """
        for rows in range(self.permutations, 0, -1):
            bands = self.permutations // rows
            if (1 - self.threshold**rows) ** bands <= self.miss:
                return max(2, bands), rows if bands > 1 else self.permutations // 2
        return self.permutations, 1
